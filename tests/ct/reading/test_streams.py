import contextlib
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from app.ct.errors import Unreadable
from app.ct.reading import read_exam
from app.ct.reading.streams import bare_lossless, check_size
from tests.builders import a_dicom, a_jpeg, a_lossless_stream, a_picture, files

STORED = a_picture(height=64, width=48).astype(np.uint16) * 200
WHOLE = a_lossless_stream(STORED)


def bare(stream: bytes) -> bytes:
    return bare_lossless(stream, rows=64, columns=48)


def test_a_sound_stream_loses_only_its_comment():
    assert b"a comment" not in bare(WHOLE)
    assert bare(WHOLE + b"\0") == WHOLE.replace(b"\xff\xfe\x00\x0ba comment", b"")


@pytest.mark.parametrize(
    ("sound", "unsound"),
    [
        (b"\xff\xd8", b"\xff\xd9"),
        (b"\xff\xfe", b"\xfe\xfe"),
        (b"\xff\xfe", b"\xff\xc8"),
        (b"\xff\xfe", b"\xff\xdd"),
        (b"\xff\xc3\x00\x0b", b"\xff\xc3\x00\x01"),
        (b"\xff\xc3\x00\x0b", b"\xff\xc3\xff\xff"),
        (b"\xff\xc3\x00\x0b\x10\x00\x40\x00\x30", b"\xff\xc3\x00\x0b\x10\x40\x00\x40\x00"),
        (b"\xff\xc3\x00\x0b\x10", b"\xff\xc3\x00\x0b\x11"),
        (b"\x00\x30\x01\x01\x11", b"\x00\x30\x03\x01\x11"),
        (b"\x00\x30\x01\x01\x11", b"\x00\x30\x01\x02\x11"),
        (b"\xff\xc4\x00\x24\x00\x00", b"\xff\xc4\x00\x24\x10\x00"),
        (b"\xff\xc4\x00\x24\x00\x00", b"\xff\xc4\x00\x24\x00\x09"),
        (b"\x0f\x10\xff\xc3", b"\x0f\x11\xff\xc3"),
        (b"\xff\xda\x00\x08\x01\x01\x00\x01", b"\xff\xda\x00\x08\x01\x01\x20\x01"),
        (b"\xff\xda\x00\x08\x01\x01\x00\x01", b"\xff\xda\x00\x08\x01\x01\x00\x09"),
        (b"\xff\xc3", b"\xff\xc1"),
    ],
)
def test_a_stream_with_an_unsound_structure_never_reaches_the_decoder(sound, unsound):
    assert sound in WHOLE
    with pytest.raises(ValueError):  # noqa: PT011 - which part is unsound is not said
        bare(WHOLE.replace(sound, unsound, 1))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.99])
def test_a_stream_cut_off_anywhere_is_unsound(share):
    with pytest.raises(ValueError, match="start or end"):
        bare(WHOLE[: int(len(WHOLE) * share)])


def test_a_marker_inside_the_coded_data_is_unsound():
    with pytest.raises(ValueError, match="marker inside"):
        bare(WHOLE[:-40] + b"\xff\xc4" + WHOLE[-38:])


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_a_stream_of_another_size_than_the_headers_is_refused(syntax):
    shifted = a_dicom(stored=STORED, syntax=syntax).replace(b"US\x02\x00\x40\x00", b"US\x02\x00\x41\x00")

    with pytest.raises(Unreadable, match="pixels cannot be decoded"):
        read_exam(files(shifted))


def test_a_gray_jpeg_of_the_right_size_passes_and_a_colored_one_does_not():
    check_size(a_jpeg(), rows=16, columns=12)
    with pytest.raises(ValueError, match="another size"):
        check_size(a_jpeg(np.dstack([a_picture()] * 3)), rows=16, columns=12)


def test_a_jpeg_ls_stream_without_its_end_never_reaches_the_decoder():
    whole = a_dicom(stored=STORED, syntax=JPEGLSLossless)
    stream = get_frame(pydicom.dcmread(BytesIO(whole)).PixelData, 0, number_of_frames=1).rstrip(b"\0")

    check_size(stream, rows=64, columns=48)
    check_size(stream + b"\0", rows=64, columns=48)
    with pytest.raises(ValueError, match="end is missing"):
        check_size(stream[:-20], rows=64, columns=48)


@pytest.mark.parametrize("damage", [0x7F, 0x80, 0x81, 0xFF])
def test_damaged_run_lengths_never_end_the_process(damage):
    whole = a_dicom(stored=STORED, syntax=RLELossless)
    at = len(whole) - 600
    damaged = whole[:at] + bytes([damage]) * 400 + whole[at + 400 :]

    with contextlib.suppress(Unreadable):
        assert len(read_exam(files(damaged)).slices) == 1


def test_run_lengths_that_give_too_few_pixels_refuse_the_exam():
    whole = a_dicom(stored=STORED, syntax=RLELossless)

    with pytest.raises(Unreadable):
        read_exam(files(whole[:-600] + bytes([0x80]) * 592 + whole[-8:]))
