"""What a verdict is worth, in figures that were measured."""

from types import SimpleNamespace

import pytest

from app.ct.diagnosis import HeldBack
from app.ct.manifest import Measured
from app.web.schemas import ExamReport
from app.web.worth import Worth, worth_of
from tests.fakes import some_measured


def a_report(slices: int, *, few_scored: bool = False, held_back: HeldBack | None = None) -> ExamReport:
    asked = SimpleNamespace(few_scored=few_scored)
    return SimpleNamespace(slices=[None] * slices, input=asked, held_back=held_back)  # type: ignore[return-value]


def worth(*measured: Measured, slices: int = 9) -> Worth:
    found = worth_of(a_report(slices), measured)
    assert found is not None
    return found


def test_an_exam_is_told_what_was_measured_by_patient_and_a_single_image_what_by_slice() -> None:
    both = (*some_measured(data="p"), *some_measured(data="s", by="slice"))

    assert worth(*both).data == "p"
    assert worth(*both, slices=1).data == "s"


def test_of_several_figures_those_of_the_most_cases_are_told() -> None:
    assert worth(*some_measured(data="few", n=9), *some_measured(data="many", n=90)).data == "many"


def test_what_was_counted_otherwise_on_the_same_data_is_not_mixed_in() -> None:
    both = (*some_measured(data="d"), *some_measured(data="d", by="slice", sensitivity=0.5))

    assert (worth(*both).by, worth(*both).sensitivity.value) == ("patient", 0.9)
    assert (worth(*reversed(both), slices=1).by, worth(*both, slices=1).sensitivity.value) == ("slice", 0.5)


def test_figures_that_do_not_fit_are_not_told() -> None:
    (sensitivity, _) = some_measured()

    assert worth_of(a_report(9), [sensitivity]) is None
    assert worth_of(a_report(9), some_measured(by="slice")) is None


def test_what_nobody_measured_is_not_told() -> None:
    measured = some_measured()

    assert worth_of(a_report(9, few_scored=True), measured) is None
    assert worth_of(a_report(9, held_back=HeldBack.GAP_IN_LUNGS), measured) is None


def test_predictive_values_by_hand() -> None:
    at = worth(*some_measured(sensitivity=0.9)).at(0.1)

    assert at.ppv is not None
    assert at.npv is not None
    assert at.ppv.value == pytest.approx(0.09 / (0.09 + 0.18))
    assert at.npv.value == pytest.approx(0.72 / (0.72 + 0.01))
    assert at.ppv.low == pytest.approx(0.07 / (0.07 + 0.36))
    assert at.npv.high == pytest.approx(0.81 / (0.81 + 0.005))


def test_a_share_of_nobody_does_not_exist() -> None:
    sensitivity, specificity = some_measured(sensitivity=0.0)
    certain = specificity.model_copy(update={"value": 1.0})

    assert worth(sensitivity, certain).at(0.1).ppv is None
