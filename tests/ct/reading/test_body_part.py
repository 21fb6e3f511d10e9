"""What the files say of the body part; wrong words are common, so only a sure one counts."""

import pytest

from app.ct.errors import NotChest
from app.ct.exam import RejectedSeries
from app.ct.fitness import check_body_part
from app.ct.reading import read_exam
from tests.builders import SERIES, a_dicom, a_dicom_exam, a_jpeg, files

OTHER = {"SeriesInstanceUID": "1.2.3.1.2", "SeriesNumber": 2}


@pytest.mark.parametrize(
    ("body_part", "named"),
    [
        ("HEAD", "HEAD"),
        ("Brain", "BRAIN"),
        ("HEAD_NECK", "HEADNECK"),
        ("NECK", "NECK"),
        ("ABDOMEN", "ABDOMEN"),
        ("ABDOMEN PELVIS", "ABDOMENPELVIS"),
        (["ABDOMEN", "PELVIS"], "ABDOMENPELVIS"),
        ("PELVIS ", "PELVIS"),
        ("EXTREMITY", "EXTREMITY"),
        ("KNEE", "KNEE"),
        ("L-SPINE", "LSPINE"),
    ],
)
def test_an_exam_of_another_body_part_is_refused(body_part, named):
    exam = read_exam(files(*a_dicom_exam(BodyPartExamined=body_part)))

    with pytest.raises(NotChest, match=f"than the chest: {named}[.]"):
        check_body_part(exam)


@pytest.mark.parametrize(
    "body_part",
    [
        None,
        "",
        "CHEST",
        "THORAX",
        "LUNG",
        "WHOLEBODY",
        "CHESTABDOMEN",
        "CHEST_TO_PELVIS",
        "NECKCHESTABDPELV",
        ["CHEST", "ABDOMEN"],
        "TSPINE",
        "SHOULDER",
        "HEART",
        "NECK TO KNEE",
        "TÊTE",
        "ABDOMEN°",
        "CANARY",
    ],
)
def test_no_other_word_is_an_obstacle(body_part):
    exam = read_exam(files(*a_dicom_exam(BodyPartExamined=body_part)))

    check_body_part(exam)
    assert exam.other_part is None


@pytest.mark.parametrize("last", ["CHEST", "", "ABDOMEN"])
def test_one_slice_that_names_something_else_is_enough_to_go_on(last):
    parts = [*a_dicom_exam(BodyPartExamined="NECK"), a_dicom(z_mm=-99, BodyPartExamined=last)]

    check_body_part(read_exam(files(*parts)))


def test_a_series_of_another_body_part_is_left_for_one_that_may_be_the_chest():
    head = a_dicom_exam(slices=12, BodyPartExamined="HEAD", ConvolutionKernel="BONE")
    exam = read_exam(files(*head, *a_dicom_exam(slices=3, **OTHER)))

    assert (exam.series.chosen, exam.series.why) == ("series 2", "does not name another body part")
    assert exam.series.rejected == (RejectedSeries("series 1", 12, "another body part"),)
    check_body_part(exam)


def test_pictures_name_no_body_part():
    check_body_part(read_exam(files(a_jpeg(), a_jpeg())))


def test_a_series_that_was_asked_for_is_read_whatever_body_part_it_names():
    exam = read_exam(files(*a_dicom_exam(BodyPartExamined="ABDOMEN")), series_instance_uid=SERIES)

    assert exam.other_part is None
    assert any("another body part than the chest (ABDOMEN)" in warning for warning in exam.warnings)
