"""What of the lungs an exam does not show."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.ct.exam import Exam
from app.ct.gaps import Coverage, coverage_of
from app.ct.phantom import phantom
from app.ct.reading import NamedFile, read_exam
from app.ct.selection import lung_area
from tests.builders import a_slice, shared_data

LUNGS = [0.0, 0.1, 0.2, 0.2, 0.1, 0.0]


def coverage(z_mm: Sequence[float | None], area: Sequence[float] = LUNGS) -> Coverage:
    return coverage_of(Exam.of([a_slice(z_mm=z) for z in z_mm]), np.array(area))


@pytest.mark.parametrize("step_mm", [1.0, 5.0, 10.0, 10.04])
def test_slices_up_to_ten_millimeters_apart_leave_no_gap(step_mm: float) -> None:
    assert coverage([-step_mm * i for i in range(6)]) == Coverage(gap_mm=None, is_cut=False)


def test_the_largest_gap_within_the_lungs_counts() -> None:
    found = coverage([0, -5, -17, -32, -37, -42])

    assert found.gap_mm == pytest.approx(15)
    assert "up to 15.0 mm apart" in found.warnings[0]


@pytest.mark.parametrize("z_mm", [[0, -50, -55, -60, -65, -70], [0, -5, -10, -15, -20, -70]])
def test_a_gap_between_lung_and_a_slice_without_is_within_the_lungs(z_mm: list[float]) -> None:
    assert coverage(z_mm).gap_mm == pytest.approx(50)


@pytest.mark.parametrize("area", [[0, 0, 0.1, 0.2, 0.2, 0], [0, 0.01, 0.1, 0.2, 0.2, 0]])
def test_a_gap_above_the_lungs_is_none_of_them(area: list[float]) -> None:
    assert coverage([0, -50, -55, -60, -65, -70], area).gap_mm is None


@pytest.mark.parametrize(("below", "gap_mm"), [(0.032, 50), (0.028, None)])
def test_a_gap_below_a_slice_that_shows_some_lung_is_within_them(below: float, gap_mm: float | None) -> None:
    assert coverage([0, -5, -10, -15, -20, -70], [0, 0.1, 0.2, 0.2, below, 0]).gap_mm == gap_mm


def test_a_gap_is_within_the_lungs_though_none_was_found_beside_it() -> None:
    assert coverage([0, -5, -10, -60, -65, -70], [0, 0.2, 0, 0, 0.2, 0.1]).gap_mm == pytest.approx(50)


@pytest.mark.parametrize("area", [[0.2, 0.2, 0.1, 0, 0.04, 0.04], [0.2, 0.2, 0.2, 0.008, 0.04, 0]])
def test_a_gap_beside_gas_below_the_lungs_is_none_of_them(area: list[float]) -> None:
    assert coverage([0, -5, -10, -15, -20, -70], area).gap_mm is None


def without(exam: Exam, places: Collection[int]) -> Coverage:
    """The coverage of ``exam`` where the slices at ``places`` are missing."""
    left = replace(exam, slices=tuple(one for place, one in enumerate(exam.slices) if place not in places))
    return coverage_of(left, lung_area(left))


@pytest.fixture(scope="module")
def covid() -> Exam:
    return read_exam([NamedFile(path.name, path) for path in sorted((shared_data() / "exams" / "P002").iterdir())])


@pytest.mark.parametrize(("first", "last"), [(108, 117), (107, 117), (60, 66), (6, 16)])
def test_a_gap_at_the_apices_or_bases_of_a_real_exam_counts(covid: Exam, first: int, last: int) -> None:
    assert without(covid, range(first, last + 1)).gap_mm == pytest.approx(2 * (last - first + 2))


@pytest.mark.parametrize("places", [range(0), range(1, 10), range(114, 124), range(120, 130)])
def test_a_real_exam_without_gaps_or_with_one_in_neck_or_abdomen_is_whole(covid: Exam, places: range) -> None:
    assert without(covid, places) == Coverage(gap_mm=None, is_cut=False)


@pytest.mark.parametrize("slices", [60, 300])
def test_a_gap_anywhere_in_the_lungs_of_a_phantom_counts_and_none_above_or_below(slices: int) -> None:
    exam = phantom(slices=slices, lesions="none", seed=1, size=128).exam()
    assert exam.slices[0].z_mm is not None
    assert exam.slices[1].z_mm is not None
    missing = int(20 / (exam.slices[0].z_mm - exam.slices[1].z_mm))
    showing = np.flatnonzero(lung_area(exam) >= 0.01)
    parts = np.linspace(showing[0], showing[-1] - missing, 6).astype(int)

    assert [without(exam, range(k, k + missing)).held_back is not None for k in parts] == [True] * 6
    assert without(exam, range(1, showing[0])) == without(exam, ()) == Coverage(gap_mm=None, is_cut=False)


def test_without_positions_gaps_are_not_known() -> None:
    assert coverage([None] * 6).gap_mm is None


@pytest.mark.parametrize("area", [[0.2, 0.2, 0.1, 0], [0, 0.1, 0.2, 0.2]])
def test_lungs_that_begin_or_end_with_the_exam_are_cut(area: list[float]) -> None:
    found = coverage([0, -5, -10, -15], area)

    assert found.is_cut
    assert "may not show the whole lungs" in found.warnings[0]


def test_an_apex_on_the_first_slice_is_no_cut() -> None:
    assert not coverage([0, -5, -10, -15], [0.04, 0.2, 0.2, 0.04]).is_cut


def test_a_single_image_is_never_cut() -> None:
    assert coverage([0], [0.3]) == Coverage(gap_mm=None, is_cut=False)
