"""From slice scores to one verdict: the exam rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.ct.exam_rule import Decision, ExamRule


class Verdict(StrEnum):
    """What a diagnosis says."""

    COVID_19 = "COVID_19"
    NON_COVID_19 = "NON_COVID_19"
    INCONCLUSIVE = "INCONCLUSIVE"


class JudgedBy(StrEnum):
    """Which of the model's two decisions a verdict rests on."""

    EXAM_RULE = "exam-rule"
    IMAGE_THRESHOLD = "image-threshold"


class HeldBack(StrEnum):
    """Why a verdict is inconclusive whatever the probability says."""

    GAP_IN_LUNGS = "gap-in-lungs"


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
        verdict: by ``threshold`` and ``band``; inconclusive where it is held back.
        judged_by: the exam rule, or for an exam that holds one slice the image's threshold.
        threshold, band: of what it was judged by.
        findings: in slice order.
        held_back: why the verdict is inconclusive whatever the probability says, None where the probability decides.
    """

    probability: float
    verdict: Verdict
    judged_by: JudgedBy
    threshold: float
    band: tuple[float, float]
    findings: tuple[Finding, ...]
    held_back: HeldBack | None = None


def verdict(probability: float, decision: Decision) -> Verdict:
    """Inside the band inconclusive, above it COVID-19, below it not."""
    low, high = decision.band
    if probability > high:
        return Verdict.COVID_19
    return Verdict.NON_COVID_19 if probability < low else Verdict.INCONCLUSIVE


def exam_probability(logits: np.ndarray, rule: ExamRule) -> float:
    """The pooled logit of the scored slices, calibrated, as a probability.

    Args:
        logits: float (slices,), in any order, at least one.
        rule: how logits are pooled, slope and intercept of the calibration.
    """
    pooled = rule.pooled(np.asarray(logits, dtype=np.float64))
    return float(_sigmoid(rule.slope * pooled + rule.intercept))


def probability_of(logits: np.ndarray, *, exam_slices: int, rule: ExamRule) -> float:
    """What the slices scored so far add up to: a single image's own probability, otherwise by the exam rule.

    Args:
        logits: float (slices,), calibrated, in any order, at least one.
        exam_slices: how many slices the exam holds, scored or not.
        rule: the exam rule of the model's manifest.
    """
    return float(_sigmoid(logits)[0]) if exam_slices == 1 else exam_probability(logits, rule)


def diagnose(
    indices: Sequence[int],
    logits: np.ndarray,
    *,
    exam_slices: int,
    rule: ExamRule,
    image: Decision,
    held_back: HeldBack | None = None,
) -> Diagnosis:
    """Judge an exam: by the exam rule, or by the image's decision where it holds one slice only.

    Args:
        indices: which slices of the exam were scored.
        logits: float (slices,), their calibrated logits in the same order.
        exam_slices: how many slices the exam holds, scored or not. One scored slice of many is judged by the exam rule.
        rule: the exam rule of the model's manifest.
        image: threshold and band of a single image.
        held_back: why there must be no verdict but inconclusive; the probability is told all the same.

    Raises:
        ValueError: more slices were scored than the exam holds.
    """
    if exam_slices < len(indices):
        raise ValueError(f"{len(indices)} slices were scored of an exam of {exam_slices}")
    judged_by = JudgedBy.IMAGE_THRESHOLD if exam_slices == 1 else JudgedBy.EXAM_RULE
    decision = image if judged_by is JudgedBy.IMAGE_THRESHOLD else rule.decision
    probability = probability_of(logits, exam_slices=exam_slices, rule=rule)
    pairs = zip(indices, _sigmoid(logits), strict=True)
    findings = tuple(Finding(index, float(p)) for index, p in pairs if p >= image.threshold)
    return Diagnosis(
        probability,
        verdict(probability, decision) if held_back is None else Verdict.INCONCLUSIVE,
        judged_by=judged_by,
        threshold=decision.threshold,
        band=decision.band,
        findings=findings,
        held_back=held_back,
    )


def _sigmoid(logits: np.ndarray | float) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(logits, dtype=np.float64))))
