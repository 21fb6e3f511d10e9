"""Series that hold a range twice, parts of several sizes, or positions that begin anew."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ct.exam import Order, RejectedSeries
from app.ct.reading import NamedFile, read_exam
from tests.builders import a_dicom, a_picture, files, shared_data

SLICES = 6
OF_FIRST = [
    {"AcquisitionNumber": 1},
    {"AcquisitionTime": "101500"},
    {"ContentTime": "1"},
    {"TemporalPositionIdentifier": 1},
]
OF_SECOND = [
    {"AcquisitionNumber": 2},
    {"AcquisitionTime": "101600"},
    {"ContentTime": "2"},
    {"TemporalPositionIdentifier": 2},
]


def a_pass(*, slices: int = SLICES, first: int = 0, seed: int = 0, height: int = 16, **tags: object) -> list[bytes]:
    """``slices`` from the ``first`` place on, each with its own picture, 5 mm apart, without instance numbers."""
    return [
        a_dicom(stored=a_picture(height=height, seed=seed + i), z_mm=-5.0 * i, SliceLocation=-5.0 * i, **tags)
        for i in range(first, first + slices)
    ]


def upside_down(*, slices: int = SLICES, **tags: object) -> list[bytes]:
    """Places as of ``a_pass``, where something else is seen."""
    return [
        a_dicom(stored=np.flip(a_picture(seed=i)), z_mm=-5.0 * i, SliceLocation=-5.0 * i, **tags) for i in range(slices)
    ]


def in_both_directions(parts: Sequence[bytes]) -> list[list[NamedFile]]:
    sent = files(*parts)
    return [sent, sent[::-1]]


@pytest.mark.parametrize(("of_first", "of_second"), list(zip(OF_FIRST, OF_SECOND, strict=True)))
def test_of_two_passes_the_first_is_taken_and_the_other_said(of_first, of_second):
    for sent in in_both_directions([*a_pass(**of_second, seed=7), *a_pass(**of_first)]):
        exam = read_exam(sent)

        assert {s.file_number for s in exam.slices} == {n for n, f in enumerate(sent, 1) if int(f.name[4:]) > SLICES}
        assert exam.series.rejected == (RejectedSeries("series 1", SLICES, "second pass of the same range"),)
        assert exam.warnings == ()


TWO_PASSES = [*a_pass(AcquisitionNumber=1), *a_pass(AcquisitionNumber=2, seed=7)]


@given(st.permutations(range(12)))
def test_any_shuffle_of_two_passes_gives_the_same_exam(order):
    exam, shuffled = (read_exam(files(*parts)) for parts in (TWO_PASSES, [TWO_PASSES[k] for k in order]))

    assert [s.gray.tobytes() for s in shuffled.slices] == [s.gray.tobytes() for s in exam.slices]
    assert shuffled.series == exam.series


def test_the_most_complete_pass_is_taken():
    parts = [*a_pass(slices=4, AcquisitionNumber=1), *a_pass(AcquisitionNumber=2)]
    exam = read_exam(files(*parts))

    assert (len(exam.slices), exam.series.rejected[0].slices) == (6, 4)


def test_passes_in_many_acquisitions_are_put_together():
    parts = [part for n in range(4) for part in a_pass(slices=3, first=3 * (n % 2), AcquisitionNumber=n + 1)]
    exam = read_exam(files(*parts))

    assert (len(exam.slices), exam.series.rejected[0].slices) == (6, 6)


def test_instance_numbers_tell_passes_apart_where_nothing_else_does():
    parts = [a_dicom(stored=a_picture(seed=n), z_mm=-5.0 * (n % 6), InstanceNumber=n + 1) for n in range(12)]

    assert [s.instance_number for s in read_exam(files(*parts)).slices] == [1, 2, 3, 4, 5, 6]


def test_passes_that_nothing_tells_apart_are_all_kept_and_said():
    exam = read_exam(files(*a_pass(), *a_pass(seed=3)))

    assert (len(exam.slices), exam.series.rejected) == (12, ())
    assert exam.warnings == ("6 slices lie at the position of another one.",)


@pytest.mark.parametrize("tag", ["AcquisitionNumber", "AcquisitionTime"])
def test_parts_of_one_pass_are_all_kept(tag):
    parts = [*a_pass(slices=3, **{tag: "10"}), *a_pass(slices=3, first=3, **{tag: "11"})]

    assert len(read_exam(files(*parts)).slices) == 6


def test_two_acquisitions_that_interleave_are_one_pass():
    parts = [a_dicom(stored=a_picture(seed=i), z_mm=-5.0 * i, AcquisitionNumber=i % 2) for i in range(8)]

    assert len(read_exam(files(*parts)).slices) == 8


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"height": 20}, "the same range in another size"),
        ({"PixelSpacing": [0.5, 0.5]}, "the same range with other pixel spacing"),
        ({"ConvolutionKernel": "B30f"}, "the same range with another kernel"),
        ({"SliceThickness": 8}, "the same range in another thickness"),
    ],
)
def test_of_two_reconstructions_in_one_series_the_better_is_taken(tags, why):
    lung = {"ConvolutionKernel": "B70f"}
    for sent in in_both_directions([*a_pass(**{**lung, **tags}), *a_pass(slices=7, **lung)]):
        exam = read_exam(sent)

        assert len(exam.slices) == 7
        assert exam.series.rejected == (RejectedSeries("series 1", SLICES, why),)


@pytest.mark.parametrize("tags", [{"height": 20}, {"PixelSpacing": [0.5, 0.5]}])
def test_parts_of_another_size_that_lie_elsewhere_are_kept_and_said(tags):
    for sent in in_both_directions([*a_pass(), *a_pass(first=SLICES, **tags)]):
        exam = read_exam(sent)

        assert [s.z_mm for s in exam.slices] == [-5.0 * i for i in range(12)]
        assert exam.warnings == ("The slices of the series differ in size or pixel spacing; all of them were kept.",)


def test_where_positions_begin_anew_and_show_something_else_nothing_is_left_out():
    upper = a_pass(AcquisitionNumber=1)
    lower = upside_down(AcquisitionNumber=2)
    parts = [NamedFile(f"{n:02}", part) for n, part in enumerate([*upper, *lower])]
    for sent in (parts, parts[::-1]):
        exam = read_exam(sent)

        assert [sent[s.file_number - 1].name for s in exam.slices] == [f"{n:02}" for n in range(12)]
        assert exam.order is Order.FILE_NAME
        assert exam.warnings[0] == "Slice positions begin anew within the series: they were not used."
        assert "missing slices cannot be noticed" in exam.warnings[1]


def test_positions_that_are_all_alike_make_no_passes():
    parts = [a_dicom(z_mm=0.0, InstanceNumber=n) for n in (3, 1, 2)]

    assert len(read_exam(files(*parts)).slices) == 3


def test_a_place_where_two_parts_of_a_pass_meet_is_no_second_pass():
    parts = [*a_pass(slices=12, AcquisitionNumber=1), *a_pass(slices=12, first=11, AcquisitionNumber=2)]
    exam = read_exam(files(*parts))

    assert (len(exam.slices), exam.series.rejected) == (24, ())
    assert exam.warnings == ("1 slice lies at the position of another one.",)


def test_of_two_passes_whose_parts_meet_one_is_taken_whole():
    parts = [part for n in range(4) for part in a_pass(slices=12, first=11 * (n % 2), AcquisitionNumber=n)]
    exam = read_exam(files(*parts))

    assert (len(exam.slices), exam.series.rejected[0].slices) == (24, 24)


def test_parts_that_each_overlap_the_next_are_one_pass():
    places = [3 * part + i for part in range(4) for i in range(4)]
    parts = [a_dicom(stored=a_picture(seed=k), z_mm=-5.0 * k, InstanceNumber=n) for n, k in enumerate(places)]

    assert len(read_exam(files(*parts)).slices) == 16


def test_one_slice_that_was_scanned_again_is_no_pass():
    parts = [a_dicom(stored=a_picture(seed=n), z_mm=-5.0 * (n % 12), InstanceNumber=n) for n in range(13)]
    exam = read_exam(files(*parts))

    assert (len(exam.slices), exam.series.rejected) == (13, ())


def test_what_tells_only_some_passes_apart_tells_none():
    parts = [*a_pass(AcquisitionNumber=1), *a_pass(seed=3, AcquisitionNumber=1), *a_pass(seed=6, AcquisitionNumber=2)]

    assert len(read_exam(files(*parts)).slices) == 18


def test_without_all_positions_no_pass_is_told_apart():
    parts = [*a_pass(AcquisitionNumber=1), *a_pass(AcquisitionNumber=2), a_dicom(z_mm=None, AcquisitionNumber=2)]

    assert len(read_exam(files(*parts)).slices) == 13


def test_a_pass_that_goes_further_completes_the_one_that_is_taken():
    parts = [*a_pass(slices=41, AcquisitionNumber=1), *a_pass(slices=35, first=20, AcquisitionNumber=2)]
    exam = read_exam(files(*parts))

    assert [s.z_mm for s in exam.slices] == [-5.0 * i for i in range(55)]
    assert exam.series.rejected == (RejectedSeries("series 1", 21, "second pass of the same range"),)
    assert exam.warnings[0].startswith("14 slices of another pass or reconstruction were kept")


def test_a_pass_fills_the_gap_of_the_one_that_is_taken():
    holed = [part for n, part in enumerate(a_pass(slices=30, AcquisitionNumber=1)) if not 10 < n < 15]
    exam = read_exam(files(*holed, *a_pass(slices=10, first=8, AcquisitionNumber=2)))

    assert [s.z_mm for s in exam.slices] == [-5.0 * i for i in range(30)]


@pytest.mark.parametrize(("whole", "part"), [("B30f", "B70f"), ("I70f", "B70f")])
def test_a_part_with_a_sharp_kernel_leaves_out_no_whole_pass(whole, part):
    exam = read_exam(
        files(
            *a_pass(slices=40, ConvolutionKernel=whole),
            *a_pass(slices=16, first=4, ConvolutionKernel=part),
        )
    )

    assert (exam.slices[0].z_mm, exam.slices[-1].z_mm) == (0.0, -195.0)


def shifted(*, by_mm: float, step_mm: float, slices: int, **tags: object) -> list[bytes]:
    """Slices from ``by_mm`` below 0 on."""
    places = [-by_mm - step_mm * i for i in range(slices)]
    return [a_dicom(stored=a_picture(seed=n), z_mm=z, SliceThickness=step_mm, **tags) for n, z in enumerate(places)]


@pytest.mark.parametrize(
    ("tags", "step_mm", "kept"),
    [({"ConvolutionKernel": "B30f"}, 5.0, 60), ({"ConvolutionKernel": "B30f"}, 1.0, 60), ({}, 5.0, 60)],
)
def test_a_reconstruction_between_the_places_of_another_one_is_left_out_and_said(tags, step_mm, kept):
    sharp = shifted(by_mm=0, step_mm=1.0, slices=60, ConvolutionKernel="B70f")
    other = shifted(by_mm=0.5, step_mm=step_mm, slices=int(60 / step_mm), **{"ConvolutionKernel": "B70f", **tags})
    for sent in in_both_directions([*sharp, *other]):
        exam = read_exam(sent)

        assert len(exam.slices) == kept
        assert exam.series.rejected[0].slices == len(other)


def test_a_second_pass_between_the_places_of_the_first_is_left_out_and_said():
    first = shifted(by_mm=0, step_mm=5.0, slices=12, AcquisitionNumber=1)
    exam = read_exam(files(*first, *shifted(by_mm=2.5, step_mm=5.0, slices=12, AcquisitionNumber=2)))

    assert (len(exam.slices), exam.series.rejected[0].why) == (12, "second pass of the same range")


def a_real_slice(file: Path, **tags: object) -> bytes:
    data_set, content = pydicom.dcmread(file), BytesIO()
    for keyword, value in tags.items():
        setattr(data_set, keyword, value)
    data_set.save_as(content)
    return content.getvalue()


def position_of(file: Path) -> list[float]:
    return list(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient)


@pytest.mark.parametrize("breath", [0, 2])
def test_a_second_pass_of_a_real_exam_is_noticed_though_the_patient_breathed(breath):
    every = sorted((shared_data() / "exams" / "P002").iterdir())
    first = [a_real_slice(file, AcquisitionNumber=1) for file in every[: -breath or None : 8]]
    second = [
        a_real_slice(seen, AcquisitionNumber=2, ImagePositionPatient=position_of(at))
        for at, seen in zip(every[: -breath or None : 8], every[breath::8], strict=True)
    ]
    exam = read_exam(files(*second, *first))

    assert exam.series.rejected == (RejectedSeries("series 1", len(second), "second pass of the same range"),)


def test_two_halves_of_a_real_exam_whose_positions_begin_anew_are_no_two_passes():
    every = sorted((shared_data() / "exams" / "P002").iterdir())[:128:8]
    lower = [
        a_real_slice(seen, AcquisitionNumber=2, ImagePositionPatient=position_of(at))
        for at, seen in zip(every[:8], every[8:], strict=True)
    ]
    exam = read_exam(files(*lower, *(a_real_slice(file, AcquisitionNumber=1) for file in every[:8])))

    assert [s.instance_number for s in exam.slices] == list(range(1, 128, 8))
    assert exam.series.rejected == ()


def test_passes_that_meet_the_longest_one_nowhere_keep_their_places():
    first, longest, last = (
        a_pass(slices=60, AcquisitionNumber=1),
        a_pass(slices=55, first=28, AcquisitionNumber=2),
        a_pass(slices=30, first=62, AcquisitionNumber=3),
    )
    for sent in in_both_directions([*first, *longest, *last]):
        exam = read_exam(sent)

        assert exam.order is Order.POSITION
        assert [s.z_mm for s in exam.slices] == [-5.0 * i for i in range(92)]


def test_a_pass_that_meets_no_longer_one_keeps_its_places_too():
    ranges = [(0, 60), (30, 50), (54, 40), (73, 55)]
    passes = [a_pass(first=first, slices=n, AcquisitionNumber=k) for k, (first, n) in enumerate(ranges, start=1)]
    for sent in in_both_directions([one for slices in passes for one in slices]):
        exam = read_exam(sent)

        assert exam.order is Order.POSITION
        assert [s.z_mm for s in exam.slices] == [-5.0 * i for i in range(128)]


def test_a_pass_that_meets_only_another_one_and_shows_something_else_leaves_nothing_out():
    first, longest = a_pass(slices=60, AcquisitionNumber=1), a_pass(slices=55, first=28, AcquisitionNumber=2)
    # The table was set to zero anew: the same places, something else to be seen.
    other = upside_down(slices=92, AcquisitionNumber=3)[62:]
    for sent in in_both_directions([*first, *longest, *other]):
        exam = read_exam(sent)

        assert len(exam.slices) == len(sent)
        assert any("begin anew" in warning for warning in exam.warnings)


@pytest.mark.parametrize("order", [1, -1])
def test_of_reconstructions_alike_the_larger_is_taken(order):
    large = [a_dicom(stored=np.kron(a_picture(seed=k), np.ones((2, 2), np.uint8)), z_mm=-5.0 * k) for k in range(6)]
    small = [a_dicom(stored=a_picture(seed=k), z_mm=-5.0 * k) for k in range(6)]

    exam = read_exam(files(*(large + small)[::order]))

    assert {one.gray.shape for one in exam.slices} == {(32, 24)}
    assert len(exam.slices) == 6
