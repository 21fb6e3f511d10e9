"""How good scores are: the paper's six metrics, calibration and more, each with a 95 % interval by group.

Pure numpy in, numbers out. The paper's metrics are those of its section "Evaluation metrics"; its IoU is of labels, not
of pixels. Intervals are bootstrapped by resampling groups, not records: slices of one patient are one draw.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from training.metrics.calibration import calibration_errors, calibration_lines, calibrations_in_the_large
from training.metrics.ranking import areas, by_score, ratio

DRAWS = 2000
_MOST_WEIGHTS = 4_000_000
"""Weights of records in bootstrap samples held at a time: 32 MB, so that a large test set does not fill the memory."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; None where it does not exist, such as the AUC of one class."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and scores of records to judge.

    Attributes:
        labels: int (records,), 1 for the positive class.
        probabilities: float (records,), of the positive class, 0..1.
        predicted: bool (records,), whether called positive.
        groups: str (records,), what is resampled as one.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray

    def __post_init__(self) -> None:
        """All four are of one length, labels are 0 and 1, probabilities lie in 0..1."""
        if len({len(self.labels), len(self.probabilities), len(self.predicted), len(self.groups)}) != 1:
            raise ValueError("labels, probabilities, predictions and groups differ in number")
        if not np.isin(self.labels, (0, 1)).all():
            raise ValueError("labels must be 0 or 1")
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            raise ValueError("probabilities must lie in 0..1")

    @classmethod
    def of(
        cls, labels: Sequence[int], probabilities: Sequence[float], *, threshold: float, groups: Sequence[str]
    ) -> Self:
        """Call positive what lies at or above ``threshold``."""
        scores = np.asarray(probabilities, dtype=np.float64)
        return cls(np.asarray(labels, dtype=np.int64), scores, scores >= threshold, np.asarray(groups, dtype=np.str_))

    def for_positive(self, label: int) -> Self:
        """The same sample with ``label`` as the positive class."""
        if label == 1:
            return self
        return replace(self, labels=1 - self.labels, probabilities=1 - self.probabilities, predicted=~self.predicted)


def measure(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """All metrics of a sample by name.

    Args:
        sample: may hold one class only, or no record.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        auc, average_precision, accuracy, balanced_accuracy, sensitivity, specificity, ppv and npv (at the sample's own
        prevalence), iou, f1, brier, calibration_slope and calibration_intercept (of one line), calibration_in_the_large,
        calibration_error; intervals as ``interval`` gives them, None with fewer than two groups.
    """
    values = _values(sample, np.ones((1, len(sample.labels))))
    count = len(set(sample.groups.tolist()))
    if count < 2:
        return {name: Interval(_finite(found[0])) for name, found in values.items()}
    parts = [_values(sample, weights) for weights in resamples(sample.groups, draws=draws, seed=seed)]
    resampled = {name: np.concatenate([part[name] for part in parts]) for name in values}
    groups = _groups_behind(sample)
    found = {name: interval(v[0], resampled[name], groups=groups.get(name, count)) for name, v in values.items()}
    error = reflected(values["calibration_error"][0], resampled["calibration_error"], groups=count)
    return found | {"calibration_error": error}


def share(hits: np.ndarray, groups: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """How many of the records are hits, or the mean of a figure of theirs, with an interval by group.

    Args:
        hits: bool or float (records,).
        groups: str (records,).
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        None without a record; no interval with fewer than two groups.
    """
    if not len(hits):
        return Interval(None)
    value, count = float(hits.mean()), len(set(groups.tolist()))
    if count < 2:
        return Interval(value)
    return interval(value, bootstrap(lambda w: ratio(w @ hits, w.sum(axis=1)), groups, draws, seed), groups=count)


def has_both(labels: np.ndarray) -> bool:
    """Whether there are positives and negatives: int (records,)."""
    return len(set(labels.tolist())) == 2


def fewest_groups(labels: np.ndarray, groups: np.ndarray) -> int:
    """Groups of the class that has fewer, which is what a figure of both rests on: int and str (records,)."""
    return min(len(set(groups[labels == label].tolist())) for label in (1, 0))


def _groups_behind(sample: Sample) -> dict[str, int]:
    """How many groups a figure rests on, where not on all of them."""

    def groups(rows: np.ndarray) -> int:
        return len(set(sample.groups[rows].tolist()))

    positive, negative = groups(sample.labels == 1), groups(sample.labels == 0)
    of_positives = dict.fromkeys(("sensitivity", "iou", "f1"), positive)
    both = ("auc", "average_precision", "balanced_accuracy", "calibration_slope", "calibration_intercept")
    of_both = dict.fromkeys((*both, "calibration_in_the_large"), min(positive, negative))
    called = {"ppv": groups(sample.predicted), "npv": groups(~sample.predicted)}
    return of_positives | of_both | called | {"specificity": negative}


def group_weights(groups: int, *, draws: int, seed: int) -> np.ndarray:
    """float64 (draws, groups): how often each group is in each bootstrap sample."""
    even = np.full(groups, 1.0 / groups)
    return np.random.default_rng(seed).multinomial(groups, even, size=draws).astype(np.float64)


def resamples(groups: np.ndarray, *, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each record is in each bootstrap sample of groups, some samples at a time.

    Args:
        groups: str (records,), at least one.
        draws: bootstrap samples.
        seed: of the bootstrap.

    Yields:
        float64 (some draws, records).
    """
    names, owner = np.unique(groups, return_inverse=True)
    step = max(1, _MOST_WEIGHTS // len(owner))
    rng, even = np.random.default_rng(seed), np.full(len(names), 1.0 / len(names))
    for start in range(0, draws, step):
        weights = rng.multinomial(len(names), even, size=min(step, draws - start))
        yield weights.astype(np.float64)[:, owner]


def bootstrap(statistic: Callable[[np.ndarray], np.ndarray], groups: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The statistic of every bootstrap sample of groups.

    Args:
        statistic: from weights (draws, records) to figures (draws, ...).
        groups: str (records,), at least one.
        draws: bootstrap samples.
        seed: of the bootstrap.
    """
    return np.concatenate([statistic(weights) for weights in resamples(groups, draws=draws, seed=seed)])


def percentiles(value: float, resampled: np.ndarray, *, groups: int) -> Interval:
    """The figure with the 2.5 and 97.5 percentiles of its bootstrap values.

    Args:
        value: nan where it does not exist.
        resampled: float (draws,), nan where a draw has none, such as an AUC where it holds one class; these are left out. No
            interval where that is half of them, and none where a limit is infinite.
        groups: how many groups the figure rests on; one says nothing of how groups differ, and gives no interval.
    """
    exists = resampled[~np.isnan(resampled)]
    if not np.isfinite(value) or groups < 2 or len(exists) < max(1, len(resampled) / 2):
        return Interval(_finite(value))
    with np.errstate(invalid="ignore"):  # Between a number and infinity, or between infinities, there is none.
        low, high = np.percentile(exists, (2.5, 97.5))
    if not np.isfinite((low, high)).all():
        return Interval(float(value))
    return Interval(float(value), low=float(low), high=float(high))


def uncertain(value: float, resampled: np.ndarray, *, groups: int) -> Interval:
    """The interval of a figure that is no share: as ``percentiles``, but none where no sample changes it."""
    found = percentiles(value, resampled, groups=groups)
    unchanged = found.low is not None and found.high is not None and _same(found.low, found.high)
    return Interval(found.value) if unchanged else found


def interval(value: float, resampled: np.ndarray, *, groups: int) -> Interval:
    """The interval of a share: as ``percentiles`` gives it, but never certain.

    Where nothing went wrong (or all did), resampling cannot imagine that anything could: 16 hits of 16 would be "1.000 to
    1.000". There the exact binomial interval is given, with groups as trials. Any other figure that no sample changes, such as
    the balanced accuracy of calling everything positive, has none: its error is not known.
    """
    found = percentiles(value, resampled, groups=groups)
    if found.low is None or found.high is None or not _same(found.low, found.high):
        return found
    certain = float(0.025 ** (1 / groups))
    if _same(value, 0.0):
        return replace(found, low=0.0, high=1 - certain)
    return replace(found, low=certain, high=1.0) if _same(value, 1.0) else Interval(found.value)


def reflected(value: float, resampled: np.ndarray, *, groups: int) -> Interval:
    """The interval of a figure that resampling can only make larger, such as a calibration error.

    Bootstrap samples add their own noise to every bin, so their errors lie above the sample's as the sample's lies above
    the truth: their distances are taken to the other side, and kept at or above 0. An error of 0, or of 1, has no other side.
    """
    found = interval(value, resampled, groups=groups)
    if found.value is None or found.low is None or found.high is None:
        return Interval(found.value)
    if _same(found.value, 0.0) or _same(found.value, 1.0):
        return found
    low, high = 2 * found.value - found.high, 2 * found.value - found.low
    return Interval(found.value, low=min(max(0.0, low), found.value), high=max(high, found.value))


def _same(one: float, other: float) -> bool:
    """Whether two figures differ in their last digits at most, as one does from draw to draw: each adds up other weights."""
    return bool(np.isclose(one, other, rtol=0, atol=1e-12))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _values(sample: Sample, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each metric for each row of weights, float64 (draws,); nan where it does not exist."""
    positive, called = sample.labels == 1, sample.predicted
    tp = weights @ (positive & called)
    fn = weights @ (positive & ~called)
    fp = weights @ (~positive & called)
    tn = weights @ (~positive & ~called)
    sensitivity, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    slope, intercept = calibration_lines(sample.probabilities, sample.labels, weights)
    return {
        **_ranked(sample, weights),
        "accuracy": ratio(tp + tn, tp + tn + fp + fn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        # Of one class they are 1 or 0 whatever is called.
        "ppv": np.where((tp + fn > 0) & (fp + tn > 0), ratio(tp, tp + fp), np.nan),
        "npv": np.where((tp + fn > 0) & (fp + tn > 0), ratio(tn, tn + fn), np.nan),
        # Without a positive there is no recall, and so neither of these.
        "iou": np.where(tp + fn > 0, ratio(tp, tp + fp + fn), np.nan),
        "f1": np.where(tp + fn > 0, ratio(2 * tp, 2 * tp + fp + fn), np.nan),
        "brier": ratio(weights @ (sample.probabilities - sample.labels) ** 2, weights.sum(axis=1)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "calibration_in_the_large": calibrations_in_the_large(sample.probabilities, sample.labels, weights),
        "calibration_error": calibration_errors(sample.probabilities, sample.labels, weights),
    }


def _ranked(sample: Sample, weights: np.ndarray) -> dict[str, np.ndarray]:
    """What rests on the order of scores alone.

    Average precision: the mean over positives of the precision at their own score; None without both classes, where it says
    nothing.
    """
    positives, negatives = by_score(sample.labels, sample.probabilities, weights)
    area = areas(positives, negatives)
    called = np.cumsum(positives[:, ::-1], axis=1)[:, ::-1], np.cumsum(negatives[:, ::-1], axis=1)[:, ::-1]
    precision = np.nan_to_num(ratio(called[0], called[0] + called[1]))
    found = ratio((positives * precision).sum(axis=1), positives.sum(axis=1))
    return {"auc": area, "average_precision": np.where(np.isfinite(area), found, np.nan)}


def as_numbers(metrics: dict[str, Interval]) -> dict[str, dict[str, float | None]]:
    """What ``metrics.json`` holds of them."""
    return {name: {"value": i.value, "low": i.low, "high": i.high} for name, i in metrics.items()}
