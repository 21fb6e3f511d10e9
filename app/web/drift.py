"""Whether what comes in, and what comes of it, still looks like what the model was made and measured with."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, Summary
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.ct.manifest import Manifest, Measured
from app.outcome import Outcome

_TENTHS = tuple(k / 10 for k in range(1, 11))


class Drift(Collector):
    """Counts of scored slices, and beside them what the model's manifest tells of training and evaluation."""

    def __init__(self, registry: CollectorRegistry, manifest: Callable[[], Manifest | None]) -> None:
        """Nothing counted yet; ``manifest`` gives that of the model in service, None while there is none."""
        self._manifest = manifest
        self._squares = Summary(
            "covidct_slice_distance_squared",
            "Squared distance of scored slices from training slices, as a share of the model's limit; the root of its mean "
            "belongs beside covidct_reference_slice_distance",
            registry=registry,
        )
        self._unlike = Counter("covidct_slices_unlike_training", "Scored slices beyond the limit", registry=registry)
        self._positive = Counter(
            "covidct_slices_positive",
            "Scored slices at or above the threshold; their share of covidct_slices_scored belongs beside "
            "covidct_reference_slices_positive",
            registry=registry,
        )
        self._scores = Histogram(
            "covidct_slice_probability",
            "Probability of scored slices; the share of each bucket belongs beside covidct_reference_slice_probability",
            buckets=_TENTHS,
            registry=registry,
        )
        registry.register(self)

    def observe(self, outcome: Outcome) -> None:
        """Count one exam's slices."""
        for distance in outcome.distances:
            self._squares.observe(distance**2)
        for probability in outcome.probabilities:
            self._scores.observe(probability)
        self._unlike.inc(sum(distance > 1 for distance in outcome.distances))
        self._positive.inc(outcome.positive)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The references, once there is a model."""
        manifest = self._manifest()
        if manifest is None:
            return
        distance = GaugeMetricFamily(
            "covidct_reference_slice_distance",
            "Root mean square distance of training slices, as a share of the limit: of slices shown whole and of those with "
            "blackened surroundings",
            labels=["kind"],
        )
        limits = {"whole": manifest.fitness.distance_limit, "masked": manifest.fitness.masked_distance_limit}
        for kind, limit in limits.items():
            if limit is not None:
                distance.add_metric([kind], 1 / limit)  # training slices are 1 apart, by how the distance is made
        yield distance
        positive = GaugeMetricFamily(
            "covidct_reference_slices_positive",
            "Share of slices at or above the threshold in the model's evaluations, whose mix of labels is no hospital's",
            labels=["data"],
        )
        for data in dict.fromkeys(one.data for one in manifest.measured if one.by == "slice"):
            share = positive_share([one for one in manifest.measured if one.data == data and one.by == "slice"])
            if share is not None:
                positive.add_metric([data], share)
        yield positive
        if manifest.scores is not None:
            spread = GaugeMetricFamily(
                "covidct_reference_slice_probability",
                "Share of slices of at most this probability among those the model was measured on, whose mix of labels is no "
                "hospital's",
                labels=["data", "le"],
            )
            for tenth, share in zip(_TENTHS, manifest.scores.at_most, strict=True):
                spread.add_metric([manifest.scores.data, str(tenth)], share)
            yield spread


def positive_share(measured: Sequence[Measured]) -> float | None:
    """The share of slices called positive in one evaluation; None where its figures do not tell.

    Accuracy is sensitivity and specificity weighed by the share of positive slices, which so follows from the three.
    """
    value = {one.metric: one.value for one in measured}
    accuracy, sensitivity, specificity = (value.get(name) for name in ("accuracy", "sensitivity", "specificity"))
    if accuracy is None or sensitivity is None or specificity is None or abs(sensitivity - specificity) < 0.01:
        return None
    diseased = (accuracy - specificity) / (sensitivity - specificity)
    return sensitivity * diseased + (1 - specificity) * (1 - diseased)
