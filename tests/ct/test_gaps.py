"""What of the lungs an exam does not show."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.ct.exam import Exam
from app.ct.gaps import Coverage, coverage_of
from tests.builders import a_slice

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
