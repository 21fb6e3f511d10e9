import numpy as np
import pytest
from sklearn import metrics as oracle

from tests.training.test_evaluation import a_sample
from training.metrics.curves import precision_recall, reliability, roc
from training.metrics.evaluation import Sample


def one_class(label: int) -> Sample:
    return Sample.of([label] * 4, [0.1, 0.4, 0.6, 0.9], threshold=0.5, groups=list("abcd"))


def test_a_roc_curve_is_scikit_learns() -> None:
    sample = a_sample()
    curve = roc(sample, draws=10)
    false, true, _ = oracle.roc_curve(sample.labels, sample.probabilities, drop_intermediate=False)

    assert curve is not None
    expected = [true[false <= x + 1e-9].max() for x in curve.x]
    assert curve.y == pytest.approx(expected)


def test_a_precision_recall_curve_is_scikit_learns() -> None:
    sample = a_sample()
    curve = precision_recall(sample, draws=10)
    precision, recall, _ = oracle.precision_recall_curve(sample.labels, sample.probabilities)

    assert curve is not None
    # scikit-learn's recall falls from 1: the last point that still reaches x has the highest threshold.
    expected = [precision[np.flatnonzero(recall >= x - 1e-9)[-1]] for x in curve.x]
    assert curve.y == pytest.approx(expected)


def test_a_band_holds_its_curve_and_repeats() -> None:
    first, again = (roc(a_sample(), draws=1000) for _ in range(2))

    assert first is not None
    assert again is not None
    assert np.array_equal(first.low, again.low)
    assert (first.low <= first.y).all()
    assert (first.y <= first.high).all()
    assert (np.diff(first.low) >= 0).all()


def test_a_perfect_roc_curve_is_not_certain() -> None:
    groups = [f"g{i}" for i in range(20)]
    curve = roc(Sample.of([0, 1] * 10, [0.1, 0.9] * 10, threshold=0.5, groups=groups), draws=1000)

    assert curve is not None
    assert curve.y.min() == 1.0
    assert curve.low.max() < 0.9


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_curve_but_bins(label: int) -> None:
    assert roc(one_class(label)) is None
    assert precision_recall(one_class(label)) is None
    assert [b.true.value for b in reliability(one_class(label), draws=10)] == [label] * 4


def test_nothing_has_no_curve_and_no_bin() -> None:
    empty = Sample.of([], [], threshold=0.5, groups=[])

    assert roc(empty) is None
    assert reliability(empty) == []


def test_one_group_has_a_curve_without_a_band() -> None:
    curve = roc(a_sample(groups=1))

    assert curve is not None
    assert not curve.has_band
    assert all(b.true.low is None for b in reliability(a_sample(groups=1)))


def test_a_class_of_one_group_leaves_the_curve_without_a_band() -> None:
    sample = Sample.of([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], threshold=0.5, groups=list("abcd"))

    for curve in (roc(sample, draws=100), precision_recall(sample, draws=100)):
        assert curve is not None
        assert not curve.has_band


def test_bins_by_hand() -> None:
    sample = Sample.of([0, 1, 1, 1], [0.02, 0.06, 0.5, 1.0], threshold=0.5, groups=list("abcc"))
    bins = reliability(sample, draws=1000)

    assert [(b.given, b.true.value, b.n, b.groups) for b in bins] == [
        (pytest.approx(0.04), 0.5, 2, 2),
        (0.5, 1.0, 1, 1),
        (1.0, 1.0, 1, 1),
    ]
    assert (bins[0].true.low, bins[0].true.high) == (0.0, 1.0)
    assert bins[1].true.low is None
