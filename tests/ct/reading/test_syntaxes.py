import base64
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSNearLossless,
)

from app.ct.errors import UnsupportedEncoding
from app.ct.reading import read_exam
from tests.builders import a_dicom, a_dicom_exam, a_gray, a_jpeg, a_lossless_stream, a_picture, files, rewritten

STORED = a_picture(height=64, width=64).astype(np.uint16) * 6
# uint16 (16, 12), 300 for each row and 20 for each column squared, as HTJ2K without loss.
RAMP = np.add.outer(np.arange(16) * 300, np.arange(12) ** 2 * 20).astype(np.uint16)
HTJ2K_RAMP = base64.b85decode(
    "|4;u>04YEK0000C0000G00000000000000C0000G0000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0smY86Cj9?kdTm&kdTm&kdTmwh=~"
    "7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000wEzMClfVEbd+`MabN~Rr024p}69C5h0|#^fYV`w$bO68r6TkoyfMbvS0t<8iunMaH!&Csk0"
    "2Z_W0aTyQ&ySvZe)7pDpXjOQ0DtIU0QtB8L?w!-z$rkCwgA8YF4_PAXaMIt&pGFuIAPT2InQ&>IVVmSHG0nToO8~J6Gn}m^E~IAbK-<iqXh3+dET<"
    "~y=BN2Br(4LR$8%Q#fp{u03h~40qnT||Je"
)


def encapsulated(stream: bytes, syntax: UID, **tags: object) -> bytes:
    """A slice of 64 x 64 pixels whose coded data is ``stream``."""

    def put(data_set: FileDataset) -> None:
        data_set.PixelData = encapsulate([stream])
        data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
        data_set.file_meta.TransferSyntaxUID = syntax

    return rewritten(a_dicom(stored=STORED, **tags), put)


def gray(content: bytes) -> np.ndarray:
    return read_exam(files(content)).slices[0].gray


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K])
def test_high_throughput_jpeg_2000_is_read(syntax):
    coded = encapsulated(HTJ2K_RAMP, syntax, Rows=16, Columns=12)

    assert np.array_equal(gray(coded), a_gray(RAMP))


def test_both_processes_of_jpeg_lossless_are_read():
    assert np.array_equal(gray(encapsulated(a_lossless_stream(STORED), JPEGLossless)), a_gray(STORED))


def test_jpeg_baseline_of_eight_bits_is_read():
    picture = np.full((64, 64), 90, np.uint8)
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "RescaleSlope": 4}

    assert np.array_equal(gray(encapsulated(a_jpeg(picture), JPEGBaseline8Bit, **tags)), a_gray(picture * 4.0))


def test_jpeg_ls_may_lose_a_little():
    lossy = a_dicom(stored=STORED, syntax=JPEGLSNearLossless)

    assert np.abs(gray(lossy).astype(int) - a_gray(STORED)).max() <= 1


def test_files_that_no_decoder_takes_are_all_named_with_their_coding_in_words():
    read, unread = a_dicom_exam(slices=2), [encapsulated(b"x" * n, JPEGExtended12Bit) for n in (90, 92)]

    with pytest.raises(UnsupportedEncoding) as refused:
        read_exam(files(unread[0], *read, unread[1]))
    assert refused.value.message == (
        "Files 1, 4 of 4 (in the order sent): JPEG extended with 12 bits, which no decoder here takes."
    )


@pytest.mark.parametrize(
    ("syntax", "words"),
    [
        ("1.2.840.10008.1.2.4.102", "MPEG-4"),
        ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2"),
        ("1.2.840.113619.5.99", "maker's own"),
    ],
)
def test_other_codings_are_named_without_their_uid(syntax, words):
    with pytest.raises(UnsupportedEncoding, match=words) as refused:
        gray(encapsulated(b"x" * 90, UID(syntax)))
    assert syntax not in refused.value.message


def test_a_coding_newer_than_this_reader_is_refused_as_unknown():
    mpeg = encapsulated(b"x" * 90, UID("1.2.840.10008.1.2.4.102"))

    with pytest.raises(UnsupportedEncoding, match=r"File 1 .*: an unknown image coding"):
        gray(mpeg.replace(b"1.2.840.10008.1.2.4.102", b"1.2.840.10008.1.2.4.992"))


def test_pixels_that_lie_elsewhere_are_a_coding_too():
    def put(data_set: FileDataset) -> None:
        del data_set.PixelData
        data_set.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.94")

    with pytest.raises(UnsupportedEncoding, match="JPIP"):
        gray(rewritten(a_dicom(), put))


def test_a_slice_of_another_series_may_have_any_coding():
    other = encapsulated(b"x" * 90, JPEGExtended12Bit, SeriesInstanceUID="1.2.9", Modality="MR")

    assert len(read_exam(files(*a_dicom_exam(), other)).slices) == 4


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("meta", ["kept", "lost"])
def test_a_file_without_preamble_is_read(syntax, meta):
    whole = a_dicom(stored=STORED, syntax=syntax, StudyDescription="any")
    data_set = pydicom.dcmread(BytesIO(whole), stop_before_pixels=True)
    headless = whole[132:] if meta == "kept" else whole[144 + data_set.file_meta.FileMetaInformationGroupLength :]

    assert np.array_equal(gray(headless), a_gray(STORED))


def test_group_lengths_may_come_first():
    whole = a_dicom(stored=STORED)
    meta = 144 + pydicom.dcmread(BytesIO(whole)).file_meta.FileMetaInformationGroupLength

    assert np.array_equal(gray(b"\x08\x00\x00\x00UL\x04\x00\x99\x00\x00\x00" + whole[meta:]), a_gray(STORED))
