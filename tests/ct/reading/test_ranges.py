"""Series that show a part of the patient only."""

from app.ct.exam import RejectedSeries
from app.ct.reading import read_exam
from tests.builders import a_dicom_exam, files

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
