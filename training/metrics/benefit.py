"""What scores are worth to somebody who decides by them: predictive values over prevalence, and net benefit.

Pure numpy in, numbers out, with 95 % intervals by group.
"""

from dataclasses import dataclass

import numpy as np

from training.metrics.curves import Curve, banded
from training.metrics.evaluation import DRAWS, Interval, Sample, bootstrap, fewest_groups, has_both, percentiles
from training.metrics.ranking import ratio

PREVALENCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""From screening people without complaints to a ward of suspected cases."""


@dataclass(frozen=True)
class PredictiveValues:
    """Of those called positive the share that is, of those called negative the share that is not, at one prevalence."""

    prevalence: float
    ppv: Interval
    npv: Interval


def predictive_values(
    sample: Sample, prevalences: tuple[float, ...] = PREVALENCES, *, draws: int = DRAWS, seed: int = 0
) -> list[PredictiveValues]:
    """What a call would mean where the positive class is so frequent, if sensitivity and specificity carry over.

    Args:
        sample: calls at a threshold.
        prevalences: of the positive class, above 0 and below 1.
        draws: bootstrap samples of groups, from which sensitivity and specificity are drawn.
        seed: of the bootstrap.

    Returns:
        One a prevalence; none without both classes. No interval where either class is of one group.
    """
    if not has_both(sample.labels):
        return []
    value = _rates(sample, np.ones((1, len(sample.labels))))
    groups = [len(set(sample.groups[sample.labels == label].tolist())) for label in (1, 0)]
    drawn = None
    if min(groups) > 1:
        drawn = bootstrap(lambda w: _rates(sample, w), sample.groups, draws, seed)
        drawn = _never_certain(drawn, groups, seed=seed)
    return [_at(prevalence, value, drawn) for prevalence in prevalences]


def _rates(sample: Sample, weights: np.ndarray) -> np.ndarray:
    """Sensitivity and specificity, float64 (draws, 2)."""
    positive, called = sample.labels == 1, sample.predicted
    sensitivity = ratio(weights @ (positive & called), weights @ positive)
    return np.stack([sensitivity, ratio(weights @ (~positive & ~called), weights @ ~positive)], axis=1)


def _never_certain(drawn: np.ndarray, groups: list[int], *, seed: int) -> np.ndarray:
    """Where every draw is 1 (or 0), draws from Beta(groups, 1), whose 2.5 percentile is the exact binomial limit.

    A specificity of 1 on thirty groups would otherwise promise a predictive value of 1 at any prevalence.
    """
    random, drawn = np.random.default_rng(seed), drawn.copy()
    for column, count in enumerate(groups):
        exists = drawn[np.isfinite(drawn[:, column]), column]
        if len(exists) and exists[0] in (0.0, 1.0) and (exists == exists[0]).all():
            near = random.beta(count, 1, len(drawn))
            drawn[:, column] = near if exists[0] else 1 - near
    return drawn


def _at(prevalence: float, value: np.ndarray, drawn: np.ndarray | None) -> PredictiveValues:
    values = _predictive(value, prevalence)[0]
    if drawn is None:
        ppv, npv = (Interval(float(v) if np.isfinite(v) else None) for v in values)
    else:
        resampled = _predictive(drawn, prevalence)
        ppv, npv = (_around(float(v), resampled[:, k]) for k, v in enumerate(values))
    return PredictiveValues(prevalence, ppv, npv)


def _around(value: float, resampled: np.ndarray) -> Interval:
    """An interval that holds its value, also where ``_never_certain`` drew on one side of it."""
    # Drawn only where both classes are of two groups or more.
    found = percentiles(value, resampled, groups=2)
    if found.value is None or found.low is None or found.high is None:
        return found
    return Interval(found.value, low=min(found.low, found.value), high=max(found.high, found.value))


def _predictive(rates: np.ndarray, prevalence: float) -> np.ndarray:
    """Bayes' rule on sensitivity and specificity (draws, 2) -> PPV and NPV (draws, 2), nan where nobody is called so."""
    sensitivity, specificity = rates.T
    hit, alarm = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    clear, miss = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return np.stack([ratio(hit, hit + alarm), ratio(clear, clear + miss)], axis=1)


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit over the probability at which one would act.

    Attributes:
        by_score: of acting on those given at least that probability.
        all_treated: of acting on everybody, at the same places.
    """

    by_score: Curve
    all_treated: Curve


def decision_curve(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> DecisionCurve | None:
    """Net benefit of acting on the scores: true positives less false ones at the odds of the threshold, per case.

    Acting on nobody has benefit 0. The prevalence is the sample's own. None without both classes.

    Source: Vickers and Elkin, Medical Decision Making 26:565 (2006).
    """
    if not has_both(sample.labels):
        return None
    x = np.linspace(0.01, 0.99, 99)
    odds, positive = x / (1 - x), sample.labels == 1
    called = sample.probabilities[:, None] >= x

    def on_score(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1, keepdims=True)
        true, false = weights @ (positive[:, None] & called), weights @ (~positive[:, None] & called)
        return np.asarray((true - false * odds) / total)

    def on_all(weights: np.ndarray) -> np.ndarray:
        prevalence = (weights @ positive / weights.sum(axis=1))[:, None]
        return np.asarray(prevalence - (1 - prevalence) * odds)

    # Net benefit is no share: where nobody is called it is 0 in every draw, and no limit of hits among groups applies.
    groups = fewest_groups(sample.labels, sample.groups)
    curves = (
        banded(x, heights, sample, groups=groups, draws=draws, seed=seed, limits=percentiles)
        for heights in (on_score, on_all)
    )
    return DecisionCurve(*curves)
