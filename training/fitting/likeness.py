"""The limits of what a model judges at all: how training slices look, and how far from that a slice may be.

Fitted on slices of every training data set, without labels and without a single picture of anything else: what is no chest CT
is left for measuring. Slices with blackened surroundings are kept apart from the others: fitted together, whatever is bright on
black (a head, a hammer) lay as near as a masked lung.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from app.ct.fitness import FITNESS_FILE, TrainingFeatures, TrainingSlices
from app.ct.manifest import FitnessSpec
from app.ct.preprocessing import Preprocessor
from app.ct.selection import LEAST_AREA, lung_area
from training.keys import key_of
from training.learning.features import Frozen
from training.records.catalog import Part, Record
from training.run import RunError

_FOLDS = 5
_LEAST_SCALE = 1e-3
_AT_ONCE = 64
"""Slices that are read before the network sees them."""
_RESTS_ON = (
    "Distances are from {training} training slices. {refused:.1%} of {known} slices of training and validation lie beyond their"
    " limits, each judged by training slices of other patients; {limits}."
    " {lungless:.1%} of the training slices have less than the least lung area. No picture of anything but chest CT was"
    " fitted to; that the two kinds are kept apart, and how many slices may lie beyond, was decided after other pictures had been"
    " measured."
)
_LIMITS = {
    (True, True): "one limit is for slices shown whole and one for those with blackened surroundings",
    (True, False): "one limit is for all, from slices shown whole, as too few came with blackened surroundings",
    (False, True): "one limit is for all, from slices with blackened surroundings, as too few are shown whole",
}
"""By whether slices shown whole, and those with blackened surroundings, have a limit of their own."""


@dataclass(frozen=True)
class FitnessSettings:
    """How the limits are fitted.

    Attributes:
        directions: main directions of the features that are kept.
        refused_share: of slices with lungs that lie beyond the limit of distance, each judged by training slices of other groups.
            Validation slices alone are too few: half a percent of a hundred masked ones is whichever is the oddest.
        lungless_share: of training slices that have less lung than the least area; the data hold about as many slices of the
            upper abdomen.
    """

    directions: int = 64
    refused_share: float = 0.02
    lungless_share: float = 0.01


@dataclass(frozen=True, eq=False)
class Seen:
    """What slices look like as they are served.

    Attributes:
        features: float32 (slices, channels), of the network.
        lung_area: float (slices,), share of each picture that is lung.
        lung_found: bool (slices,), whether preprocessing found the lungs.
        masked: bool (slices,), whether all outside the lungs was black already.
    """

    features: np.ndarray
    lung_area: np.ndarray
    lung_found: np.ndarray
    masked: np.ndarray

    def of(self, rows: Sequence[int]) -> Self:
        """The same of some of the slices."""
        return replace(self, **{name: array[rows] for name, array in vars(self).items()})


def look_at(records: Sequence[Record], preprocessor: Preprocessor, network: Frozen) -> Seen:
    """Read, prepare and look at image records; the network gives ``features`` (see ``app.ct.network.mean_features``).

    A few at a time: no more pictures are held than go through the network at once.
    """
    parts = [_look_at(records[k : k + _AT_ONCE], preprocessor, network) for k in range(0, len(records), _AT_ONCE)]
    return Seen(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _look_at(records: Sequence[Record], preprocessor: Preprocessor, network: Frozen) -> Seen:
    exams = [record.read() for record in records]
    prepared = [preprocessor(exam.slices[0]) for exam in exams]
    return Seen(
        np.concatenate([batch["features"] for batch in network.batches(np.stack([p.image for p in prepared]))]),
        np.array([lung_area(exam).max() for exam in exams]),
        np.array([p.lung_share > 0 for p in prepared]),
        np.array([p.masked for p in prepared]),
    )


def fit_limits(records: Sequence[Record], seen: Seen, settings: FitnessSettings) -> tuple[TrainingSlices, FitnessSpec]:
    """Spread of the features of training slices, and the limits.

    Where too few slices are shown whole, those that came masked stand for them: a slice shown whole then lies far from training.

    Args:
        records: of training and validation.
        seen: of the records, in the same order.
        settings: of the recipe.

    Raises:
        RunError: there are too few training slices with lung of either kind.
    """
    training = np.array([r.part is Part.TRAIN for r in records])
    are_whole, are_masked = seen.lung_found & ~seen.masked, seen.lung_found & seen.masked
    own, masked = (_fit_kind(records, seen.features, training, rows, settings) for rows in (are_whole, are_masked))
    whole = own or masked
    if whole is None:
        raise RunError(
            f"Limits of fitness need more than {settings.directions} training slices with lung, shown whole or with blackened"
            f" surroundings, beside every {_FOLDS}th of the groups."
        )
    lungless = float(np.quantile(seen.lung_area[training], settings.lungless_share))
    least_area = max(LEAST_AREA, round(lungless, 4))
    beyond = sum(
        kind.beyond if kind else int((whole.features.distance(seen.features[rows]) > whole.limit).sum())
        for kind, rows in ((own, are_whole), (masked, are_masked))
    )
    spec = FitnessSpec(
        file=FITNESS_FILE,
        least_lung_area=least_area,
        distance_limit=whole.limit,
        masked_distance_limit=masked.limit if masked else None,
        rests_on=_RESTS_ON.format(
            training=int((training & seen.lung_found).sum()),
            known=int(seen.lung_found.sum()),
            refused=beyond / seen.lung_found.sum(),
            limits=_LIMITS[own is not None, masked is not None],
            lungless=(seen.lung_area[training] < least_area).mean(),
        ),
    )
    return TrainingSlices(whole.features, masked.features if masked else None), spec


@dataclass(frozen=True, eq=False)
class _Kind:
    """One kind of slices: how they spread, how far is too far, and how many of them lie beyond."""

    features: TrainingFeatures
    limit: float
    beyond: int


def _fit_kind(
    records: Sequence[Record],
    features: np.ndarray,
    training: np.ndarray,
    of_kind: np.ndarray,
    settings: FitnessSettings,
) -> _Kind | None:
    """None where there are too few slices of the kind to train on or to choose a limit with."""
    chosen, others = np.flatnonzero(training & of_kind), np.flatnonzero(~training & of_kind)
    folds = np.array([int(key_of(records[int(k)].group), 16) % _FOLDS for k in chosen])
    rests = [chosen[folds != fold] for fold in range(_FOLDS)]
    if min(len(rest) for rest in rests) <= settings.directions:
        return None

    def fitted_on(rows: np.ndarray) -> TrainingFeatures:
        return fit_features(features[rows], [records[int(k)].dataset for k in rows], directions=settings.directions)

    fitted = fitted_on(chosen)
    away = [fitted_on(rest).distance(features[chosen[folds == fold]]) for fold, rest in enumerate(rests)]
    distance = np.concatenate([*away, fitted.distance(features[others])])
    limit = round(float(np.quantile(distance, 1 - settings.refused_share)), 3)
    return _Kind(fitted, limit, int((distance > limit).sum()))


def fit_features(features: np.ndarray, datasets: Sequence[str], *, directions: int) -> TrainingFeatures:
    """The spread of features, every data set counting by the square root of its slices.

    Args:
        features: float32 (slices, channels).
        datasets: of each slice.
        directions: main ones to keep, fewer than slices and channels.
    """
    _, owner, counts = np.unique(np.asarray(datasets), return_inverse=True, return_counts=True)
    weights = (1 / np.sqrt(counts[owner])) / np.sqrt(counts).sum()
    known = features.astype(np.float64)
    mean = weights @ known
    scale = np.sqrt(weights @ (known - mean) ** 2) + _LEAST_SCALE
    standard = (known - mean) / scale
    variance, axes = np.linalg.eigh((standard * weights[:, np.newaxis]).T @ standard)
    rest = variance[:-directions].sum() / (features.shape[1] - directions)
    largest_first = slice(None, -directions - 1, -1)
    arrays = (mean, scale, axes[:, largest_first], variance[largest_first], np.array([rest]))
    return TrainingFeatures(*(np.ascontiguousarray(a, dtype=np.float32) for a in arrays))
