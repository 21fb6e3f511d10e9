import contextlib
import struct
import tracemalloc
from collections.abc import Collection, Sequence
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
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
from app.ct.reading.files import Damaged
from app.ct.reading.fragments import pictures_in, stored_in
from app.ct.reading.frames import MAX_ITEMS
from app.ct.reading.headers import MAX_WHOLE_BYTES
from tests.builders import a_dicom, a_dicom_exam, a_gray, a_picture, an_enhanced_dicom, files, rewritten, shared_data

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


def a_part(part: int | None, *, of: int | None, **tags: object) -> bytes:
    """One file of a concatenation, four slices long."""
    told = {"ConcatenationUID": "1.2.8", "InConcatenationNumber": part, "InConcatenationTotalNumber": of, **tags}
    places = [-20.0 * (part or 0) - 5 * i for i in range(4)]
    return an_enhanced_dicom(z_mm=places, **{k: v for k, v in told.items() if v is not None})


def test_all_parts_of_a_concatenation_are_one_exam():
    exam = read_exam(files(*[a_part(n, of=3) for n in (2, 3, 1)]))

    assert (len(exam.slices), exam.warnings) == (12, ())


@pytest.mark.parametrize(("sent", "of", "missing"), [([1], 2, 1), ([2, 3], 3, 1), ([1, 5], 5, 3), ([1, 3], None, 1)])
def test_an_exam_of_which_a_part_of_a_concatenation_is_missing_is_refused(sent, of, missing):
    with pytest.raises(Unreadable, match=rf"{missing} of them did not come along: send all"):
        read_exam(files(*[a_part(n, of=of) for n in sent]))


def test_that_the_last_parts_of_a_concatenation_may_be_missing_is_said_where_their_number_is_not():
    (warning,) = read_exam(files(*[a_part(n, of=None) for n in (1, 2)])).warnings

    assert "cannot be noticed" in warning


def test_a_part_without_slices_of_the_series_and_one_without_a_number_came_along_too():
    localizer = [an_item(CTImageFrameTypeSequence=[an_item(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER"])])]
    localizer[0].PlaneOrientationSequence = [an_item(ImageOrientationPatient=[1, 0, 0, 0, 0, -1])]
    parts = [a_part(1, of=3), a_part(2, of=3, SharedFunctionalGroupsSequence=localizer), a_part(None, of=3)]

    assert len(read_exam(files(*parts)).slices) == 8


def test_a_part_that_is_missing_of_what_is_not_read_refuses_nothing():
    other = a_part(1, of=2, SeriesInstanceUID="1.2.3.1.9")

    assert len(read_exam(files(*a_dicom_exam(slices=10), other)).slices) == 10


def test_slices_that_were_taken_out_of_a_part_are_no_parts():
    told = an_item(ConcatenationUID="1.2.8", InConcatenationNumber=1, InConcatenationTotalNumber=2)
    exam = read_exam(files(*[rewritten(one, lambda data_set: data_set.update(told)) for one in a_dicom_exam()]))

    assert (len(exam.slices), exam.warnings) == (4, ())


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


PLACES = ["PlanePositionSequence", "PlaneOrientationSequence"]
RENDERED = ["DERIVED", "SECONDARY", "VOLUME", "VOLUME_RENDER"]


def of_types(
    *types: Sequence[str], without: Sequence[str] = (), unplaced: Collection[int] = (), **tags: object
) -> bytes:
    """A multi-frame file with a picture of each type, in a series of its own; the ``unplaced`` ones lie nowhere."""

    def tell(data_set: FileDataset) -> None:
        for index, (item, name) in enumerate(zip(data_set.PerFrameFunctionalGroupsSequence, types, strict=True)):
            item.CTImageFrameTypeSequence = [an_item(FrameType=list(name))]
            if index in unplaced:
                del item.PlanePositionSequence

    stored = [STORED[0]] * len(types)
    content = an_enhanced_dicom(stored=stored, without=without, **{"SeriesInstanceUID": "1.2.3.1.9", **tags})
    return rewritten(content, tell)


@pytest.mark.parametrize("without", [PLACES, PLACES[:1]])
def test_rendered_pictures_of_no_place_are_left_out_and_said(without):
    exam = read_exam(files(*a_dicom_exam(), of_types(RENDERED, RENDERED, without=without)))

    assert (len(exam.slices), exam.warnings) == (4, ())
    assert exam.series.rejected == (RejectedSeries("series 2", 2, "computed, without a place in the patient"),)


def test_a_rendered_picture_of_no_place_may_lie_beside_slices_in_one_file():
    exam = read_exam(files(of_types(*[["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]] * 3, RENDERED, unplaced=[3])))

    assert [len(exam.slices), *(r.slices for r in exam.series.rejected)] == [3, 1]


@pytest.mark.parametrize("kind", [["DERIVED", "PRIMARY", "VOLUME", "NONE"], ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]])
def test_one_picture_of_no_place_among_others_of_its_type_is_damage(kind):
    with pytest.raises(Unreadable, match="does not say where each of its pictures lies"):
        read_exam(files(of_types(*[kind] * 4, unplaced=[1])))


@pytest.mark.parametrize("groups", [{}, {"PerFrameFunctionalGroupsSequence": None}])
@pytest.mark.parametrize(
    ("sop_class", "why"),
    [("1.2.840.10008.5.1.4.1.1.7.3", "secondary capture"), ("1.2.840.10008.5.1.4.1.1.4.1", "not CT")],
)
def test_a_multi_frame_file_of_another_class_need_not_say_where_its_pictures_lie(sop_class, why, groups):
    capture = an_enhanced_dicom(sop_class=UID(sop_class), without=PLACES, SeriesInstanceUID="1.2.3.1.9", **groups)
    exam = read_exam(files(*a_dicom_exam(), capture))

    assert exam.series.rejected == (RejectedSeries("series 2", 1, why),)


@pytest.mark.parametrize(("frames", "refused"), [(1, True), (300, False)])
def test_a_file_that_is_too_large_to_be_read_whole_is_refused_if_it_would_be(tmp_path, frames, refused):
    path = tmp_path / "a"
    path.write_bytes(an_enhanced_dicom(sop_class=UID("1.2.840.10008.5.1.4.1.1.7.3"), NumberOfFrames=frames))
    with path.open("ab") as opened:
        opened.truncate(MAX_WHOLE_BYTES + 1)

    with pytest.raises(TooLarge, match=r"File 5 .*larger than 256 MB") if refused else contextlib.nullcontext():
        read_exam([*files(*a_dicom_exam()), NamedFile("a", path)])


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


class Searched(bytes):
    """Bytes of which it is counted how many are looked through."""

    seen = 0

    def find(self, what: bytes, start: int = 0) -> int:  # type: ignore[override]
        at = super().find(what, start)
        self.seen += (len(self) if at < 0 else at) - start
        return at


class Counted(NamedFile):
    """A file that counts the bytes that are read of it or searched in it."""

    def open(self) -> BinaryIO:
        content = self.content

        class Reading(BytesIO):
            def read(self, count: int | None = -1, /) -> bytes:
                piece = super().read(count)
                content.seen += len(piece)
                return piece

        return Reading(content)


@pytest.mark.parametrize("side", [16, 128])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("undefined", [False, True], ids=["sequences of a length", "sequences to an end"])
def test_a_file_of_many_pictures_is_read_a_few_times_whatever_parts_it_is_decoded_in(side, syntax, undefined):
    stored = [a_picture(height=side, width=side, seed=k).astype(np.uint16) * 6 for k in range(96)]
    whole = an_enhanced_dicom(stored=stored, syntax=syntax)
    if undefined:
        whole = with_undefined_lengths(whole)
    content = Searched(whole)

    exam = read_exam([Counted("a", content)])

    assert all(np.array_equal(s.gray, a_gray(one)) for s, one in zip(exam.slices, stored, strict=True))
    # The header's pass searches three times and reads once, the pixels' pass reads once.
    assert content.seen < 6 * len(content)


def test_a_deflated_file_of_many_pictures_is_inflated_for_its_headers_and_for_its_pixels(monkeypatch):
    whole = an_enhanced_dicom(stored=[a_picture(seed=k) for k in range(96)], syntax=DeflatedExplicitVRLittleEndian)
    inflated = []
    read = NamedFile.read
    monkeypatch.setattr(NamedFile, "read", lambda file: inflated.append(file) or read(file))

    assert len(read_exam(files(whole)).slices) == 96
    assert len(inflated) == 2


def with_undefined_lengths(content: bytes) -> bytes:
    """The same file with sequences that end with a delimiter, which can only be skipped by being parsed."""
    data_set, written = pydicom.dcmread(BytesIO(content)), BytesIO()
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        data_set[group].is_undefined_length = True
        for item in data_set[group].value:
            item.is_undefined_length_sequence_item = True
    data_set.save_as(written, enforce_file_format=True)
    return written.getvalue()


def test_only_the_pictures_that_are_wanted_are_read():
    """The others, such as localizers, may be what they want."""
    stored = [a_picture(height=128, width=128, seed=k).astype(np.uint16) * 6 for k in range(40)]
    names = [["ORIGINAL", "PRIMARY", "AXIAL" if k >= 36 else "LOCALIZER", "NONE"] for k in range(40)]

    def tell(data_set: FileDataset) -> None:
        for item, name in zip(data_set.PerFrameFunctionalGroupsSequence, names, strict=True):
            item.CTImageFrameTypeSequence = [an_item(FrameType=name)]

    content = Searched(rewritten(an_enhanced_dicom(stored=stored), tell))
    exam = read_exam([Counted("a", content)])

    assert [np.array_equal(s.gray, a_gray(one)) for s, one in zip(exam.slices, stored[36:], strict=True)] == [True] * 4
    assert content.seen < 1.5 * len(content)


def in_fragments(content: bytes, table: bytes, pictures: Sequence[Sequence[bytes]], **tags: object) -> bytes:
    """A file with the pictures of others, each cut into pieces."""
    items = [table, *(piece for pieces in pictures for piece in pieces)]
    pixels = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items)

    def put(data_set: FileDataset) -> None:
        data_set.PixelData = pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"
        for keyword, value in tags.items():
            setattr(data_set, keyword, value)

    return rewritten(content, put)


@pytest.mark.parametrize(
    ("told", "cuts"),
    # Of the extended table's pictures each is of one piece (PS3.3 C.7.6.3.1.8).
    [("by the extended table", 1), *((told, cuts) for told in ("by the basic table", "nowhere") for cuts in (1, 3))],
)
def test_pictures_of_several_pieces_are_found_wherever_it_is_told_where_they_lie(told, cuts):
    # The later ones are longer: the first one's length must not be taken for theirs.
    stored = [np.zeros((64, 48), np.uint16), STORED[1], np.tile(STORED[2][:, :8], 6), *STORED] * 12
    whole = an_enhanced_dicom(stored=stored, syntax=JPEG2000Lossless)
    streams = list(generate_frames(pydicom.dcmread(BytesIO(whole)).PixelData, number_of_frames=len(stored)))
    pictures = [
        [one[k * (len(one) // (2 * cuts)) * 2 : (k + 1) * (len(one) // (2 * cuts)) * 2] for k in range(cuts - 1)]
        + [one[(cuts - 1) * (len(one) // (2 * cuts)) * 2 :]]
        for one in streams
    ]
    lengths = [sum(len(piece) + 8 for piece in pieces) for pieces in pictures]
    offsets = [0, *accumulate(lengths)][:-1]
    table = struct.pack(f"<{len(offsets)}I", *offsets) if told == "by the basic table" else b""
    tags = {}
    if told == "by the extended table":
        tags["ExtendedOffsetTable"] = struct.pack(f"<{len(offsets)}Q", *offsets)
        tags["ExtendedOffsetTableLengths"] = struct.pack(f"<{len(offsets)}Q", *map(len, streams))
    exam = read_exam(files(in_fragments(whole, table, pictures, **tags)))

    assert all(np.array_equal(s.gray, a_gray(one)) for s, one in zip(exam.slices, stored, strict=True))


@pytest.mark.parametrize("pieces", [47, 49])
def test_more_or_fewer_pictures_than_are_described_are_refused_however_late_they_come(pieces):
    stored = [STORED[0]] * 48
    whole = an_enhanced_dicom(stored=stored, syntax=RLELossless)
    streams = list(generate_frames(pydicom.dcmread(BytesIO(whole)).PixelData, number_of_frames=48))

    with pytest.raises(Unreadable, match="not as many"):
        read_exam(files(in_fragments(whole, b"", [[one] for one in (streams * 2)[:pieces]])))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_pictures_are_found_as_pydicom_finds_them(choices):
    ends = st.sampled_from([b"", b"\xff\xd9", b"\xff\xd9\0"])
    pieces = choices.draw(
        st.lists(st.builds(bytes.__add__, st.binary(max_size=14), ends), min_size=1, max_size=8), "pieces"
    )
    frames = choices.draw(st.integers(1, 6), "frames")
    offsets = choices.draw(st.lists(st.integers(0, 80), max_size=5), "offsets")
    items = [struct.pack(f"<{len(offsets)}I", *offsets), *pieces]
    content = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items)
    content += b"\xfe\xff\xdd\xe0\0\0\0\0"
    opened = BytesIO(content)
    try:
        found = [stored_in(opened, spans) for spans in pictures_in(opened, frames=frames, extended=None)]
    except Damaged:
        found = None
    try:
        expected = list(generate_frames(content, number_of_frames=frames))
    except ValueError:
        expected = None

    assert found == (expected if expected is None or len(expected) == frames else None)


@pytest.mark.parametrize("slope", ["0", "1\\2", "nan"])
def test_a_rescale_that_is_no_number_refuses_a_picture_of_several(slope):
    def spoil(data_set: FileDataset) -> None:
        groups = data_set.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
        groups.add_new("RescaleSlope", "LO", slope.split("\\"))

    with pytest.raises(Unreadable, match="rescale slope or intercept is no number"):
        read_exam(files(rewritten(an_enhanced_dicom(), spoil)))


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
