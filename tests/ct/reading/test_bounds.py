"""How much work and memory an upload may cost, whatever it says of itself."""

import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, RLELossless

from app.ct.errors import TooLarge, Unreadable, UnsupportedEncoding
from app.ct.reading import read_exam
from app.ct.reading.copies import without_same_pictures
from app.ct.reading.frames import MAX_ITEMS
from app.ct.reading.headers import read_headers
from app.ct.reading.kinds import Kind, KnownFile
from app.ct.reading.pixels import Picture
from app.ct.reading.scale import levels_of
from tests.builders import (
    a_dicom,
    a_dicom_exam,
    a_huge_png,
    a_jpeg,
    a_picture,
    a_png,
    an_enhanced_dicom,
    files,
    rewritten,
)
from tests.ct.reading.test_damage import deflated
from tests.ct.reading.test_syntaxes import encapsulated

MEGABYTE = 2**20
# Where the data set of ``a_dicom`` has its pixels: explicit, little endian.
PIXELS = b"\xe0\x7f\x10\x00OW"


@contextmanager
def at_most(megabytes: float) -> Iterator[None]:
    """Memory taken meanwhile, beyond what was taken before."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


def before_pixels(content: bytes, elements: bytes) -> bytes:
    at = content.index(PIXELS)
    return content[:at] + elements + content[at:]


def private(count: int, *, size: int = 0) -> bytes:
    """So many private elements of ``size`` bytes, each of its own tag."""
    tags = (struct.pack("<HH", 0x1001 + 2 * (n >> 15), 0x1000 + (n & 0x7FFF)) for n in range(count))
    return b"".join(tag + struct.pack("<2sH", b"SH", size) + bytes(size) for tag in tags)


def test_beside_a_damaged_slice_no_more_pixels_are_decoded_than_an_exam_may_hold():
    promising = rewritten(
        a_dicom(syntax=RLELossless), lambda data_set: data_set.update({"Rows": 6000, "Columns": 6000})
    )

    with pytest.raises(Unreadable, match=r"File 1 of 32 .*: empty\. Files 2-30 of 32 .*: damaged"):
        read_exam(files(b"", *[promising] * 31))


def test_beside_a_damaged_picture_no_more_pixels_are_decoded_than_an_exam_may_hold():
    with pytest.raises(Unreadable, match=r"File 1 of 32 .*: empty\. Files 2-30 of 32 .*: damaged"):
        read_exam(files(b"", *[a_huge_png(width=6000, height=6000)] * 31))


def test_beside_a_damaged_file_no_decoded_picture_is_kept():
    gray = np.zeros((1024, 1024), np.uint8)

    with at_most(10), pytest.raises(Unreadable, match="File 25 of 25"):
        read_exam(files(*[a_png(gray)] * 24, b""))
    slices = [a_dicom(stored=gray.astype(np.uint16), syntax=RLELossless, z_mm=n) for n in range(24)]
    with at_most(20), pytest.raises(Unreadable, match="File 25 of 25"):
        read_exam(files(*slices, b""))


def test_pictures_are_counted_over_all_files_before_they_are_described():
    one = an_enhanced_dicom(stored=[a_picture(height=4, width=4)] * 400)

    with pytest.raises(TooLarge, match=r"File 11 .*more than 4096 pictures"):
        read_exam(files(*[one] * 40))


def test_a_header_of_absurdly_many_elements_is_refused():
    content = before_pixels(a_dicom(), private(140_000))

    with at_most(4), pytest.raises(Unreadable, match="absurdly many"):
        read_exam(files(content))


def test_elements_that_nobody_asked_for_are_never_kept():
    content = before_pixels(a_dicom(), private(20_000))

    with at_most(3):
        assert len(read_exam(files(content)).slices) == 1


def test_a_sequence_of_absurdly_many_elements_is_refused():
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + private(140_000) + b"\xfe\xff\x0d\xe0\0\0\0\0"
    sequence = b"\x09\x10\x10\x10SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"

    with pytest.raises(Unreadable, match="absurdly many"):
        read_exam(files(before_pixels(a_dicom(), sequence)))


@pytest.mark.parametrize("keyword", ["ImageType", "ConvolutionKernel", "PhotometricInterpretation"])
def test_a_value_of_megabytes_is_refused_before_it_is_taken_apart(keyword):
    short = rewritten(a_dicom(), lambda data_set: data_set.add_new(keyword, "UT", "CANARY"))
    long = short.replace(b"UT\0\0\x06\0\0\0CANARY", b"UT\0\0" + struct.pack("<I", 4 * MEGABYTE) + b"\\" * 4 * MEGABYTE)

    with at_most(16), pytest.raises(Unreadable, match="absurdly long"):
        read_exam(files(long))


def test_a_value_of_megabytes_among_functional_groups_is_refused():
    def lengthen(data_set: FileDataset) -> None:
        shared = data_set.SharedFunctionalGroupsSequence[0]
        shared.CTImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", *["A"] * 4000]

    with pytest.raises(Unreadable, match="absurdly long"):
        read_exam(files(rewritten(an_enhanced_dicom(), lengthen)))


@pytest.mark.parametrize("keyword", ["ExtendedOffsetTable", "ExtendedOffsetTableLengths"])
def test_an_offset_table_of_megabytes_is_refused(keyword):
    tables = {"ExtendedOffsetTable": bytes(8), "ExtendedOffsetTableLengths": bytes(8), keyword: bytes(17 * MEGABYTE)}
    content = rewritten(an_enhanced_dicom(syntax=RLELossless), lambda data_set: data_set.update(tables))

    with at_most(40), pytest.raises(Unreadable, match="absurdly long"):
        read_exam(files(content))


def test_items_are_counted_after_inflating():
    bomb = a_dicom()[132:] + b"\xfe\xff\x00\xe0\0\0\0\0" * (MAX_ITEMS + 1)

    with at_most(40), pytest.raises(Unreadable, match="absurdly many"):
        read_exam(files(deflated(bomb)))


def test_a_position_that_lies_in_no_patient_is_none():
    placed = a_dicom_exam()
    absurd = rewritten(placed[1], lambda data_set: setattr(data_set, "ImagePositionPatient", [0, 0, 1.7e308]))
    unplaced = rewritten(placed[1], lambda data_set: delattr(data_set, "ImagePositionPatient"))

    with_absurd, without = (read_exam(files(placed[0], one, *placed[2:])) for one in (absurd, unplaced))
    assert [s.z_mm for s in with_absurd.slices] == [s.z_mm for s in without.slices]


@pytest.mark.parametrize("surplus", [1, 3])
def test_native_pixels_of_more_pictures_than_are_described_are_refused(surplus):
    pictures = [a_picture(seed=n) for n in range(4)]
    more = np.stack([p.astype(np.uint16) for p in [*pictures, *pictures[:surplus]]]).tobytes()

    with pytest.raises(Unreadable, match="not as many"):
        read_exam(files(an_enhanced_dicom(stored=pictures, PixelData=more)))


def test_native_pixels_of_fewer_pictures_than_are_described_are_refused():
    pictures = [a_picture(seed=n) for n in range(4)]
    fewer = np.stack([p.astype(np.uint16) for p in pictures[:3]]).tobytes()

    with pytest.raises(Unreadable, match="not as many"):
        read_exam(files(an_enhanced_dicom(stored=pictures, PixelData=fewer)))


def run_lengths(runs: bytes) -> bytes:
    """A slice of 16 x 12 pixels in one RLE segment for each of its two bytes, both of them ``runs``."""
    header = struct.pack("<16I", 2, 64, 64 + len(runs), *[0] * 13)

    def put(data_set: FileDataset) -> None:
        data_set.PixelData = encapsulate([header + runs + runs])
        data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
        data_set.file_meta.TransferSyntaxUID = RLELossless

    return rewritten(a_dicom(), put)


def test_runs_of_just_the_picture_are_read_whatever_pads_them():
    assert len(read_exam(files(run_lengths(b"\xc1\x01" * 3 + b"\0\0"))).slices) == 1


@pytest.mark.parametrize("runs", [b"\x81\0" * 100_000, b"\x80" * 100_000, b"\x7f" + b"\0" * 128, b"\x81\0" * 4])
def test_runs_of_more_than_the_picture_are_refused_before_they_are_inflated(runs):
    content = run_lengths(runs * 3)

    with at_most(6), pytest.raises(Unreadable, match="cannot be decoded"):
        read_exam(files(content))


def test_a_jpeg_of_absurdly_many_scans_is_refused_before_it_is_decoded():
    plain = a_jpeg(progressive=True)
    scan = plain[plain.index(b"\xff\xda") : -2]
    assert len(read_exam(files(plain)).slices) == 1

    with pytest.raises(UnsupportedEncoding, match="absurdly many scans"):
        read_exam(files(plain[:-2] + scan * 100 + plain[-2:]))


def test_a_progressive_jpeg_is_no_baseline_slice():
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": 16, "Columns": 12}

    assert len(read_exam(files(encapsulated(a_jpeg(), JPEGBaseline8Bit, **tags))).slices) == 1
    with pytest.raises(Unreadable, match="cannot be decoded"):
        read_exam(files(encapsulated(a_jpeg(progressive=True), JPEGBaseline8Bit, **tags)))


@pytest.mark.parametrize("rows", [15, 17])
def test_a_slice_of_another_size_than_its_header_says_is_refused(rows):
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": rows, "Columns": 12}

    with pytest.raises(Unreadable, match="cannot be decoded") as caught:
        read_exam(files(encapsulated(a_jpeg(), JPEGBaseline8Bit, **tags)))
    # The decoder, which would take memory for the stream's size, never saw it.
    assert "another size" in str(caught.value.__cause__.__cause__)


def test_a_slice_too_large_to_be_one_is_not_decoded_to_find_damage():
    promising = rewritten(
        a_dicom(syntax=RLELossless), lambda data_set: data_set.update({"Rows": 6400, "Columns": 6400})
    )

    with pytest.raises(Unreadable, match=r"^File 2 of 2 .*: empty\.$"):
        read_exam(files(promising, b""))


def test_slices_of_colors_are_no_frames_of_a_multi_frame_ct():
    colored = an_enhanced_dicom(SamplesPerPixel=3, PerFrameFunctionalGroupsSequence=[])

    assert len(read_exam(files(*a_dicom_exam(), colored)).slices) == 4


def test_a_sound_screenshot_or_film_beside_a_damaged_slice_is_not_called_damaged():
    gray = np.zeros((16, 12, 3), np.uint8)
    color = rewritten(
        a_dicom(Modality="OT", BitsAllocated=8, BitsStored=8, HighBit=7),
        lambda data_set: data_set.update(
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
        ),
    )
    color = rewritten(color, lambda data_set: data_set.update({"PixelData": gray.tobytes()}))
    film = rewritten(
        a_dicom(Modality="OT"),
        lambda data_set: data_set.update({"NumberOfFrames": 2, "PixelData": 2 * data_set.PixelData}),
    )

    with pytest.raises(Unreadable, match=r"^File 3 of 3 .*: empty\.$"):
        read_exam(files(color, film, b""))


class Uncompared(np.ndarray):
    """Gray levels that are never compared with others one by one."""

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        raise AssertionError("compared with another picture")

    __hash__ = None  # type: ignore[assignment]


def test_slices_of_one_identifier_are_each_looked_at_once():
    (header,) = read_headers(KnownFile(1, files(a_dicom(SOPInstanceUID="1.2.5"))[0], Kind.DICOM))
    levels = levels_of(np.zeros((16, 12), np.int16), None)
    slices = [
        (replace(header, number=n), Picture(a_picture(seed=n % 40).view(Uncompared), levels)) for n in range(1, 61)
    ]
    kept, said = without_same_pictures(slices)

    assert [h.number for h, _ in kept] == list(range(1, 41))
    assert said[0] == "20 slices that are copies of other slices were left out."


def test_what_follows_the_pixels_is_never_parsed():
    plain = a_dicom()
    more = plain[plain.index(PIXELS) :][:12] + bytes(2 * 16 * 12)

    after, before = (read_exam(files(content)).slices[0].gray for content in (plain + more, plain))
    assert np.array_equal(after, before)
