"""AUC with its interval, and two AUC on the same cases: every comparison of scores in this package goes through here."""

from dataclasses import dataclass

import numpy as np

from training.metrics.evaluation import Interval, bootstrap, fewest_groups, interval, percentiles
from training.metrics.ranking import areas, auc, by_score


@dataclass(frozen=True)
class PairedAreas:
    """Two AUC, the first less the second, and the two-sided p of no difference; all None without both classes.

    Intervals and p only where both classes are of two groups or more.
    """

    first: Interval
    second: Interval
    difference: Interval
    p: float | None


def area(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, *, draws: int, seed: int) -> Interval:
    """AUC with its interval by group; arguments as ``paired_areas``."""
    return paired_areas(labels, scores, scores, groups, draws=draws, seed=seed).first


def paired_areas(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray, *, draws: int, seed: int
) -> PairedAreas:
    """Compare two scores of the same cases, both resampled with the same groups.

    Args:
        labels: int (records,), 1 positive.
        first, second: float (records,), scores.
        groups: str (records,), what is resampled as one.
        draws: bootstrap samples.
        seed: of the bootstrap.
    """
    values = auc(labels, first), auc(labels, second)
    if values[0] is None or values[1] is None:
        return PairedAreas(Interval(None), Interval(None), Interval(None), None)
    change, behind = values[0] - values[1], fewest_groups(labels, groups)
    if behind < 2:
        return PairedAreas(Interval(values[0]), Interval(values[1]), Interval(change), None)

    def both(weights: np.ndarray) -> np.ndarray:
        return np.stack([areas(*by_score(labels, scores, weights)) for scores in (first, second)], axis=1)

    one, other = bootstrap(both, groups, draws, seed).T
    return PairedAreas(
        interval(values[0], one, groups=behind),
        interval(values[1], other, groups=behind),
        # A difference is no share: two scores that rank alike differ by nothing in every draw.
        percentiles(change, one - other, groups=behind),
        _two_sided(one - other),
    )


def _two_sided(drawn: np.ndarray) -> float | None:
    """Twice the share of draws on the far side of no difference; never below what so many draws can show."""
    exists = drawn[np.isfinite(drawn)]
    if len(exists) < max(1, len(drawn) / 2):
        return None
    beyond = min((exists <= 0).sum(), (exists >= 0).sum())
    return float(min(1.0, 2 * (beyond + 1) / (len(exists) + 1)))
