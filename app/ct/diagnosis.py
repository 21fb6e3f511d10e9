"""From slice scores to one verdict: the exam rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.ct.manifest import Decision, ExamRule


class Verdict(StrEnum):
    """What a diagnosis says."""

    COVID_19 = "COVID_19"
    NON_COVID_19 = "NON_COVID_19"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Finding:
    """A scored slice at or above the image threshold."""

    slice_index: int
    probability: float


@dataclass(frozen=True)
class Diagnosis:
    """What the scores of an exam add up to.

    Attributes:
        probability: of COVID-19, 0..1.
        verdict: by ``threshold`` and ``band``.
        threshold, band: the exam's, or for an exam of one slice the image's.
        findings: in slice order.
    """

    probability: float
    verdict: Verdict
    threshold: float
    band: tuple[float, float]
    findings: tuple[Finding, ...]


def verdict(probability: float, decision: Decision) -> Verdict:
    """Inside the band inconclusive, above it COVID-19, below it not."""
    low, high = decision.band
    if probability > high:
        return Verdict.COVID_19
    return Verdict.NON_COVID_19 if probability < low else Verdict.INCONCLUSIVE


def exam_probability(logits: np.ndarray, rule: ExamRule) -> float:
    """Mean logit of the strongest share of the scored slices, calibrated, as a probability.

    Args:
        logits: float (slices,), in any order, at least one.
        rule: share of slices that count, slope and intercept of the calibration.
    """
    strongest = np.sort(np.asarray(logits, dtype=np.float64))[::-1][: max(1, round(rule.top_share * len(logits)))]
    return float(1.0 / (1.0 + np.exp(-(rule.slope * strongest.mean() + rule.intercept))))


def diagnose(indices: Sequence[int], logits: np.ndarray, *, rule: ExamRule, image: Decision) -> Diagnosis:
    """Apply the exam rule.

    Args:
        indices: which slices of the exam were scored.
        logits: float (slices,), their calibrated logits in the same order.
        rule: the exam rule of the model's manifest.
        image: threshold and band of a single image.
    """
    probabilities = 1.0 / (1.0 + np.exp(-np.asarray(logits, dtype=np.float64)))
    single = len(indices) == 1
    decision = image if single else rule.decision
    probability = float(probabilities[0]) if single else exam_probability(logits, rule)
    findings = tuple(Finding(i, float(p)) for i, p in zip(indices, probabilities, strict=True) if p >= image.threshold)
    return Diagnosis(probability, verdict(probability, decision), decision.threshold, decision.band, findings)
