import pytest

from training.run import RunError
from training.stated import NOT_MEASURED, bare_numbers, check_stated, filled

FIGURES = {"shortcut": {"drenet": {"train": 0.8134}}, "network": {"size": 299}}


@pytest.mark.parametrize("text", ["AUC .81 there", "AUC=0.81", "38 x 38", "1 % of them", "in 2020", "(12)", "7"])
def test_digits_that_are_no_name_are_a_number(text: str) -> None:
    assert bare_numbers(text)


@pytest.mark.parametrize("text", ["conv5 of ResNet50", "COVID-19", "medseg48", "q75", "{shortcut[drenet][train]:.2f}"])
def test_digits_in_names_and_places_are_none(text: str) -> None:
    assert bare_numbers(text) == []


def test_places_are_filled_from_the_figures() -> None:
    text = "AUC {shortcut[drenet][train]:.2f} ({shortcut[drenet][train]}) at {network[size]} pixels"

    assert filled(text, FIGURES) == "AUC 0.81 (0.813) at 299 pixels"


def test_a_figure_that_was_not_measured_is_said_to_be_so() -> None:
    assert filled("{shortcut[soares][train]:.2f} {nothing[at][all]}", FIGURES) == f"{NOT_MEASURED} {NOT_MEASURED}"


def test_a_sentence_with_a_number_of_its_own_is_refused() -> None:
    with pytest.raises(RunError, match=r"states 81, which no file"):
        check_stated(["Good.", "AUC .81 there."])


@pytest.mark.parametrize("text", ["{shortcut[drenet", "}", "{0!z}"])
def test_a_place_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(RunError):
        check_stated([text])
