import contextlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    LegacyConvertedEnhancedCTImageStorage,
    RLELossless,
)

from app.ct.errors import ExamError, NoUsableSeries, TooLarge, Unreadable
from app.ct.exam import Exam, Order, RejectedSeries
from app.ct.reading import NamedFile, read_exam
from app.ct.reading.frames import MAX_ITEMS
from tests.builders import a_dicom, a_dicom_exam, a_gray, a_picture, an_enhanced_dicom, files, shared_data

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
]
STORED = [a_picture(height=64, width=48, seed=i).astype(np.uint16) * 6 for i in range(3)]


def without_offsets(content: bytes, *, frames: int) -> bytes:
    """The basic offset table emptied: frames must be found by counting."""
    table = b"\xfe\xff\x00\xe0" + (4 * frames).to_bytes(4, "little")
    at = content.index(table)
    return content[:at] + b"\xfe\xff\x00\xe0\0\0\0\0" + content[at + len(table) + 4 * frames :]


def an_item(**tags: object) -> Dataset:
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return item


def same(one: Exam, other: Exam) -> bool:
    return [s.z_mm for s in one.slices] == [s.z_mm for s in other.slices] and all(
        np.array_equal(a.gray, b.gray) for a, b in zip(one.slices, other.slices, strict=True)
    )


@pytest.mark.parametrize(
    "sop_class", [EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage, UID("1.2.840.10008.5.1.4.1.1.2")]
)
def test_a_multi_frame_file_is_the_same_exam_as_its_single_frames(sop_class):
    exam = read_exam(files(an_enhanced_dicom(sop_class=sop_class)))

    assert same(exam, read_exam(files(*a_dicom_exam())))
    assert (exam.order, exam.warnings, exam.files) == (Order.POSITION, (), 1)
    assert [s.instance_number for s in exam.slices] == [1, 2, 3, 4]
    assert {(s.pixel_spacing_mm, s.file_number) for s in exam.slices} == {((0.7, 0.8), 1)}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_coding_of_several_frames_is_read(syntax):
    slices = read_exam(files(an_enhanced_dicom(stored=STORED, syntax=syntax))).slices

    assert all(np.array_equal(s.gray, a_gray(stored)) for s, stored in zip(slices, STORED, strict=True))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_frames_are_found_without_an_offset_table(syntax):
    whole = an_enhanced_dicom(stored=STORED, syntax=syntax)

    assert same(read_exam(files(without_offsets(whole, frames=3))), read_exam(files(whole)))


def test_frames_are_ordered_by_position_whatever_their_order_in_the_file():
    exam = read_exam(files(an_enhanced_dicom(stored=STORED, z_mm=[-10, 0, -5])))

    assert [s.z_mm for s in exam.slices] == [0, -5, -10]
    assert np.array_equal(exam.slices[0].gray, a_gray(STORED[1]))


def test_an_exam_split_over_two_multi_frame_files_is_one():
    parts = [an_enhanced_dicom(stored=STORED, z_mm=[-5.0 * i - start for i in range(3)]) for start in (15, 0)]

    assert [s.z_mm for s in read_exam(files(*parts)).slices] == [0, -5, -10, -15, -20, -25]


def test_a_frame_may_have_its_own_rescale_and_type():
    shared = an_item(PlaneOrientationSequence=[an_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    frames = [
        an_item(
            PlanePositionSequence=[an_item(ImagePositionPatient=[0, 0, -i])],
            PixelValueTransformationSequence=[an_item(RescaleSlope=1, RescaleIntercept=-1000 - i)],
            CTImageFrameTypeSequence=[an_item(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER" if i == 2 else "AXIAL"])],
        )
        for i in range(3)
    ]
    tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    exam = read_exam(files(an_enhanced_dicom(stored=STORED, **tags)))

    assert [np.array_equal(s.gray, a_gray(STORED[i], intercept=-1000 - i)) for i, s in enumerate(exam.slices)] == [
        True
    ] * 2
    assert exam.series.rejected == (RejectedSeries("series 1", 1, "localizer"),)


def test_what_a_conversion_left_over_is_read():
    kernel = [an_item(ConvolutionKernel="B70f", Rows=9)]
    shared = an_item(UnassignedSharedConvertedAttributesSequence=kernel)
    shared.PlaneOrientationSequence = [an_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    sharp = an_enhanced_dicom(SharedFunctionalGroupsSequence=[shared], SeriesInstanceUID="1.2.9", SeriesNumber=2)
    exam = read_exam(files(an_enhanced_dicom(SeriesNumber=1), sharp))

    assert (exam.series.chosen, exam.series.why) == ("series 2", "lung kernel")


def test_the_same_multi_frame_file_twice_is_one_exam():
    twice = an_enhanced_dicom(SOPInstanceUID="1.2.5")
    exam = read_exam(files(twice, twice))

    assert len(exam.slices) == 4
    assert exam.warnings == ("1 file that is a copy of another slice was left out.",)


@pytest.mark.parametrize("missing", ["PlanePositionSequence", "PlaneOrientationSequence"])
def test_frames_without_a_place_are_refused(missing):
    with pytest.raises(Unreadable, match=r"File 1 of 1 .*does not say where each of its pictures lies"):
        read_exam(files(an_enhanced_dicom(without=[missing])))


@pytest.mark.parametrize(
    "tags", [{"NumberOfFrames": 3}, {"NumberOfFrames": -1}, {"PerFrameFunctionalGroupsSequence": []}]
)
def test_frames_that_are_not_described_one_by_one_are_refused(tags):
    with pytest.raises(Unreadable, match="does not describe each of its pictures"):
        read_exam(files(an_enhanced_dicom(**tags)))


def test_several_frames_in_a_plain_file_without_groups_are_left_out_and_said():
    several = a_dicom(stored=np.stack(STORED), Rows=64, Columns=48, NumberOfFrames=3)
    (left_out,) = read_exam(files(*a_dicom_exam(), several)).series.rejected

    assert (left_out.slices, left_out.why) == (1, "several pictures in one file that are not described one by one")
    with pytest.raises(NoUsableSeries, match="not described one by one"):
        read_exam(files(several))


@pytest.mark.parametrize("frames", [4097, 10**9])
def test_absurdly_many_frames_are_refused_before_anything_is_made_of_them(frames):
    with pytest.raises(TooLarge, match=r"File 1 .*more than 4096 pictures"):
        read_exam(files(an_enhanced_dicom(NumberOfFrames=frames)))


def test_absurdly_many_items_are_refused_before_they_are_read():
    bomb = an_enhanced_dicom() + b"\xfe\xff\x00\xe0\0\0\0\0" * (MAX_ITEMS + 1)
    tracemalloc.start()
    with pytest.raises(Unreadable, match="absurdly many"):
        read_exam(files(bomb))

    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_raw_frames_are_read_one_by_one(tmp_path: Path):
    stored = [np.full((512, 512), 100 * i, np.uint16) for i in range(40)]
    path = tmp_path / "a"
    path.write_bytes(an_enhanced_dicom(stored=stored))
    tracemalloc.start()
    read_exam([NamedFile("a", path)])

    # The pictures themselves are 10 MB, the file is 20.
    assert tracemalloc.get_traced_memory()[1] < 18 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5, 0.9, 0.99])
def test_a_multi_frame_file_cut_off_anywhere_is_refused(syntax, share):
    whole = an_enhanced_dicom(syntax=syntax)

    with pytest.raises(Unreadable):
        read_exam(files(whole[: int(len(whole) * share)]))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_anywhere_in_a_multi_frame_file_is_at_most_an_exam_error(choices):
    content = bytearray(choices.draw(st.sampled_from(FUZZED)))
    for at in choices.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[at] = choices.draw(st.integers(0, 255))
    with contextlib.suppress(ExamError):
        assert read_exam(files(bytes(content))).slices


FUZZED = [
    an_enhanced_dicom(),
    an_enhanced_dicom(syntax=RLELossless),
    an_enhanced_dicom(syntax=ImplicitVRLittleEndian, sop_class=LegacyConvertedEnhancedCTImageStorage),
]


def test_a_perfusion_map_is_refused_for_what_it_is():
    with pytest.raises(NoUsableSeries, match="2 x computed map"):
        read_exam([NamedFile("a", shared_data() / "oddities" / "enhanced_multiframe_2f_perfusion.dcm")])
