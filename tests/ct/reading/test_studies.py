"""What names a study of its own beside an exam, or within it."""

import pytest

from app.ct.errors import SeveralStudies
from app.ct.reading import read_exam
from tests.builders import a_dicom, a_dicom_exam, a_picture, files


def test_a_report_of_another_study_is_left_out():
    report = a_dicom(
        without=["PixelData", "Rows", "Columns"],
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67",
        Modality="SR",
        StudyInstanceUID="1.2.3.2",
        SeriesInstanceUID="1.2.3.2.1",
    )

    assert len(read_exam(files(*a_dicom_exam(), report)).slices) == 4


def test_a_series_of_which_every_slice_was_given_a_study_of_its_own_is_one():
    parts = [a_dicom(stored=a_picture(seed=i), z_mm=-5.0 * i, StudyInstanceUID=f"1.2.9.{i}") for i in range(12)]

    assert len(read_exam(files(*parts)).slices) == 12


def test_few_studies_that_share_a_series_are_refused():
    parts = [a_dicom(stored=a_picture(seed=i), z_mm=-5.0 * i, StudyInstanceUID=f"1.2.9.{i % 4}") for i in range(12)]

    with pytest.raises(SeveralStudies):
        read_exam(files(*parts))
