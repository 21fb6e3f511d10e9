"""Writing beside the body is noticed, whatever it says; lungs, and noise, are not taken for it."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.writing import has_writing, writing_on
from tests.builders import a_slice, written_on

SIDE = 512


@pytest.fixture(scope="module")
def chest() -> Exam:
    return phantom(slices=24, lesions="many", seed=5, size=SIDE).exam()


def written(gray: np.ndarray) -> np.ndarray:
    return written_on(gray, "DOE^JOHN 1961-03-04")


def an_exam(grays: Sequence[np.ndarray]) -> Exam:
    return Exam.of([a_slice(gray=gray) for gray in grays])


@pytest.mark.parametrize("height", [10, 14, 20, 28])
@pytest.mark.parametrize(
    ("text", "level"), [("DOE^JOHN 1961-03-04", 255), ("Wang Xiaoming", 200), ("ID 4711-0815", 160)]
)
def test_names_and_numbers_in_the_corner_are_noticed(chest: Exam, height: int, text: str, level: int) -> None:
    gray = chest.slices[12].gray

    assert has_writing(written_on(gray, text, height=height, level=level))


@pytest.mark.parametrize("turned", [np.transpose, np.rot90, np.flipud, lambda gray: np.rot90(gray, 3)])
def test_what_lies_on_its_side_is_noticed_too(chest: Exam, turned: Callable[[np.ndarray], np.ndarray]) -> None:
    assert has_writing(np.ascontiguousarray(turned(written(chest.slices[12].gray))))


def test_a_large_picture_s_are_too(chest: Exam) -> None:
    large = np.kron(written(chest.slices[12].gray), np.ones((6, 6), np.uint8))

    assert has_writing(large)


def test_a_chest_has_none(chest: Exam) -> None:
    assert not any(has_writing(one.gray) for one in chest.slices)


@pytest.mark.parametrize("mark", ["R", "L 5", "10 cm"])
def test_a_mark_of_side_or_scale_is_no_name(chest: Exam, mark: str) -> None:
    assert not has_writing(written_on(chest.slices[12].gray, mark.replace(" ", "     ")))


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5])
def test_noise_is_none(share: float) -> None:
    noise = np.random.default_rng(1).random((SIDE, SIDE)) < share

    assert not has_writing(np.where(noise, 255, 0).astype(np.uint8))


def test_what_is_all_marks_is_not_compared_mark_by_mark() -> None:
    square = np.pad(np.full((12, 12), 255, np.uint8), 4)
    squares = np.tile(square, (50, 50))

    assert not has_writing(squares)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3)])
@pytest.mark.parametrize("level", [0, 255])
def test_any_picture_can_be_looked_at(shape: tuple[int, int], level: int) -> None:
    assert not has_writing(np.full(shape, level, np.uint8))


def test_an_exam_is_warned_of_with_the_number_of_slices(chest: Exam) -> None:
    grays = [one.gray for one in chest.slices[:10]]
    grays[:3] = map(written, grays[:3])

    (warning,) = writing_on(an_exam(grays))

    assert warning.startswith("Something seems to be written beside the body, on 3 of 10 slices looked at.")
    assert writing_on(an_exam(grays[3:])) == ()


def test_of_many_slices_some_are_looked_at_from_end_to_end(chest: Exam) -> None:
    grays = [chest.slices[12].gray] * 40
    grays[0], grays[-1] = written(grays[0]), written(grays[-1])

    (warning,) = writing_on(an_exam(grays))

    assert "on 2 of 16 slices" in warning
