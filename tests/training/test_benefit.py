import numpy as np
import pytest

from tests.training.test_evaluation import a_sample
from training.metrics.benefit import decision_curve, predictive_values
from training.metrics.evaluation import Sample


def calls(*, hits: int, misses: int, clears: int, alarms: int) -> Sample:
    """A sample of one record a group with these calls."""
    labels = [1] * (hits + misses) + [0] * (clears + alarms)
    probabilities = [0.9] * hits + [0.1] * misses + [0.1] * clears + [0.9] * alarms
    return Sample.of(labels, probabilities, threshold=0.5, groups=[str(i) for i in range(len(labels))])


def test_predictive_values_are_bayes_rule() -> None:
    # Sensitivity .93 and specificity .92 at a prevalence of 1 %: what the paper's figures would be worth in screening.
    (row,) = predictive_values(calls(hits=93, misses=7, clears=92, alarms=8), (0.01,), draws=1000)

    assert row.ppv.value == pytest.approx(0.105, abs=0.0005)
    assert row.npv.value == pytest.approx(0.9992, abs=0.0001)
    assert row.ppv.low is not None
    assert row.ppv.high is not None
    assert row.ppv.low < 0.09 < 0.12 < row.ppv.high


def test_at_its_own_prevalence_the_ppv_is_the_samples() -> None:
    (row,) = predictive_values(calls(hits=30, misses=10, clears=50, alarms=10), (0.4,), draws=1000)

    assert row.ppv.value == pytest.approx(30 / 40)
    assert row.npv.value == pytest.approx(50 / 60)


def test_no_false_alarm_so_far_promises_no_certainty() -> None:
    (row,) = predictive_values(calls(hits=20, misses=10, clears=30, alarms=0), (0.01,), draws=1000)

    # The exact limit of a specificity of 30 of 30 is .025 ** (1 / 30) = .884; a sensitivity of .67 makes that 5.5 %.
    assert row.ppv.value == row.ppv.high == 1.0
    assert row.ppv.low == pytest.approx(0.055, abs=0.02)


def test_predictive_values_rise_and_fall_with_prevalence() -> None:
    rows = predictive_values(a_sample(), draws=100)

    assert np.all(np.diff([row.ppv.value for row in rows if row.ppv.value is not None]) > 0)
    assert np.all(np.diff([row.npv.value for row in rows if row.npv.value is not None]) < 0)


def test_where_nobody_is_called_positive_there_is_no_ppv() -> None:
    (row,) = predictive_values(calls(hits=0, misses=5, clears=5, alarms=0), (0.1,), draws=1000)

    assert row.ppv.value is None
    assert row.npv.value == pytest.approx(0.9)


@pytest.mark.parametrize(
    "sample", [calls(hits=3, misses=1, clears=0, alarms=0), Sample.of([], [], threshold=0.5, groups=[])]
)
def test_one_class_has_neither_predictive_values_nor_benefit(sample: Sample) -> None:
    assert predictive_values(sample) == []
    assert decision_curve(sample) is None


def test_a_class_of_one_group_has_no_interval() -> None:
    sample = Sample.of([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.8], threshold=0.5, groups=["a", "a", "b", "c"])

    assert {row.ppv.low for row in predictive_values(sample, draws=10)} == {None}


def test_net_benefit_by_hand() -> None:
    curve = decision_curve(calls(hits=3, misses=1, clears=4, alarms=2), draws=10)

    assert curve is not None
    at = int(np.argmin(np.abs(curve.by_score.x - 0.2)))
    # Odds of .2 are 1 : 4.
    assert curve.by_score.y[at] == pytest.approx(3 / 10 - 2 / 10 / 4)
    assert curve.all_treated.y[at] == pytest.approx(4 / 10 - 6 / 10 / 4)


def test_acting_on_everybody_from_the_lowest_threshold_is_the_same() -> None:
    curve = decision_curve(a_sample(), draws=1000)

    assert curve is not None
    assert curve.by_score.y[0] == pytest.approx(curve.all_treated.y[0], abs=0.01)
    assert (curve.by_score.low <= curve.by_score.high).all()


def test_where_nobody_is_called_the_net_benefit_is_nothing_for_certain() -> None:
    curve = decision_curve(calls(hits=8, misses=2, clears=9, alarms=1), draws=1000)

    assert curve is not None
    assert (curve.by_score.y[-1], curve.by_score.low[-1], curve.by_score.high[-1]) == (0.0, 0.0, 0.0)


def test_a_class_of_one_group_leaves_the_decision_curve_without_a_band() -> None:
    sample = Sample.of([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.8], threshold=0.5, groups=["a", "a", "b", "c"])
    curve = decision_curve(sample, draws=100)

    assert curve is not None
    assert not curve.by_score.has_band
