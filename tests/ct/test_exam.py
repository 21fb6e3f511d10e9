import numpy as np
import pytest

from app.ct.exam import Exam, InputKind, Order, Slice
from tests.builders import a_slice, an_exam


def test_slices_with_positions_are_ordered_head_first():
    exam = Exam.of([a_slice(z_mm=z) for z in (-10.0, 0.0, -5.0)])

    assert [s.z_mm for s in exam.slices] == [0.0, -5.0, -10.0]
    assert exam.order is Order.POSITION


def test_upload_order_is_kept_when_a_slice_has_no_position():
    exam = Exam.of([a_slice(z_mm=None, instance_number=2), a_slice(z_mm=5.0, instance_number=1)])

    assert [s.instance_number for s in exam.slices] == [2, 1]
    assert exam.order is Order.UPLOAD


def test_an_exam_has_at_least_one_slice():
    with pytest.raises(ValueError, match="at least one"):
        Exam.of([])


def test_positions_that_rise_are_no_order_by_position():
    slices = (a_slice(z_mm=0.0), a_slice(z_mm=5.0))

    with pytest.raises(ValueError, match="head to feet"):
        Exam(slices, kind=InputKind.DICOM, order=Order.POSITION, files=2)


@pytest.mark.parametrize("gray", [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8), np.zeros((0, 2), np.uint8)])
def test_a_slice_is_gray_8_bit_and_not_empty(gray):
    with pytest.raises(ValueError, match="uint8"):
        Slice(gray)


def test_a_slice_cannot_be_painted_over():
    with pytest.raises(ValueError, match="read-only"):
        a_slice().gray[0, 0] = 1


def test_an_exam_counts_its_files_and_slices_know_their_size():
    exam = an_exam(slices=5)

    assert exam.files == 5
    assert (exam.slices[0].height, exam.slices[0].width) == (16, 12)
