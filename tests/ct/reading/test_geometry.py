import numpy as np
import pytest

from app.ct.reading import read_exam
from app.ct.reading.geometry import is_axial, normal_of
from tests.builders import a_dicom, a_dicom_exam, a_gray, a_picture, an_enhanced_dicom, files, rewritten

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


@pytest.mark.parametrize("position", ["HFS", "FFS", "HFP", "FFP", "HFDR"])
def test_how_the_patient_lay_changes_nothing_because_positions_are_the_patients(position):
    parts = [a_dicom(z_mm=z, PatientPosition=position) for z in (-5.0, 0.0)]
    exam = read_exam(files(*parts))

    assert [s.z_mm for s in exam.slices] == [0.0, -5.0]
    assert np.array_equal(exam.slices[0].gray, UPRIGHT)


def test_a_patient_scanned_prone_is_shown_with_the_front_on_top():
    prone = a_dicom(stored=STORED[::-1, ::-1], ImageOrientationPatient=[-1, 0, 0, 0, -1, 0], PatientPosition="HFP")

    assert np.array_equal(read_exam(files(prone)).slices[0].gray, UPRIGHT)


def test_slices_of_one_series_may_be_flipped_each_in_its_own_way():
    flipped = a_dicom(stored=STORED[::-1], z_mm=-5.0, ImageOrientationPatient=[1, 0, 0, 0, -1, 0])
    exam = read_exam(files(a_dicom(stored=STORED), flipped))

    assert all(np.array_equal(s.gray, UPRIGHT) for s in exam.slices)


def test_unknown_orientation_is_said():
    exam = read_exam(files(a_dicom(without=["ImageOrientationPatient"])))

    assert np.array_equal(exam.slices[0].gray, UPRIGHT)
    assert any("how they lie" in w for w in exam.warnings)


@pytest.mark.parametrize("nothing", [[0] * 6, [1, 0, 0, 1, 0, 0], [1e300] * 6])
def test_directions_that_span_no_plane_are_as_unknown_as_missing_ones(nothing):
    whole = a_dicom_exam(slices=4)
    odd = a_dicom(stored=a_picture(seed=9), z_mm=-20, ImageOrientationPatient=nothing)
    exam = read_exam(files(*whole, odd))

    assert [s.z_mm for s in exam.slices] == [0, -5, -10, -15, -20]
    assert (exam.series.rejected, exam.is_oriented) == ((), False)
    assert any("how they lie" in w for w in exam.warnings)


def test_the_normal_points_to_the_head_whichever_way_the_slice_is_seen():
    assert normal_of([1, 0, 0, 0, -1, 0]) == pytest.approx([0, 0, 1])


def test_a_tilted_gantry_is_axial_and_directions_without_a_plane_are_not():
    assert is_axial([1, 0, 0, 0, 0.866, -0.5])
    assert not is_axial([1, 0, 0, 0, 0.7072, -0.7071])
    assert not is_axial([1, 0, 0, 1, 0, 0])
    assert not is_axial([0, 0, 0, 0, 0, 0])


def test_sides_are_known_only_where_every_slice_says_how_it_lies():
    whole = a_dicom_exam(slices=4)
    silent = a_dicom(stored=a_picture(seed=9), z_mm=-20, without=("ImageOrientationPatient",))

    assert read_exam(files(*whole)).is_oriented
    assert not read_exam(files(*whole, silent)).is_oriented


@pytest.mark.parametrize("spacing", [[0, 0], [-0.7, 0.7], [0.7, 0], [1e400, 0.7], [0.7]])
def test_a_distance_that_no_pixels_have_is_not_told(spacing):
    several = rewritten(
        an_enhanced_dicom(),
        lambda data_set: setattr(
            data_set.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], "PixelSpacing", spacing
        ),
    )

    for sent in (a_dicom(PixelSpacing=spacing), several):
        assert {one.pixel_spacing_mm for one in read_exam(files(sent)).slices} == {None}
