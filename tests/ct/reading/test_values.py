import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from app.ct.errors import UnsupportedEncoding
from app.ct.reading import read_exam
from tests.builders import a_dicom, a_gray, a_picture, files

STORED = a_picture(height=64, width=64).astype(np.int16) * 6
UNSIGNED = STORED.astype(np.uint16)


def gray(**tags: object) -> np.ndarray:
    return read_exam(files(a_dicom(**tags))).slices[0].gray


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
        JPEGLosslessSV1,
    ],
)
def test_lossless_syntaxes_give_the_same_slice(syntax):
    assert np.array_equal(gray(stored=UNSIGNED, syntax=syntax), a_gray(UNSIGNED))


def test_a_file_without_preamble_is_read():
    assert np.array_equal(gray(stored=STORED, preamble=None), a_gray(STORED))


def test_signed_values_are_read_as_signed():
    hu = STORED - 1024

    assert np.array_equal(gray(stored=hu, RescaleIntercept=0), a_gray(hu, intercept=0))


def test_a_slope_is_applied():
    assert np.array_equal(gray(stored=STORED, RescaleSlope=0.5), a_gray(STORED / 2))


def test_missing_rescale_is_taken_as_hounsfield_units_and_said():
    exam = read_exam(files(a_dicom(stored=STORED - 1024, without=["RescaleSlope", "RescaleIntercept"])))

    assert np.array_equal(exam.slices[0].gray, a_gray(STORED))
    assert any("no rescale" in w for w in exam.warnings)


@pytest.mark.parametrize("padding", [-2000, -2048])
def test_padding_below_air_becomes_air(padding):
    stored = STORED.copy()
    stored[0] = padding

    assert np.array_equal(gray(stored=stored)[0], a_gray(np.full(64, -1024), intercept=0))


def test_padding_among_tissue_values_is_air_only_where_it_touches_the_border():
    stored = np.full((16, 16), 40, dtype=np.int16)
    stored[:2] = 0
    stored[8, 8] = 0
    seen = gray(stored=stored, RescaleIntercept=0, PixelPaddingValue=0)

    assert (seen[:2] == a_gray(np.array(-1024), intercept=0)).all()
    assert seen[8, 8] == a_gray(np.array(0), intercept=0)


def test_unsigned_padding_of_signed_values_is_recognized():
    stored = STORED.copy()
    stored[0] = 5000 - 65536 % 65536
    padded = a_dicom(stored=stored, PixelPaddingValue=5000)

    assert (read_exam(files(padded)).slices[0].gray[0] == a_gray(np.array(-1024), intercept=0)).all()


def test_monochrome1_leaves_hounsfield_units_as_they_are():
    stored = np.pad(STORED, 2)

    assert np.array_equal(gray(stored=stored, PhotometricInterpretation="MONOCHROME1"), a_gray(stored))


def test_monochrome1_with_inverted_values_is_turned_back():
    stored = np.pad(UNSIGNED, 2)

    inverted = (stored.max() - stored).astype(np.uint16)
    assert np.array_equal(gray(stored=inverted, PhotometricInterpretation="MONOCHROME1"), a_gray(stored))


def test_twelve_bits_in_sixteen_are_read():
    assert np.array_equal(gray(stored=UNSIGNED, BitsStored=12, HighBit=11), a_gray(UNSIGNED))


def test_what_no_decoder_takes_is_refused_as_such():
    mpeg = a_dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")

    with pytest.raises(UnsupportedEncoding, match="File 1"):
        read_exam(files(mpeg))
