import pytest

from training.metrics.evaluation import Interval
from training.metrics.paired import Paired, proportion


def test_exact_limits_of_the_papers_table_4() -> None:
    ct, rt_pcr = proportion(46, 48), proportion(26, 48)

    assert (ct.value, rt_pcr.value) == (pytest.approx(0.958, abs=5e-4), pytest.approx(0.542, abs=5e-4))
    assert (ct.low, ct.high) == (pytest.approx(0.857, abs=5e-4), pytest.approx(0.995, abs=5e-4))
    assert (rt_pcr.low, rt_pcr.high) == (pytest.approx(0.392, abs=5e-4), pytest.approx(0.686, abs=5e-4))


def test_the_difference_is_newcombes_own_example() -> None:
    # Table II of the source, line 36, 12, 2, 0 by method 10.
    found = Paired(36, 12, 2, 0).difference

    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0569, abs=1e-4), pytest.approx(0.3404, abs=1e-4))


def test_mcnemar_by_hand() -> None:
    # Ten disagree, one of them the other way: two tails of (1 + 10) / 1024.
    assert Paired(5, 9, 1, 5).mcnemar == pytest.approx(2 * 11 / 1024)


def test_tests_that_never_disagree_have_no_p() -> None:
    assert Paired(4, 0, 0, 4).mcnemar is None
    assert Paired(4, 0, 0, 4).difference.value == 0.0


def test_a_test_that_calls_all_alike_is_no_error() -> None:
    found = Paired(5, 3, 0, 0).difference

    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.375 < found.high


def test_nobody_has_no_share_and_no_difference() -> None:
    assert proportion(0, 0) == Interval(None)
    assert Paired(0, 0, 0, 0).difference == Interval(None)
