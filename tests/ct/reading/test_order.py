import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ct.exam import Exam, Order
from app.ct.reading import NamedFile, read_exam
from app.ct.reading.files import natural_key
from tests.builders import a_dicom, a_dicom_exam, a_jpeg, a_picture, files

EXAM = a_dicom_exam(slices=6)


def what_counts(exam: Exam) -> list[object]:
    """All of an exam but the numbers of its files."""
    slices = [(s.gray.tobytes(), s.z_mm, s.instance_number, s.pixel_spacing_mm) for s in exam.slices]
    return [slices, exam.order, exam.kind, exam.series, exam.warnings, exam.files]


@given(st.permutations(range(6)))
def test_any_shuffle_gives_the_same_exam(order):
    assert what_counts(read_exam(files(*(EXAM[i] for i in order)))) == what_counts(read_exam(files(*EXAM)))


@given(st.permutations(range(6)), st.integers(0, 5))
def test_any_shuffle_of_doubled_slices_gives_the_same_exam(order, doubled):
    named = [NamedFile(f"{i}", EXAM[i]) for i in range(6)] + [NamedFile("6", EXAM[doubled])]
    shuffled = [named[i] for i in order] + [named[6]]

    assert what_counts(read_exam(shuffled)) == what_counts(read_exam(named))


def test_slices_run_from_head_to_feet():
    exam = read_exam(files(*reversed(EXAM)))

    assert exam.order is Order.POSITION
    assert [s.z_mm for s in exam.slices] == [0.0, -5.0, -10.0, -15.0, -20.0, -25.0]
    assert [s.file_number for s in exam.slices] == [6, 5, 4, 3, 2, 1]


def test_position_counts_where_instance_numbers_say_otherwise():
    parts = [a_dicom(z_mm=z, InstanceNumber=n) for z, n in [(0, 3), (-5, 1), (-10, 2)]]

    assert [s.instance_number for s in read_exam(files(*parts)).slices] == [3, 1, 2]


def test_positions_count_along_the_normal_of_a_tilted_gantry():
    tilted = [1, 0, 0, 0, 0.9272, -0.3746]
    # Table moves 5 mm along z; the first pixel drifts along y, as a tilted scan's does.
    parts = [a_dicom(ImageOrientationPatient=tilted, ImagePositionPatient=[0, 3.0 * i, -5.0 * i]) for i in range(3)]
    z = [s.z_mm for s in read_exam(files(*parts)).slices]

    assert z == pytest.approx([0, -3.512, -7.024], abs=0.01)


def test_slices_seen_from_above_still_run_head_first():
    parts = [a_dicom(z_mm=z, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0]) for z in (-5.0, 0.0)]

    assert [s.z_mm for s in read_exam(files(*parts)).slices] == [0.0, -5.0]


@pytest.mark.parametrize(
    ("tags", "order"),
    [
        ([{"SliceLocation": 9}, {"SliceLocation": 1}], Order.SLICE_LOCATION),
        ([{"InstanceNumber": 1}, {"InstanceNumber": 2}], Order.INSTANCE_NUMBER),
        ([{}, {}], Order.FILE_NAME),
    ],
)
def test_without_positions_the_next_best_order_is_taken_and_said(tags, order):
    first, second = (a_dicom(z_mm=None, stored=a_picture(seed=i), **t) for i, t in enumerate(tags))
    exam = read_exam([NamedFile("s10", second), NamedFile("s9", first)])

    assert exam.order is order
    assert [s.file_number for s in exam.slices] == [2, 1]
    assert "missing slices cannot be noticed" in exam.warnings[0]


def test_upload_order_is_kept_when_names_repeat_and_nothing_else_is_known():
    parts = [NamedFile("blob", a_dicom(z_mm=None, stored=a_picture(seed=i))) for i in range(3)]

    assert read_exam(parts).order is Order.UPLOAD
    assert [s.file_number for s in read_exam(parts).slices] == [1, 2, 3]


def test_one_slice_without_position_takes_positions_from_all():
    parts = [a_dicom(z_mm=z, InstanceNumber=n) for n, z in [(1, 0.0), (2, None), (3, -10.0)]]

    assert read_exam(files(*parts)).order is Order.INSTANCE_NUMBER


@pytest.mark.parametrize("direction", [1, -1])
def test_without_all_positions_those_that_are_known_tell_where_the_head_is(direction):
    parts = [a_dicom(z_mm=5.0 * direction * n, InstanceNumber=n) for n in (1, 2, 4)]
    exam = read_exam(files(*parts, a_dicom(z_mm=None, InstanceNumber=3)))

    assert [s.instance_number for s in exam.slices] == [1, 2, 3, 4][::-direction]
    assert exam.order is Order.INSTANCE_NUMBER
    assert exam.warnings[0].endswith("by instance number, and missing slices cannot be noticed.")


@pytest.mark.parametrize(
    ("tags", "is_said"),
    [([{"SliceLocation": 9}, {"SliceLocation": 1}], False), ([{"InstanceNumber": 1}, {"InstanceNumber": 2}], True)],
)
def test_where_nothing_tells_which_end_is_the_head_that_is_said(tags, is_said):
    parts = [a_dicom(z_mm=None, stored=a_picture(seed=i), **t) for i, t in enumerate(tags)]

    exam = read_exam(files(*parts))

    assert ("which end is the head is not known" in exam.warnings[0]) == is_said
    assert exam.is_head_known is not is_said


def test_positions_that_are_not_believed_tell_no_direction():
    parts = [a_dicom(z_mm=z, InstanceNumber=n) for n, z in enumerate([0.0, 0.0, 0.0, 0.0, 5.0])]

    assert [s.instance_number for s in read_exam(files(*parts)).slices] == [0, 1, 2, 3, 4]


def test_a_single_slice_needs_no_position():
    assert read_exam(files(a_dicom(z_mm=None))).warnings == ()


def test_positions_that_were_reset_are_not_believed():
    parts = [a_dicom(z_mm=0.0, InstanceNumber=n) for n in (3, 1, 2)]

    assert [s.instance_number for s in read_exam(files(*parts)).slices] == [1, 2, 3]


def test_a_gap_is_said():
    parts = [a_dicom(z_mm=z) for z in (0, -5, -10, -25, -30)]
    (warning,) = read_exam(files(*parts)).warnings

    assert warning.startswith("Slices may be missing: 1 x a distance")
    assert "15.0 mm; usual 5.0 mm" in warning


def test_doubled_positions_are_said_and_none_is_dropped_on_an_empty_uid():
    exam = read_exam(files(*EXAM, a_dicom(stored=a_picture(seed=9), z_mm=-10.0, InstanceNumber=3)))

    assert len(exam.slices) == 7
    assert "1 slice lies at the position of another one." in exam.warnings


def test_pictures_are_in_natural_order():
    names = ["slice1.jpg", "slice2.jpg", "slice10.jpg"]
    parts = [NamedFile(name, a_jpeg(a_picture(seed=i))) for i, name in enumerate(names)]
    random.Random(0).shuffle(parts)
    exam = read_exam(parts)

    assert [parts[s.file_number - 1].name for s in exam.slices] == names
    assert exam.order is Order.FILE_NAME
    assert exam.warnings == (
        "Pictures hold no positions: missing slices cannot be noticed, and which end is the head is not known.",
    )


def test_pictures_whose_names_repeat_stay_as_sent():
    exam = read_exam([NamedFile("blob", a_jpeg()), NamedFile("blob", a_jpeg(np.flip(a_picture())))])

    assert exam.order is Order.UPLOAD
    assert any("names repeat" in w for w in exam.warnings)


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_that_of_the_numbers(numbers):
    names = [f"Series {n}/IM{n:04d}.dcm" for n in numbers]

    assert sorted(names, key=natural_key) == [f"Series {n}/IM{n:04d}.dcm" for n in sorted(numbers)]


def test_names_with_more_digits_than_python_converts_are_ordered_too():
    assert natural_key("9" * 5000) < natural_key("1" + "0" * 5000)


@pytest.mark.parametrize("phases", [2, 3, 4])
def test_many_places_order_however_many_slices_lie_at_each(phases):
    """Phases that nothing tells apart: where a gap is, is seen all the same."""
    places = [-5.0 * k - (35 if k > 7 else 0) for k in range(16)]
    sent = [a_dicom(stored=a_picture(seed=k), z_mm=z) for k, z in enumerate(places) for _ in range(phases)]

    exam = read_exam(files(*sent))

    assert exam.order is Order.POSITION
    assert any("up to 40.0 mm" in said for said in exam.warnings)
