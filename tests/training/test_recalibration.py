import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from tests.training.test_evaluation import a_sample
from training.metrics.calibration import logits_of, temperatures
from training.metrics.evaluation import Sample
from training.metrics.recalibration import recalibration


def overconfident(sample: Sample, by: float) -> Sample:
    probabilities = 1 / (1 + np.exp(-by * logits_of(sample.probabilities)))
    return Sample(sample.labels, probabilities, sample.predicted, sample.groups)


def test_the_temperature_is_the_one_of_least_log_loss() -> None:
    sample = a_sample()
    logits = logits_of(sample.probabilities)

    def loss(log_temperature: float) -> float:
        return float(log_loss(sample.labels, 1 / (1 + np.exp(-logits / np.exp(log_temperature)))))

    best = np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).x)
    found = recalibration(sample, draws=10)

    assert found["temperature"]["value"] == pytest.approx(best, rel=1e-4)
    assert found["log_loss"]["as_served"] == pytest.approx(loss(0.0))
    assert found["log_loss"]["with_temperature"] == pytest.approx(loss(float(np.log(best))))


def test_scores_three_times_too_sure_want_three_times_the_temperature() -> None:
    plain, sure = (recalibration(s, draws=10) for s in (a_sample(), overconfident(a_sample(), 3)))

    assert sure["temperature"]["value"] == pytest.approx(3 * plain["temperature"]["value"], rel=0.01)
    assert sure["log_loss"]["with_temperature"] < sure["log_loss"]["as_served"]


def test_a_line_is_never_worse_than_a_temperature() -> None:
    losses = recalibration(a_sample(), draws=10)["log_loss"]

    assert losses["with_platt"] <= losses["with_temperature"] <= losses["as_served"]


def test_separated_labels_have_no_temperature_and_no_error() -> None:
    found = recalibration(Sample.of([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], threshold=0.5, groups=list("abcd")), draws=10)

    assert found["temperature"]["value"] is found["platt_slope"]["value"] is None
    assert found["log_loss"]["with_temperature"] is None


def test_scores_that_fall_with_the_label_have_no_temperature() -> None:
    labels, probabilities = np.array([1, 1, 1, 0, 0, 0]), np.array([0.1, 0.2, 0.8, 0.2, 0.8, 0.9])

    assert temperatures(probabilities, labels, np.ones((1, 6))) == [np.inf]


def test_where_every_logit_has_the_right_sign_none_is_cold_enough() -> None:
    labels, probabilities = np.array([1, 1, 0, 0]), np.array([0.6, 0.9, 0.4, 0.1])

    assert temperatures(probabilities, labels, np.ones((1, 4))) == [0.0]


def test_one_group_has_a_temperature_without_an_interval() -> None:
    found = recalibration(a_sample(groups=1))["temperature"]

    assert found["value"] is not None
    assert found["low"] is None


def test_where_one_logit_has_the_wrong_sign_there_is_a_temperature() -> None:
    labels, probabilities = np.array([1, 1, 1, 0, 0, 0]), np.array([0.6, 0.9, 0.4, 0.4, 0.1, 0.2])

    (found,) = temperatures(probabilities, labels, np.ones((1, 6)))

    assert 0 < found < np.inf


def test_fits_to_a_class_of_one_group_have_no_interval() -> None:
    sample = a_sample()
    groups = np.where(sample.labels == 1, "one", sample.groups)

    found = recalibration(Sample(sample.labels, sample.probabilities, sample.predicted, groups), draws=100)

    for name in ("temperature", "platt_slope", "platt_intercept"):
        assert found[name]["value"] is not None
        assert found[name]["low"] is found[name]["high"] is None
