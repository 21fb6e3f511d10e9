"""Curves with 95 % bands by group: ROC, precision-recall, reliability.

Pure numpy in, numbers out. Bands are pointwise: of the curve's height at each place, as ``evaluation.interval`` gives it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from training.metrics.calibration import BINS, bins_of
from training.metrics.evaluation import DRAWS, Interval, Sample, bootstrap, fewest_groups, has_both, interval
from training.metrics.ranking import by_score, ratio

_POINTS = 101
# Shares of whole numbers are compared with places on the axis.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve and its band.

    Attributes:
        x: float64 (points,), rising.
        y: float64 (points,); nan where the curve does not exist.
        low: float64 (points,), nan where there is no interval, such as with one group.
        high: the same.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def has_band(self) -> bool:
        """Whether there is an interval anywhere."""
        return bool(np.isfinite(self.low).any())


def roc(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> Curve | None:
    """Sensitivity at each 1 - specificity: the largest that does not cost more false alarms; None without both classes."""
    x = np.linspace(0, 1, _POINTS)

    def heights(weights: np.ndarray) -> np.ndarray:
        positives, negatives = (_called(part) for part in by_score(sample.labels, sample.probabilities, weights))
        false, true = _shares(negatives), _shares(positives)
        return np.stack([_last_within(f, t, x) for f, t in zip(false, true, strict=True)])

    if not has_both(sample.labels):
        return None
    curve = banded(x, heights, sample, groups=fewest_groups(sample.labels, sample.groups), draws=draws, seed=seed)
    # Near the right end every draw reaches 1 and the exact limit steps in, below its neighbors'; sensitivity cannot fall.
    return replace(curve, low=np.fmax.accumulate(curve.low))


def precision_recall(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> Curve | None:
    """Precision at the highest threshold that reaches each recall; None without both classes.

    The precision is at the sample's own prevalence.
    """
    x = np.linspace(1 / (_POINTS - 1), 1, _POINTS - 1)

    def heights(weights: np.ndarray) -> np.ndarray:
        positives, negatives = (_called(part) for part in by_score(sample.labels, sample.probabilities, weights))
        precision = ratio(positives, positives + negatives)
        recall = _shares(positives)
        return np.stack([_first_reaching(r, p, x) for r, p in zip(recall, precision, strict=True)])

    if not has_both(sample.labels):
        return None
    return banded(x, heights, sample, groups=fewest_groups(sample.labels, sample.groups), draws=draws, seed=seed)


def _called(at_score: np.ndarray) -> np.ndarray:
    """From weights at each score (lowest first) to those called at thresholds from above all scores down to below all."""
    return np.cumsum(np.pad(at_score[:, ::-1], ((0, 0), (1, 0))), axis=1)


def _shares(called: np.ndarray) -> np.ndarray:
    return ratio(called, np.broadcast_to(called[:, -1:], called.shape))


def _last_within(false: np.ndarray, true: np.ndarray, x: np.ndarray) -> np.ndarray:
    if np.isnan(false).any() or np.isnan(true).any():
        return np.full(len(x), np.nan)
    return np.asarray(true[np.searchsorted(false, x + _ROUNDING, side="right") - 1])


def _first_reaching(recall: np.ndarray, precision: np.ndarray, x: np.ndarray) -> np.ndarray:
    if np.isnan(recall).any():
        return np.full(len(x), np.nan)
    return np.asarray(precision[np.searchsorted(recall, x - _ROUNDING)])


def banded(
    x: np.ndarray,
    heights: Callable[[np.ndarray], np.ndarray],
    sample: Sample,
    *,
    groups: int,
    draws: int,
    seed: int,
    limits: Callable[..., Interval] = interval,
) -> Curve:
    """A curve with its band.

    Args:
        x: float64 (points,).
        heights: from weights of the sample's records (draws, records) to heights (draws, points), nan where there is none.
        sample: at least one record.
        groups: how many the curve rests on; no band with fewer than two.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.
        limits: ``interval`` for heights that are shares, else ``percentiles``.
    """
    y = heights(np.ones((1, len(sample.labels))))[0]
    if groups < 2:
        return Curve(x, y, np.full(len(x), np.nan), np.full(len(x), np.nan))
    resampled = bootstrap(heights, sample.groups, draws, seed)
    found = [limits(float(value), resampled[:, k], groups=groups) for k, value in enumerate(y)]
    low, high = (np.array([np.nan if v is None else v for v in ends]) for ends in _ends(found))
    return Curve(x, y, low, high)


def _ends(found: list[Interval]) -> tuple[list[float | None], list[float | None]]:
    return [f.low for f in found], [f.high for f in found]


@dataclass(frozen=True)
class Bin:
    """Cases that were given about the same probability.

    Attributes:
        given: mean of their probabilities.
        true: share of them that is positive.
        n: how many.
        groups: that they come from.
    """

    given: float
    true: Interval
    n: int
    groups: int


def reliability(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> list[Bin]:
    """The share of positives in ten equal bins of the probability; empty bins are left out."""
    place = bins_of(sample.probabilities)
    filled = [k for k in range(BINS) if (place == k).any()]
    member = np.stack([place == k for k in filled], axis=1) if filled else np.zeros((len(place), 0), dtype=bool)
    several = len(set(sample.groups.tolist())) > 1

    def shares(weights: np.ndarray) -> np.ndarray:
        return ratio(weights @ (member * sample.labels[:, None]), weights @ member)

    resampled = bootstrap(shares, sample.groups, draws, seed) if several else None
    found = []
    for column, inside in enumerate(member.T):
        groups, true = len(set(sample.groups[inside].tolist())), float(sample.labels[inside].mean())
        band = Interval(true) if resampled is None else interval(true, resampled[:, column], groups=groups)
        found.append(Bin(float(sample.probabilities[inside].mean()), band, n=int(inside.sum()), groups=groups))
    return found
