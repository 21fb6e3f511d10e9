import numpy as np
import pytest

from training.deciding.decisions import calibrate, decide, softened


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


def test_few_cases_told_apart_without_an_error_are_not_certain():
    logits, labels = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])

    certain = calibrate(logits, labels, np.ones(4))[0]
    careful = calibrate(*softened(logits, labels, np.ones(4), cases=(2, 2)))[0]

    assert careful < 1 < certain


def test_many_cases_are_hardly_softened():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 5_000)
    labels = (rng.random(5_000) < 1 / (1 + np.exp(-logits))).astype(int)

    assert calibrate(*softened(logits, labels, np.ones(5_000), cases=(2_500, 2_500)))[0] == pytest.approx(1, rel=0.05)


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
