import numpy as np
import pytest

from app.ct.errors import NoLung
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.precision import Precision
from app.ct.selection import lung_area, select_slices, slices_by_default
from tests.builders import a_slice, an_exam


@pytest.fixture(scope="module")
def exam() -> Exam:
    return phantom(slices=40, lesions="few", seed=3, size=128).exam()


def test_slices_above_and_below_the_lungs_are_not_scored(exam):
    chosen = select_slices(lung_area(exam), None)

    assert chosen[0] > 0
    assert len(chosen) < len(exam.slices)
    assert list(chosen) == list(range(chosen[0], chosen[-1] + 1))


@pytest.mark.parametrize("limit", [1, 5, 16])
def test_as_many_as_asked_for_are_chosen_evenly_spread(exam, limit):
    chosen = select_slices(lung_area(exam), limit)

    assert len(chosen) == limit
    gaps = np.diff(chosen)
    assert limit == 1 or gaps.max() - gaps.min() <= 1


def test_the_choice_does_not_depend_on_the_direction_of_the_exam(exam):
    turned = Exam(tuple(reversed(exam.slices)), kind=exam.kind, order="upload", files=exam.files)
    last = len(exam.slices) - 1

    found = sorted(last - i for i in select_slices(lung_area(turned), None))

    assert found == list(select_slices(lung_area(exam), None))


def test_an_exam_of_one_slice_is_scored(exam):
    middle = Exam.of([exam.slices[20]])

    assert select_slices(lung_area(middle), 64) == (0,)


def test_an_exam_without_lung_is_refused():
    with pytest.raises(NoLung):
        select_slices(lung_area(an_exam(gray=np.full((64, 64), 130, np.uint8))), 64)


def test_a_limit_below_one_is_refused(exam):
    with pytest.raises(ValueError, match="at least 1"):
        select_slices(lung_area(exam), 0)


def looked_at(z_mm: list[float]) -> tuple[np.ndarray, int]:
    """The area of slices that show no lung, and on how many of them lungs were looked for."""
    seen = []

    class Counting:
        def map(self, work, items, *, at_once=1):
            del work, at_once
            seen.extend(items)
            return [float(place) for place, _ in enumerate(items)]

    blank = np.full((8, 8), 130, np.uint8)
    return lung_area(Exam.of([a_slice(z_mm=z, gray=blank) for z in z_mm]), workers=Counting()), len(seen)


@pytest.mark.parametrize("last", range(148, 154))
def test_the_area_of_thin_slices_is_not_interpolated_across_a_gap(exam, last):
    lung, none = exam.slices[20].gray, np.full((128, 128), 130, np.uint8)
    z_mm = [-float(k) - (60 if k > last else 0) for k in range(300)]
    area = lung_area(Exam.of([a_slice(z_mm=z, gray=none if k > last else lung) for k, z in enumerate(z_mm)]))

    assert area[last] == area[0] > 0.1
    assert area[last + 1] == 0


def test_without_a_gap_lungs_are_looked_for_on_evenly_spread_slices_alone():
    area, looked = looked_at([-float(k) for k in range(300)])

    assert looked == 64
    assert np.array_equal(area, np.interp(range(300), np.linspace(0, 299, 64).round(), range(64)))


def test_of_very_many_gaps_lungs_are_looked_for_beside_some():
    _, looked = looked_at([-20.0 * k for k in range(2000)])

    assert looked <= 2 * 64


@pytest.mark.parametrize(
    ("on_gpu", "precision", "cpus", "expected"),
    [
        (True, "f32", 2, None),
        (True, "bf16", 1, None),
        (False, "bf16", 1, 64),
        (False, "int8", 2, 64),
        (False, "f32", 4, 64),
        (False, "f32", 2, 32),
        (False, "f32", 1, 32),
    ],
)
def test_as_many_are_scored_as_the_machine_can_in_time(
    on_gpu: bool, precision: Precision, cpus: int, expected: int | None
) -> None:
    assert slices_by_default(on_gpu=on_gpu, precision=precision, cpus=cpus) == expected
