import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from training.metrics.calibration import calibration_lines, calibrations_in_the_large, logits_of
from training.metrics.evaluation import (
    Interval,
    Sample,
    interval,
    measure,
    resamples,
    share,
)
from training.metrics.ranking import auc


def a_sample(count: int = 200, *, groups: int = 40, threshold: float = 0.5, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    logits = 2 * (labels - 0.5) + rng.normal(0, 1.5, count)
    probabilities = np.round(1 / (1 + np.exp(-logits)), 2)
    return Sample.of(labels, probabilities, threshold=threshold, groups=[f"g{i % groups}" for i in range(count)])


def values(sample: Sample) -> dict[str, float | None]:
    return {name: figure.value for name, figure in measure(sample, draws=10).items()}


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_scikit_learns_also_with_ties(pairs: list[tuple[int, int]]) -> None:
    labels, scores = np.array(pairs).T

    if len(set(labels)) < 2:
        assert auc(labels, scores) is None
    else:
        assert auc(labels, scores) == pytest.approx(oracle.roc_auc_score(labels, scores))


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_metrics_are_scikit_learns(seed: int) -> None:
    sample = a_sample(seed=seed)
    found = values(sample)

    expected = {
        "auc": oracle.roc_auc_score(sample.labels, sample.probabilities),
        "accuracy": oracle.accuracy_score(sample.labels, sample.predicted),
        "sensitivity": oracle.recall_score(sample.labels, sample.predicted),
        "specificity": oracle.recall_score(sample.labels, sample.predicted, pos_label=0),
        "iou": oracle.jaccard_score(sample.labels, sample.predicted),
        "f1": oracle.f1_score(sample.labels, sample.predicted),
        "brier": oracle.brier_score_loss(sample.labels, sample.probabilities),
        "average_precision": oracle.average_precision_score(sample.labels, sample.probabilities),
        "balanced_accuracy": oracle.balanced_accuracy_score(sample.labels, sample.predicted),
        "ppv": oracle.precision_score(sample.labels, sample.predicted),
        "npv": oracle.precision_score(sample.labels, sample.predicted, pos_label=0),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_calibration_is_the_logistic_regression_on_the_logits() -> None:
    sample = a_sample()
    p = np.clip(sample.probabilities, 1e-6, 1 - 1e-6)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(np.log(p / (1 - p))[:, None], sample.labels)
    found = values(sample)

    assert found["calibration_slope"] == pytest.approx(model.coef_[0, 0], rel=1e-3)
    assert found["calibration_intercept"] == pytest.approx(model.intercept_[0], rel=1e-3, abs=1e-4)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(0, 3)), min_size=2, max_size=30),
)
def test_calibration_in_the_large_makes_as_many_positives_as_there_are(cases: list[tuple[int, float, int]]) -> None:
    labels, probabilities, weights = (np.array(column) for column in zip(*cases, strict=True))

    (shift,) = calibrations_in_the_large(probabilities, labels, weights[None].astype(float))

    positives = float(weights @ labels)
    if positives in (0, weights.sum()):
        assert np.isnan(shift)
    else:
        given_now = 1 / (1 + np.exp(-(logits_of(probabilities) + shift)))
        assert weights @ given_now == pytest.approx(positives, abs=1e-5)


def test_probabilities_that_are_too_high_have_a_calibration_in_the_large_below_0() -> None:
    sample = a_sample(groups=200)
    high = 1 / (1 + np.exp(-(logits_of(sample.probabilities) + 1)))
    before, found = (
        measure(Sample.of(sample.labels, p, threshold=0.5, groups=sample.groups), draws=500)["calibration_in_the_large"]
        for p in (sample.probabilities, high)
    )

    assert before.value is not None
    assert found.value == pytest.approx(before.value - 1, abs=1e-3)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high < 0


def test_a_confusion_matrix_by_hand() -> None:
    # TP 3, FN 1, FP 2, TN 4
    labels, probabilities = [1] * 4 + [0] * 6, [0.9, 0.9, 0.5, 0.1, 0.9, 0.6, 0.4, 0.1, 0.1, 0.1]
    found = values(Sample.of(labels, probabilities, threshold=0.5, groups=["g"] * 10))

    assert (found["accuracy"], found["sensitivity"]) == (0.7, 0.75)
    assert found["specificity"] == pytest.approx(4 / 6)
    assert (found["iou"], found["f1"]) == (pytest.approx(3 / 6), pytest.approx(6 / 9))
    assert (found["ppv"], found["npv"]) == (pytest.approx(3 / 5), pytest.approx(4 / 5))
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 2)


def test_a_calibration_error_by_hand() -> None:
    # Bin .1 to .2: given .15, true .5. Bin .9 to 1: given .95, true 1.
    labels, probabilities = [0, 1, 1, 1], [0.1, 0.2 - 1e-9, 0.95, 0.95]
    found = values(Sample.of(labels, probabilities, threshold=0.5, groups=list("abcd")))

    assert found["calibration_error"] == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)


def test_a_calibration_error_that_chance_explains_may_be_next_to_nothing() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.uniform(0, 1, 200)
    labels = (rng.uniform(0, 1, 200) < probabilities).astype(int)
    error = measure(Sample.of(labels, probabilities, threshold=0.5, groups=[str(i) for i in range(200)]), draws=1000)[
        "calibration_error"
    ]

    assert error.low is not None
    assert error.value is not None
    assert error.low < error.value / 2


def test_the_other_class_as_positive_swaps_sensitivity_and_specificity() -> None:
    sample = a_sample()
    one, other = values(sample), values(sample.for_positive(0))

    assert (one["sensitivity"], one["specificity"]) == (other["specificity"], other["sensitivity"])
    assert one["auc"] == pytest.approx(other["auc"])
    assert one["f1"] != other["f1"]


@pytest.mark.parametrize(("label", "missing"), [(1, "specificity"), (0, "sensitivity")])
def test_one_class_has_no_auc_and_no_error(label: int, missing: str) -> None:
    found = values(Sample.of([label] * 3, [0.2, 0.6, 0.7], threshold=0.5, groups=["a", "b", "c"]))

    assert found["auc"] is found["calibration_slope"] is found[missing] is None
    assert found["average_precision"] is found["balanced_accuracy"] is found["ppv"] is found["npv"] is None
    assert found["accuracy"] is not None


def test_no_record_has_no_figure_and_no_error() -> None:
    assert set(values(Sample.of([], [], threshold=0.5, groups=[])).values()) == {None}


def test_separated_labels_have_no_calibration_slope() -> None:
    found = values(Sample.of([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], threshold=0.5, groups=list("abcd")))

    assert found["calibration_slope"] is None
    assert found["auc"] == 1.0


def test_an_interval_holds_its_figure_and_repeats() -> None:
    sample = a_sample()
    first, again = measure(sample, draws=1000), measure(sample, draws=1000)

    assert first == again
    for figure in first.values():
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        assert figure.low < figure.high


def test_an_interval_is_wider_when_records_come_in_few_groups() -> None:
    # Every group is one record ten times over: as much to learn from as its groups, not its records.
    small = a_sample(20, groups=20)
    repeated = {
        name: np.repeat(getattr(small, name), 10) for name in ("labels", "probabilities", "predicted", "groups")
    }
    by_group = measure(Sample(**repeated), draws=1000)["accuracy"]
    by_record = measure(Sample(**(repeated | {"groups": np.arange(200).astype(str)})), draws=1000)["accuracy"]

    assert width(by_group) > 2 * width(by_record)


def width(figure: object) -> float:
    low, high = getattr(figure, "low", None), getattr(figure, "high", None)
    assert low is not None
    assert high is not None
    return float(high - low)


def test_a_figure_without_a_miss_is_not_certain() -> None:
    found = measure(Sample.of([1] * 16, [0.9] * 16, threshold=0.5, groups=[f"g{i}" for i in range(16)]))

    assert found["sensitivity"] == Interval(1.0, low=pytest.approx(0.794, abs=0.001), high=1.0)


def test_a_share_of_nothing_does_not_exist() -> None:
    assert share(np.array([], dtype=bool), np.array([], dtype=np.str_)) == Interval(None)


def test_a_large_set_is_resampled_in_parts_of_a_bounded_size() -> None:
    groups = np.arange(50_000).astype(str)
    parts = list(resamples(groups, draws=100, seed=0))

    assert max(part.size for part in parts) <= 4_000_000
    assert sum(len(part) for part in parts) == 100
    assert np.concatenate(parts).sum(axis=1) == pytest.approx(np.full(100, 50_000))


def test_one_group_has_no_interval() -> None:
    figure = measure(a_sample(groups=1))["accuracy"]

    assert figure.value is not None
    assert figure.low is figure.high is None


def test_the_bootstrap_auc_of_the_whole_is_the_auc() -> None:
    sample = a_sample()

    assert measure(sample, draws=10)["auc"].value == pytest.approx(auc(sample.labels, sample.probabilities))


def test_probabilities_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Sample.of([1], [1.5], threshold=0.5, groups=["a"])


def test_calibration_of_a_class_of_one_group_has_no_interval() -> None:
    sample = a_sample(groups=40)
    lone = Sample(
        sample.labels, sample.probabilities, sample.predicted, np.where(sample.labels == 1, "a", sample.groups)
    )

    found = measure(lone, draws=1000)

    assert found["calibration_slope"].value is not None
    assert found["calibration_slope"].low is found["calibration_intercept"].low is None


def test_an_interval_that_draws_without_an_error_leave_open_is_not_given() -> None:
    # One of twenty is on the wrong side: a third of the draws do not hold it, and then no slope is steep enough.
    labels, probabilities = np.repeat([0, 1], 10), np.r_[np.linspace(0.1, 0.4, 9), 0.7, np.linspace(0.6, 0.9, 10)]
    sample = Sample.of(labels, probabilities, threshold=0.5, groups=[f"{k}" for k in range(20)])

    found = measure(sample, draws=1000)

    assert found["calibration_slope"].value is not None
    assert found["calibration_slope"].low is found["calibration_slope"].high is None
    assert found["auc"].low is not None


def test_a_figure_that_no_draw_changes_is_not_told_as_certain() -> None:
    everything = Sample.of([0, 1] * 10, [0.9] * 20, threshold=0.5, groups=[f"{k}" for k in range(20)])

    found = measure(everything, draws=500)

    assert found["balanced_accuracy"] == Interval(0.5)
    assert found["sensitivity"].low is not None
    assert found["sensitivity"].low < 1


@pytest.mark.parametrize(("labels", "sign"), [([0, 0, 1, 1], 1), ([1, 1, 0, 0], -1)])
def test_labels_that_part_have_an_infinite_slope(labels: list[int], sign: int) -> None:
    slope, intercept = calibration_lines(np.array([0.6, 0.7, 0.8, 0.9]), np.array(labels), np.ones((1, 4)))

    assert slope == [sign * np.inf]
    assert intercept == [-sign * np.inf]
    assert np.isnan(calibration_lines(np.array([0.6, 0.7]), np.array([1, 1]), np.ones((1, 2)))).all()


def test_where_all_probabilities_are_alike_nothing_parts() -> None:
    assert np.isnan(calibration_lines(np.full(4, 0.3), np.array([0, 1, 0, 1]), np.ones((1, 4)))).all()


def test_a_figure_that_draws_change_in_its_last_digits_alone_is_not_told_as_certain() -> None:
    alike = Sample.of([0, 1] * 10, [0.3, 0.7] * 10, threshold=0.5, groups=[f"{k}" for k in range(20)])

    assert measure(alike, draws=500)["brier"] == Interval(pytest.approx(0.09))
    near = np.array([1.0, 1 - 1e-16, 1 - 2e-16] * 100)
    assert interval(1 - 2e-16, near, groups=16) == Interval(1 - 2e-16, low=pytest.approx(0.794, abs=0.001), high=1.0)
    assert interval(1e-17, 1 - near, groups=16) == Interval(1e-17, low=0.0, high=pytest.approx(0.206, abs=0.001))


@pytest.mark.parametrize(("probability", "low", "high"), [(1.0, 0.0, 0.206), (0.0, 0.794, 1.0)])
def test_an_error_of_nothing_or_of_all_keeps_its_exact_interval(probability: float, low: float, high: float) -> None:
    sample = Sample.of([1] * 16, [probability] * 16, threshold=0.5, groups=[f"{k}" for k in range(16)])

    found = measure(sample, draws=500)["calibration_error"]

    assert (found.value, found.low, found.high) == pytest.approx((1 - probability, low, high), abs=0.001)
