"""Two runs on the same slices: whether one is better, with the slices of a group drawn together."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from training.metrics.evaluation import DRAWS, Interval, Sample, bootstrap, percentiles
from training.metrics.paired import Paired
from training.metrics.paired_areas import paired_areas
from training.metrics.ranking import ratio


@dataclass(frozen=True)
class Comparison:
    """The first run less the second.

    Attributes:
        first, second: their titles.
        auc: difference of AUC with its 95 % interval; None without both classes.
        auc_p: two-sided p of no difference of AUC, from the same bootstrap; None where there is no interval.
        accuracy: difference of accuracy with its 95 % interval.
        only_first, only_second: slices that one calls right and the other wrong.
        mcnemar_p: exact p on these, as if slices were independent; None where the two never disagree. Slices of a patient
            are not independent, so it is too small: read ``accuracy`` first.
    """

    first: str
    second: str
    auc: Interval
    auc_p: float | None
    accuracy: Interval
    only_first: int
    only_second: int
    mcnemar_p: float | None


def compare_all(samples: dict[str, Sample], *, draws: int = DRAWS, seed: int = 0) -> list[Comparison]:
    """Every pair.

    Args:
        samples: by title; of the same records in the same order.
        draws: bootstrap samples of groups, alike for both of a pair.
        seed: of the bootstrap.
    """
    return [compare_two((a, samples[a]), (b, samples[b]), draws=draws, seed=seed) for a, b in combinations(samples, 2)]


def compare_two(first: tuple[str, Sample], second: tuple[str, Sample], *, draws: int, seed: int) -> Comparison:
    """One pair; arguments as ``compare_all``.

    Raises:
        ValueError: the two are not of the same records.
    """
    (title, one), (other_title, other) = first, second
    if not (np.array_equal(one.labels, other.labels) and np.array_equal(one.groups, other.groups)):
        raise ValueError("the two samples are not of the same records")
    right, other_right = (s.predicted == (s.labels == 1) for s in (one, other))
    calls = Paired(
        both=int((right & other_right).sum()),
        first_only=int((right & ~other_right).sum()),
        second_only=int((~right & other_right).sum()),
        neither=int((~right & ~other_right).sum()),
    )

    scores = one.probabilities, other.probabilities
    ranked = paired_areas(one.labels, *scores, one.groups, draws=draws, seed=seed)
    return Comparison(
        title,
        other_title,
        auc=ranked.difference,
        auc_p=ranked.p,
        accuracy=_less_right(right, other_right, one.groups, draws=draws, seed=seed),
        only_first=calls.first_only,
        only_second=calls.second_only,
        mcnemar_p=calls.mcnemar,
    )


def _less_right(right: np.ndarray, other_right: np.ndarray, groups: np.ndarray, *, draws: int, seed: int) -> Interval:
    """Difference of accuracy: bool (records,) twice, and their groups."""
    less = right.astype(np.float64) - other_right
    drawn = bootstrap(lambda weights: ratio(weights @ less, weights.sum(axis=1)), groups, draws, seed)
    return percentiles(float(less.mean()), drawn, groups=len(set(groups.tolist())))
