"""Two runs on the same slices: whether one is better, with the slices of a group drawn together."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from training.evaluation import DRAWS, Interval, Sample, auc, bootstrap, by_score, ratio
from training.paired import Paired


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

    def differences(weights: np.ndarray) -> np.ndarray:
        areas = _areas(one, weights) - _areas(other, weights)
        hits = ratio(weights @ right, weights.sum(axis=1)) - ratio(weights @ other_right, weights.sum(axis=1))
        return np.stack([areas, hits], axis=1)

    several = len(set(one.groups.tolist())) > 1
    drawn = bootstrap(differences, one.groups, draws, seed) if several else np.full((0, 2), np.nan)
    areas = auc(one.labels, one.probabilities), auc(other.labels, other.probabilities)
    difference = None if areas[0] is None or areas[1] is None else areas[0] - areas[1]
    return Comparison(
        title,
        other_title,
        auc=_interval(difference, drawn[:, 0]),
        auc_p=_two_sided(drawn[:, 0]),
        accuracy=_interval(float(right.mean() - other_right.mean()), drawn[:, 1]),
        only_first=calls.first_only,
        only_second=calls.second_only,
        mcnemar_p=calls.mcnemar,
    )


def _areas(sample: Sample, weights: np.ndarray) -> np.ndarray:
    """AUC of each row of weights, ties counting half; nan without both classes. float (draws,)."""
    positives, negatives = by_score(sample, weights)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def _interval(value: float | None, drawn: np.ndarray) -> Interval:
    exists = drawn[np.isfinite(drawn)]
    if value is None or len(exists) < max(1, len(drawn) / 2):
        return Interval(value)
    low, high = np.percentile(exists, (2.5, 97.5))
    return Interval(value, low=float(low), high=float(high))


def _two_sided(drawn: np.ndarray) -> float | None:
    """Twice the share of draws on the far side of no difference; never below what so many draws can show."""
    exists = drawn[np.isfinite(drawn)]
    if len(exists) < max(1, len(drawn) / 2):
        return None
    beyond = min((exists <= 0).sum(), (exists >= 0).sum())
    return float(min(1.0, 2 * (beyond + 1) / (len(exists) + 1)))
