"""Series whose tags give no Hounsfield units."""

import numpy as np
import pytest

from app.ct.errors import Unreadable
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.reading import read_exam
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
    assert "of 1 slices are missing or wrong" in exam.warnings[0]


@pytest.mark.parametrize("tags", [{"RescaleSlope": 1000}, {"RescaleIntercept": 32768}, {"RescaleIntercept": -32768}])
def test_values_that_no_tissue_has_are_refused(tags):
    with pytest.raises(Unreadable, match="no Hounsfield units"):
        exam_of(np.full((2, 64, 64), 700, np.int16), **tags)


def test_tissue_without_air_is_no_reason_to_doubt_the_rescale():
    spine = np.random.default_rng(0).integers(900, 1400, (2, 64, 64)).astype(np.int16)

    assert exam_of(spine).warnings == ()
