"""How good scores are: the paper's six metrics and calibration, each with a 95 % interval by group.

Pure numpy in, numbers out. The paper's metrics are those of its section "Evaluation metrics"; its IoU is of labels, not
of pixels. Intervals are bootstrapped by resampling groups, not records: slices of one patient are one draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

DRAWS = 2000
_EPSILON = 1e-6
_NEWTON_STEPS = 50
# A slope beyond this means that a line separates the labels: the fit has no finite answer.
_LARGEST_SLOPE = 100.0


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


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve by the rank formula, ties at mid-ranks; None without both classes.

    Args:
        labels: int (records,), 1 positive.
        scores: float (records,), larger is more positive.
    """
    positive = np.asarray(labels) == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        return None
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    mid_ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((mid_ranks[positive].sum() - m * (m + 1) / 2) / (m * n))


def measure(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """All metrics of a sample by name.

    Args:
        sample: may hold one class only, or no record.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        auc, accuracy, sensitivity, specificity, iou, f1, brier, calibration_slope, calibration_intercept; intervals as
        ``interval`` gives them, None with fewer than two groups.
    """
    names, owner = np.unique(sample.groups, return_inverse=True)
    values = _values(sample, np.ones((1, len(sample.labels))))
    if len(names) < 2:
        return {name: Interval(_finite(found[0])) for name, found in values.items()}
    weights = group_weights(len(names), draws=draws, seed=seed)[:, owner]
    resampled, groups = _values(sample, weights), _groups_behind(sample)
    return {name: interval(v[0], resampled[name], groups=groups.get(name, len(names))) for name, v in values.items()}


def share(hits: np.ndarray, groups: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """How many of the records are hits, with an interval by group; None with fewer than two groups.

    Args:
        hits: bool (records,), at least one.
        groups: str (records,).
        draws: bootstrap samples of groups.
        seed: of the bootstrap.
    """
    names, owner = np.unique(groups, return_inverse=True)
    value = float(hits.mean())
    if len(names) < 2:
        return Interval(value)
    weights = group_weights(len(names), draws=draws, seed=seed)[:, owner]
    return interval(value, _ratio(weights @ hits, weights.sum(axis=1)), groups=len(names))


def _groups_behind(sample: Sample) -> dict[str, int]:
    """How many groups a figure rests on, where not on all of them."""
    positive, negative = (len(set(sample.groups[sample.labels == label])) for label in (1, 0))
    of_positives = dict.fromkeys(("sensitivity", "iou", "f1"), positive)
    return of_positives | {"specificity": negative, "auc": min(positive, negative)}


def group_weights(groups: int, *, draws: int, seed: int) -> np.ndarray:
    """float64 (draws, groups): how often each group is in each bootstrap sample."""
    even = np.full(groups, 1.0 / groups)
    return np.random.default_rng(seed).multinomial(groups, even, size=draws).astype(np.float64)


def interval(value: float, resampled: np.ndarray, *, groups: int) -> Interval:
    """The figure with the 2.5 and 97.5 percentiles of its bootstrap values.

    Where nothing went wrong (or all did), resampling cannot imagine that anything could: 16 hits of 16 would be "1.000 to
    1.000". There the exact binomial interval is given, with groups as trials.

    Args:
        value: nan where it does not exist.
        resampled: float (draws,), nan where a draw has none; these are left out. No interval where that is half of them.
        groups: how many groups the figure rests on.
    """
    exists = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(exists) < len(resampled) / 2:
        return Interval(_finite(value))
    low, high = np.percentile(exists, (2.5, 97.5))
    if low == high and value in (0.0, 1.0):
        certain = float(0.025 ** (1 / groups))
        return Interval(value, low=certain, high=1.0) if value else Interval(value, low=0.0, high=1 - certain)
    return Interval(float(value), low=float(low), high=float(high))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _values(sample: Sample, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each metric for each row of weights, float64 (draws,); nan where it does not exist."""
    positive, called = sample.labels == 1, sample.predicted
    tp = weights @ (positive & called)
    fn = weights @ (positive & ~called)
    fp = weights @ (~positive & called)
    tn = weights @ (~positive & ~called)
    slope, intercept = _calibration(sample, weights)
    return {
        "auc": _weighted_auc(sample, weights),
        "accuracy": _ratio(tp + tn, tp + tn + fp + fn),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        # Without a positive there is no recall, and so neither of these.
        "iou": np.where(tp + fn > 0, _ratio(tp, tp + fp + fn), np.nan),
        "f1": np.where(tp + fn > 0, _ratio(2 * tp, 2 * tp + fp + fn), np.nan),
        "brier": _ratio(weights @ (sample.probabilities - sample.labels) ** 2, weights.sum(axis=1)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio


def _weighted_auc(sample: Sample, weights: np.ndarray) -> np.ndarray:
    """Of each pair of a positive and a negative, how often the positive scores higher; ties count half."""
    if not len(sample.labels):
        return np.full(len(weights), np.nan)
    order = np.argsort(sample.probabilities, kind="stable")
    scores, positive = sample.probabilities[order], (sample.labels == 1)[order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores) > 0])
    sorted_weights = weights[:, order]
    positives = np.add.reduceat(sorted_weights * positive, starts, axis=1)
    negatives = np.add.reduceat(sorted_weights * ~positive, starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def _calibration(sample: Sample, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of the logistic regression of the labels on the logits, for each row of weights.

    Slope 1 and intercept 0 are perfect calibration. Newton's method, all rows at once.
    """
    p = np.clip(sample.probabilities, _EPSILON, 1 - _EPSILON)
    x, y = np.log(p / (1 - p)), sample.labels.astype(np.float64)
    slope, intercept = np.zeros(len(weights)), np.zeros(len(weights))
    converged = np.zeros(len(weights), dtype=bool)
    for _ in range(_NEWTON_STEPS):
        step_slope, step_intercept = _newton_step(x, y, weights, slope, intercept)
        slope, intercept = slope + step_slope, intercept + step_intercept
        converged = np.maximum(np.abs(step_slope), np.abs(step_intercept)) < 1e-8
        slope = np.where(np.abs(slope) > _LARGEST_SLOPE, np.nan, slope)
        if (converged | np.isnan(slope)).all():
            break
    return np.where(converged, slope, np.nan), np.where(converged, intercept, np.nan)


def _newton_step(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, slope: np.ndarray, intercept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    linear = np.clip(slope[:, None] * x + intercept[:, None], -40, 40)
    q = 1 / (1 + np.exp(-linear))
    residual, curvature = weights * (y - q), weights * q * (1 - q)
    g0, g1 = residual.sum(axis=1), residual @ x
    h00, h01, h11 = curvature.sum(axis=1), curvature @ x, curvature @ x**2
    determinant = h00 * h11 - h01**2
    solvable = determinant > 1e-12
    safe = np.where(solvable, determinant, 1.0)
    steps = (h00 * g1 - h01 * g0) / safe, (h11 * g0 - h01 * g1) / safe
    return np.where(solvable, steps[0], np.nan), np.where(solvable, steps[1], np.nan)


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity, half-way between the scores on its two sides.

    Raises:
        ValueError: one class only.
    """
    thresholds, sensitivity, specificity = operating_points(labels, scores)
    return float(thresholds[np.argmax(sensitivity + specificity)])


def threshold_at_specificity(labels: np.ndarray, scores: np.ndarray, least: float) -> float:
    """The lowest threshold with at least that specificity (0..1).

    Raises:
        ValueError: one class only.
    """
    thresholds, _, specificity = operating_points(labels, scores)
    return float(thresholds[np.flatnonzero(specificity >= least)[0]])


def operating_points(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds in rising order, and sensitivity and specificity of calling positive what lies at or above them.

    Returns:
        Three float64 (points,): below all scores, between each two, above all.

    Raises:
        ValueError: one class only.
    """
    positive = np.asarray(labels) == 1
    if positive.all() or not positive.any():
        raise ValueError("operating points need both classes")
    distinct = np.unique(np.asarray(scores, dtype=np.float64))
    between = (distinct[1:] + distinct[:-1]) / 2
    thresholds = np.r_[-np.inf, between, np.inf]
    called = (
        np.searchsorted(np.sort(scores[positive]), thresholds),
        np.searchsorted(np.sort(scores[~positive]), thresholds),
    )
    return thresholds, 1 - called[0] / positive.sum(), called[1] / (~positive).sum()


def as_numbers(metrics: dict[str, Interval]) -> dict[str, dict[str, float | None]]:
    """What ``metrics.json`` holds of them."""
    return {name: {"value": i.value, "low": i.low, "high": i.high} for name, i in metrics.items()}
