"""Series whose tags give no Hounsfield units."""

import numpy as np
import pytest

from app.ct.errors import Unreadable
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.reading import read_exam
from app.ct.reading.scale import is_chest
from app.ct.windowing import LUNG
from tests.builders import a_dicom, files

CHEST = phantom(slices=9, lesions="few", seed=4, size=96).hu
NONE = ["RescaleSlope", "RescaleIntercept"]


def exam_of(stored: np.ndarray, **tags: object) -> Exam:
    return read_exam(files(*(a_dicom(stored=one, z_mm=-5.0 * i, **tags) for i, one in enumerate(stored))))


def shows_the_chest(exam: Exam) -> bool:
    return all(np.array_equal(s.gray, LUNG.gray(hu)) for s, hu in zip(exam.slices, CHEST, strict=True))


def test_a_series_in_hounsfield_units_is_left_alone():
    exam = exam_of(CHEST, RescaleIntercept=0)

    assert shows_the_chest(exam)
    assert exam.warnings == ()


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        (CHEST + 1024, {"RescaleIntercept": 0}),
        (CHEST + 1024, {"without": NONE}),
        ((CHEST + 1024).astype(np.uint16), {"RescaleIntercept": 0}),
        ((CHEST + 1024).astype(np.uint16), {"RescaleSlope": 1000}),
        ((CHEST + 1024).astype(np.uint16), {"RescaleSlope": 0.001}),
        ((CHEST + 1024).astype(np.uint16), {"RescaleIntercept": 32768}),
        (CHEST, {"RescaleIntercept": -1024}),
        (CHEST.astype(np.uint16), {"RescaleIntercept": 0}),
        ((CHEST.astype(np.int32) + 32768).astype(np.uint16), {"RescaleIntercept": 0}),
    ],
)
def test_a_wrong_or_missing_rescale_is_replaced_where_air_and_tissue_show_it(stored, tags):
    exam = exam_of(stored, **tags)

    assert shows_the_chest(exam)
    assert exam.warnings[0].startswith("The rescale slope and intercept of 9 slices are missing or wrong")


def test_slices_without_a_rescale_take_that_of_the_others():
    unusual = {"RescaleSlope": 0.5, "RescaleIntercept": -1500}
    parts = [a_dicom(stored=2 * (hu + 1500), z_mm=-5.0 * i, **unusual) for i, hu in enumerate(CHEST)]
    parts[3] = a_dicom(stored=2 * (CHEST[3] + 1500), z_mm=-15.0, without=NONE)
    exam = read_exam(files(*parts))

    assert shows_the_chest(exam)
    assert "of 1 slice are missing or wrong" in exam.warnings[0]


@pytest.mark.parametrize("tags", [{"RescaleSlope": 1000}, {"RescaleIntercept": 32768}, {"RescaleIntercept": -32768}])
def test_values_that_no_tissue_has_are_refused(tags):
    with pytest.raises(Unreadable, match="no Hounsfield units"):
        exam_of(np.full((2, 64, 64), 700, np.int16), **tags)


def test_tissue_without_air_is_left_as_it_is_and_said():
    spine = np.random.default_rng(0).integers(900, 1400, (2, 64, 64)).astype(np.int16)
    exam = exam_of(spine)

    assert np.array_equal(exam.slices[0].gray, LUNG.gray(spine[0] - 1024))
    (warning,) = exam.warnings
    assert warning.startswith("The values of 2 slices do not look like Hounsfield units of a chest")


def test_a_wrong_intercept_in_a_part_of_a_series_is_replaced():
    stored = CHEST + 1024
    parts = [a_dicom(stored=one, z_mm=-5.0 * i, RescaleIntercept=-1024 * (i < 3)) for i, one in enumerate(stored)]
    exam = read_exam(files(*parts))

    assert shows_the_chest(exam)
    assert "of 6 slices are missing or wrong" in exam.warnings[0]


def test_a_part_of_a_series_that_fits_no_rescale_is_said():
    spine = np.random.default_rng(0).integers(-100, 400, (96, 96)).astype(np.int16)
    parts = [a_dicom(stored=one, z_mm=-5.0 * i, RescaleIntercept=0) for i, one in enumerate(CHEST)]
    parts[4] = a_dicom(stored=spine + 50, z_mm=-20.0, RescaleIntercept=-50)

    assert read_exam(files(*parts)).warnings[0].startswith("The values of 1 slice do not look like Hounsfield units")


def test_fill_of_one_value_is_no_air():
    stored = CHEST + 1024
    stored[:, :20] = -1000
    exam = exam_of(stored, RescaleIntercept=0)

    assert np.array_equal(exam.slices[4].gray[20:], LUNG.gray(CHEST[4])[20:])


def test_a_map_of_iodine_that_calls_itself_axial_is_doubted():
    iodine = np.random.default_rng(0).integers(0, 50, (12, 64, 64)).astype(np.int16)

    assert "do not look like Hounsfield units" in exam_of(iodine, RescaleIntercept=0).warnings[0]


def test_metal_is_no_chest():
    metal = CHEST.copy()
    metal[:, ::4] = 4000

    assert is_chest(CHEST)
    assert not is_chest(metal)


MONOCHROME1 = {"PhotometricInterpretation": "MONOCHROME1"}
SIGNED_TWELVE = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": 0}


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        ((4095 - 1024 - CHEST).astype(np.uint16), {"BitsStored": 12, "HighBit": 11}),
        ((4095 - 1024 - CHEST).astype(np.uint16), {"BitsStored": 16}),
        ((65535 - 1024 - CHEST.astype(np.int32)).astype(np.uint16), {"BitsStored": 16}),
        (-1 - CHEST, SIGNED_TWELVE),
        (CHEST + 1024, {}),
    ],
)
def test_inverted_values_are_turned_back_alike_in_every_slice(stored, tags):
    assert shows_the_chest(exam_of(stored, **MONOCHROME1, **tags))


def test_values_inverted_within_their_own_range_are_turned_back_alike_in_every_slice():
    inverted = (CHEST.max() + CHEST.min() - CHEST).astype(np.int16)
    exam = exam_of(inverted, **MONOCHROME1, RescaleIntercept=0)

    assert shows_the_chest(exam)
    assert exam.warnings[0].startswith("The values of 9 slices were stored inverted")
