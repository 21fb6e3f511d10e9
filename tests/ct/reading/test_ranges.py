"""Series that show a part of the patient only."""

import pytest

from app.ct.exam import RejectedSeries
from app.ct.reading import read_exam
from tests.builders import a_dicom, a_dicom_exam, files

OTHER = {"SeriesInstanceUID": "1.2.3.1.2", "SeriesNumber": 2}


def test_a_part_of_the_chest_with_a_lung_kernel_comes_after_the_whole():
    part = a_dicom_exam(slices=20, ConvolutionKernel="B70f", **OTHER)
    exam = read_exam(files(*a_dicom_exam(slices=60, ConvolutionKernel="B30f"), *part))

    assert (exam.series.chosen, exam.series.why) == ("series 1", "the whole range")
    assert exam.series.rejected == (RejectedSeries("series 2", 20, "shorter range"),)


def test_lungs_alone_with_a_lung_kernel_come_before_chest_and_abdomen_and_what_is_missed_is_said():
    lungs = a_dicom_exam(slices=55, ConvolutionKernel="B70f", **OTHER)
    exam = read_exam(files(*a_dicom_exam(slices=130, ConvolutionKernel="B30f"), *lungs))

    assert exam.series.chosen == "series 2"
    assert exam.warnings == (
        "Another series of the upload goes 375 mm further than the one that was read: what it shows there was not read.",
    )


def below(*, slices: int, spacing_mm: float = 5.0, start_mm: float = -100.0, **tags: object) -> list[bytes]:
    """A series below one of twenty slices."""
    return [a_dicom(z_mm=start_mm - spacing_mm * k, InstanceNumber=k + 21, **OTHER, **tags) for k in range(slices)]


def test_what_the_shorter_of_two_series_of_a_split_scan_shows_is_said_to_be_missed():
    exam = read_exam(files(*a_dicom_exam(slices=20), *below(slices=9)))

    assert exam.series.rejected == (RejectedSeries("series 2", 9, "too few slices"),)
    assert exam.warnings == (
        "Another series of the upload goes 45 mm further than the one that was read: what it shows there was not read.",
    )


@pytest.mark.parametrize(
    "tags",
    [
        {"slices": 2, "start_mm": -200.0},
        {"slices": 6, "spacing_mm": 20.0},
        {"slices": 9, "BodyPartExamined": "ABDOMEN"},
        {"slices": 9, "ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AXIAL"]},
        {"slices": 9, "ImagePositionPatient": [0, 0, -200]},
        {"slices": 9, "without": ["ImagePositionPatient"]},
    ],
    ids=str,
)
def test_what_shows_no_range_of_the_chest_as_scanned_is_not_missed(tags):
    assert read_exam(files(*a_dicom_exam(slices=20), *below(**tags))).warnings == ()
