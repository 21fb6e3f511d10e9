import numpy as np
import pytest

from app.ct.reading import read_exam
from app.ct.reading.geometry import is_axial, normal_of
from tests.builders import a_dicom, a_gray, a_picture, files

STORED = a_picture().astype(np.int16) + 300
UPRIGHT = a_gray(STORED)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        ([1, 0, 0, 0, 1, 0], STORED),
        ([-1, 0, 0, 0, 1, 0], STORED[:, ::-1]),
        ([1, 0, 0, 0, -1, 0], STORED[::-1]),
        ([-1, 0, 0, 0, -1, 0], STORED[::-1, ::-1]),
        ([0, 1, 0, 1, 0, 0], STORED.T),
        ([0, -1, 0, 1, 0, 0], STORED[::-1].T),
        ([0, 1, 0, -1, 0, 0], STORED[:, ::-1].T),
    ],
)
def test_slices_come_out_the_radiological_way_round(orientation, stored):
    (seen,) = read_exam(files(a_dicom(stored=stored, ImageOrientationPatient=orientation))).slices

    assert np.array_equal(seen.gray, UPRIGHT)


@pytest.mark.parametrize(
    ("orientation", "spacing"), [([1, 0, 0, 0, 1, 0], (0.7, 0.8)), ([0, 1, 0, 1, 0, 0], (0.8, 0.7))]
)
def test_pixel_spacing_turns_with_the_picture(orientation, spacing):
    (seen,) = read_exam(files(a_dicom(ImageOrientationPatient=orientation))).slices

    assert seen.pixel_spacing_mm == spacing


def test_feet_first_changes_nothing_because_positions_are_the_patients():
    parts = [a_dicom(z_mm=z, PatientPosition="FFS") for z in (-5.0, 0.0)]

    assert [s.z_mm for s in read_exam(files(*parts)).slices] == [0.0, -5.0]


def test_unknown_orientation_is_said():
    exam = read_exam(files(a_dicom(without=["ImageOrientationPatient"])))

    assert np.array_equal(exam.slices[0].gray, UPRIGHT)
    assert any("how they lie" in w for w in exam.warnings)


def test_the_normal_points_to_the_head_whichever_way_the_slice_is_seen():
    assert normal_of([1, 0, 0, 0, -1, 0]) == pytest.approx([0, 0, 1])


def test_a_tilted_gantry_is_axial_and_directions_without_a_plane_are_not():
    assert is_axial([1, 0, 0, 0, 0.866, -0.5])
    assert not is_axial([1, 0, 0, 1, 0, 0])
    assert not is_axial([0, 0, 0, 0, 0, 0])
