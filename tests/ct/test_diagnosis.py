"""From slice scores to one verdict."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ct.diagnosis import (
    Diagnosis,
    Finding,
    HeldBack,
    JudgedBy,
    Verdict,
    diagnose,
    exam_probability,
    probability_of,
    verdict,
)
from app.ct.exam_rule import Decision, TopShareMean

IMAGE = Decision(threshold=0.5, band=(0.4, 0.6))
EXAM = Decision(threshold=0.8, band=(0.7, 0.9))


def a_rule(*, top_share: float = 1.0, slope: float = 1.0, intercept: float = 0.0) -> TopShareMean:
    return TopShareMean(top_share=top_share, slope=slope, intercept=intercept, decision=EXAM, rests_on="nothing")


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def diagnosed(
    probabilities: Sequence[float], *, exam_slices: int | None = None, rule: TopShareMean | None = None
) -> Diagnosis:
    logits = np.array([logit(p) for p in probabilities])
    held = len(logits) if exam_slices is None else exam_slices
    return diagnose(range(len(logits)), logits, exam_slices=held, rule=rule or a_rule(), image=IMAGE)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.0, Verdict.NON_COVID_19),
        (0.4 - 1e-9, Verdict.NON_COVID_19),
        (0.4, Verdict.INCONCLUSIVE),
        (0.5, Verdict.INCONCLUSIVE),
        (0.6, Verdict.INCONCLUSIVE),
        (0.6 + 1e-9, Verdict.COVID_19),
        (1.0, Verdict.COVID_19),
    ],
)
def test_the_verdict_is_inconclusive_inside_the_band_and_on_its_edges(probability: float, expected: Verdict) -> None:
    assert verdict(probability, IMAGE) is expected


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.3, Verdict.NON_COVID_19), (0.5, Verdict.INCONCLUSIVE), (0.7, Verdict.COVID_19)]
)
def test_a_band_of_no_width_leaves_only_the_threshold_inconclusive(probability: float, expected: Verdict) -> None:
    assert verdict(probability, Decision(threshold=0.5, band=(0.5, 0.5))) is expected


@pytest.mark.parametrize(
    ("top_share", "counted"), [(1.0, 10), (0.5, 5), (0.26, 3), (0.24, 2), (0.2, 2), (0.1, 1), (0.01, 1)]
)
def test_only_the_strongest_share_counts_rounded_and_never_none(top_share: float, counted: int) -> None:
    logits = np.array([3.0, -2.0, 7.0, 0.5, -1.0, 2.0, -4.0, 1.0, 0.0, 5.0])
    strongest = sorted(logits, reverse=True)[:counted]

    found = exam_probability(logits, a_rule(top_share=top_share))

    assert found == pytest.approx(1 / (1 + math.exp(-sum(strongest) / counted)))


def test_slope_and_intercept_are_applied_to_the_mean_logit() -> None:
    found = exam_probability(np.array([1.0, 3.0]), a_rule(slope=0.5, intercept=-2.0))

    assert found == pytest.approx(1 / (1 + math.exp(1.0)))


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=40), st.floats(0.01, 1.0), st.randoms())
def test_the_order_of_the_slices_does_not_matter(logits: list[float], top_share: float, random) -> None:
    shuffled = random.sample(logits, len(logits))
    rule = a_rule(top_share=top_share)

    assert exam_probability(np.array(shuffled), rule) == pytest.approx(exam_probability(np.array(logits), rule))


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=40), st.floats(0.01, 1.0))
def test_a_stronger_slice_never_lowers_the_probability(logits: list[float], top_share: float) -> None:
    rule, stronger = a_rule(top_share=top_share), [logits[0] + 1.0, *logits[1:]]

    assert exam_probability(np.array(stronger), rule) >= exam_probability(np.array(logits), rule) - 1e-12


def test_an_exam_is_judged_by_the_exam_rule() -> None:
    found = diagnosed([0.75, 0.75])

    assert (found.judged_by, found.threshold, found.band) == (JudgedBy.EXAM_RULE, 0.8, (0.7, 0.9))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_single_image_is_judged_by_its_own_probability_and_the_images_decision() -> None:
    found = diagnosed([0.75], rule=a_rule(slope=0.0, intercept=-9.0))

    assert (found.judged_by, found.threshold, found.band) == (JudgedBy.IMAGE_THRESHOLD, 0.5, (0.4, 0.6))
    assert found.probability == pytest.approx(0.75)
    assert found.verdict is Verdict.COVID_19


def test_one_scored_slice_of_an_exam_of_many_is_judged_by_the_exam_rule() -> None:
    found = diagnosed([0.75], exam_slices=60, rule=a_rule(slope=2.0))

    assert (found.judged_by, found.threshold, found.band) == (JudgedBy.EXAM_RULE, 0.8, (0.7, 0.9))
    assert found.probability == pytest.approx(0.9)


@pytest.mark.parametrize("exam_slices", [1, 2])
def test_the_running_probability_is_that_of_the_diagnosis(exam_slices: int) -> None:
    rule, logits = a_rule(slope=2.0), np.array([logit(0.75)])

    so_far = probability_of(logits, exam_slices=exam_slices, rule=rule)

    assert so_far == diagnose([0], logits, exam_slices=exam_slices, rule=rule, image=IMAGE).probability


def test_findings_are_the_slices_at_or_above_the_image_threshold_in_their_order() -> None:
    logits = np.array([2.0, -1.0, 0.0, -1e-9, 1.0])

    found = diagnose([3, 8, 9, 12, 20], logits, exam_slices=30, rule=a_rule(), image=IMAGE).findings

    assert [f.slice_index for f in found] == [3, 9, 20]
    assert found[1] == Finding(9, 0.5)


def test_an_exam_may_have_findings_and_still_not_be_called() -> None:
    found = diagnosed([0.95, 0.01, 0.01, 0.01])

    assert found.verdict is Verdict.NON_COVID_19
    assert len(found.findings) == 1


def test_more_scores_than_slices_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="3 slices were scored of an exam of 2"):
        diagnosed([0.5, 0.5, 0.5], exam_slices=2)


def test_indices_and_scores_must_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        diagnose([0, 1], np.array([1.0]), exam_slices=9, rule=a_rule(), image=IMAGE)


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.99])
def test_a_verdict_that_is_held_back_is_inconclusive_and_its_probability_is_told(probability: float) -> None:
    logits = np.array([logit(probability)] * 2)

    found = diagnose([0, 1], logits, exam_slices=2, rule=a_rule(), image=IMAGE, held_back=HeldBack.GAP_IN_LUNGS)

    assert (found.verdict, found.held_back) == (Verdict.INCONCLUSIVE, HeldBack.GAP_IN_LUNGS)
    assert found.probability == pytest.approx(probability)


def test_nothing_holds_a_verdict_back_by_itself() -> None:
    assert diagnosed([0.99, 0.99]).held_back is None
