import numpy as np
import pytest

from app.ct.diagnosis import exam_probability
from training.decisions import TOP_SHARES, Judged, calibrate, choose_exam_rule, decide


def test_calibration_undoes_a_stretch_and_a_shift():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-truth))).astype(int)

    slope, intercept = calibrate((truth + 1) * 4, labels, np.ones(20_000))

    assert slope == pytest.approx(0.25, rel=0.05)
    assert intercept == pytest.approx(-1, abs=0.1)


def test_scores_that_fall_with_the_label_are_refused():
    with pytest.raises(ValueError, match="do not rise"):
        calibrate(np.array([2.0, 1.0, -1.0, -2.0]), np.array([0, 0, 1, 1]), np.ones(4))


def test_the_band_widens_until_what_lies_outside_is_right():
    logits = np.array([-3.0, -2.0, -0.5, 0.6, 2.0, 3.0])
    labels = np.array([0, 0, 1, 0, 1, 1])

    decision = decide(logits, labels, np.ones(6))

    low, high = np.log(np.array(decision.band) / (1 - np.array(decision.band)))
    assert low < -0.5
    assert high > 0.6
    assert decision.threshold == 0.5


def test_the_band_is_never_without_width():
    decision = decide(np.array([-5.0, 5.0]), np.array([0, 1]), np.ones(2))

    assert decision.band[0] < 0.45 < 0.55 < decision.band[1]


def a_scored(strongest_tell: bool) -> Judged:
    """Twenty patients of six slices: what tells them apart is one slice, or all."""
    rng = np.random.default_rng(1)
    labels = np.arange(20) % 2
    logits = rng.normal(-1, 0.3 if not strongest_tell else 0.7, (20, 6))
    logits[:, 0] += np.where(labels == 1, 2.0, 0.0) if strongest_tell else 0.0
    logits += 0.0 if strongest_tell else np.where(labels == 1, 2.0, 0.0)[:, None]
    groups = np.repeat([f"p{k}" for k in range(20)], 6)
    return Judged(logits.ravel(), np.repeat(labels, 6), ["d/a"] * 120, groups.tolist())


def test_of_rules_that_tell_patients_apart_alike_the_steadiest_is_taken():
    assert choose_exam_rule(a_scored(strongest_tell=False), rests_on="").top_share == max(TOP_SHARES)


def test_the_band_of_exams_is_wider_than_that_of_slices():
    scored = a_scored(strongest_tell=False)

    exam, image = choose_exam_rule(scored, rests_on="").decision, decide(scored.logits, scored.labels, np.ones(120))

    assert exam.band[0] < image.band[0]


def test_the_rule_says_how_many_patients_it_rests_on():
    rule = choose_exam_rule(a_scored(strongest_tell=True), rests_on="{patients} of {datasets}")

    assert rule.rests_on == "20 of d"


def test_slices_of_no_known_patient_do_not_choose_the_rule():
    scored = a_scored(strongest_tell=True)
    unknown = Judged(np.full(6, 9.0), np.zeros(6, int), ["e"] * 6, [""] * 6)
    both = Judged(
        np.concatenate([scored.logits, unknown.logits]),
        np.concatenate([scored.labels, unknown.labels]),
        [*scored.cells, *unknown.cells],
        [*scored.patients, *unknown.patients],
    )

    assert choose_exam_rule(both, rests_on="{patients}").rests_on == "20"


def test_only_the_strongest_share_of_an_exam_counts():
    rule = choose_exam_rule(a_scored(strongest_tell=True), rests_on="")
    weak = np.full(90, -9.0)

    assert exam_probability(np.concatenate([np.full(10, 3.0), weak]), rule.model_copy(update={"top_share": 0.1})) > 0.9
