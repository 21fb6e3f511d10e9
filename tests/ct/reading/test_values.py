from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from pydicom.dataset import Dataset
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

from app.ct.errors import Unreadable, UnsupportedEncoding
from app.ct.phantom import phantom
from app.ct.reading import read_exam
from app.ct.reading.pixels import Picture
from app.ct.windowing import LUNG
from app.ct.workers import Item, OnTheSpot, Result
from tests.builders import a_dicom, a_gray, a_picture, files, rewritten

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


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0]])
def test_hounsfield_units_are_kept_upright_and_rounded(tmp_path, orientation):
    content = a_dicom(stored=STORED, RescaleSlope=0.5, ImageOrientationPatient=orientation)

    (one,) = read_exam(files(content), values_in=tmp_path).slices

    hu = np.load(one.values)
    assert (hu.dtype, hu.min()) == (np.dtype("i2"), max(-1024, round(STORED.min() / 2) - 1024))
    assert np.abs(LUNG.gray(hu).astype(int) - one.gray).max() <= 1


def test_units_are_kept_as_they_were_judged_to_be(tmp_path):
    chest = phantom(slices=9, lesions="none", size=64, seed=2)
    slices = [a_dicom(stored=hu + 1024, z_mm=-5.0 * k, RescaleIntercept=0) for k, hu in enumerate(chest.hu)]

    exam = read_exam(files(*slices), values_in=tmp_path)

    assert "missing or wrong" in exam.warnings[0]
    assert all(np.array_equal(np.load(one.values), hu) for one, hu in zip(exam.slices, chest.hu, strict=True))


def test_where_units_cannot_be_kept_no_file_is_blamed(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_exam(files(a_dicom(stored=STORED)), values_in=tmp_path / "gone")


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


def test_a_range_of_padding_values_is_air():
    stored = STORED.copy()
    stored[0], stored[1] = -3000, -2500
    padded = gray(stored=stored, RescaleIntercept=0, PixelPaddingValue=-3000, PixelPaddingRangeLimit=-2001)

    assert (padded[:2] == a_gray(np.array(-1024), intercept=0)).all()


def a_circle() -> np.ndarray:
    """Noise of soft tissue in a circle, HU, and 0 around it."""
    noise = np.random.default_rng(0).integers(20, 60, (64, 64), dtype=np.int16)
    y, x = np.ogrid[-31.5:32, -31.5:32]
    return np.where(x * x + y * y <= 32**2, noise, 0).astype(np.int16)


def test_corners_filled_with_zero_are_air_though_nothing_says_so():
    seen = gray(stored=a_circle(), RescaleIntercept=0)

    assert (seen[[0, 0, -1, -1], [0, -1, 0, -1]] == a_gray(np.array(-1024), intercept=0)).all()
    assert seen[32, 32] == a_gray(a_circle(), intercept=0)[32, 32]


@pytest.mark.parametrize("value", [40, -1000])
def test_a_slice_of_one_value_and_corners_of_air_are_what_they_are(value):
    one_value, corners = np.full((64, 64), value, np.int16), a_circle()
    corners[corners == 0] = -1000

    assert np.array_equal(gray(stored=one_value, RescaleIntercept=0), a_gray(one_value, intercept=0))
    assert np.array_equal(gray(stored=corners, RescaleIntercept=0), a_gray(corners, intercept=0))


def test_corners_of_which_one_differs_are_what_they_are():
    stored = a_circle()
    stored[-1, -1] = 35

    assert np.array_equal(gray(stored=stored, RescaleIntercept=0), a_gray(stored, intercept=0))


def test_bits_above_those_stored_are_of_no_value():
    overlaid = UNSIGNED | 0x8000

    assert np.array_equal(gray(stored=overlaid, BitsStored=12, HighBit=11), a_gray(UNSIGNED))


def test_a_sign_below_the_bits_allocated_is_one():
    hu = STORED - 1024
    twelve = (hu & 0x0FFF).astype(np.uint16)
    seen = gray(stored=twelve, BitsStored=12, HighBit=11, PixelRepresentation=1, RescaleIntercept=0)

    assert np.array_equal(seen, a_gray(hu, intercept=0))


class _Liar(OnTheSpot):
    """Sends other units than those of the slice."""

    def __init__(self, units: np.ndarray) -> None:
        self._units = units

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 1
    ) -> Iterator[Result | Exception]:
        for found in super().map(work, items, at_once=at_once):
            is_decoded = isinstance(found, list) and isinstance(found[0][0], Picture)
            yield cast(Result, [(picture, self._units) for picture, _ in found]) if is_decoded else found


@pytest.mark.parametrize(
    "units", [np.zeros((16, 16), np.int16), np.zeros(STORED.shape, np.float64), np.zeros((*STORED.shape, 2), np.int16)]
)
def test_a_worker_cannot_have_anything_else_kept_than_the_units_of_the_slice(units: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="units"):
        read_exam(files(a_dicom(stored=STORED)), values_in=tmp_path, workers=_Liar(units))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stored", [UNSIGNED << 4, UNSIGNED])
def test_values_in_the_high_bits_are_brought_down_and_a_wrong_high_bit_shifts_nothing(stored):
    odd = stored | np.uint16(stored[0, 0] == UNSIGNED[0, 0])

    assert np.array_equal(gray(stored=odd, BitsStored=12, HighBit=15), a_gray(odd >> 4 if odd[0, 0] > 4095 else odd))


@pytest.mark.parametrize("slope", [0, "nan", "inf"])
def test_a_slope_that_is_none_is_refused(slope):
    with pytest.raises(Unreadable, match="rescale slope or intercept is no number"):
        gray(RescaleSlope=slope)


def test_letters_that_the_tags_tell_of_are_said():
    (warning,) = read_exam(files(a_dicom(BurnedInAnnotation="YES"), a_dicom(z_mm=-5, BurnedInAnnotation="NO"))).warnings

    assert warning.startswith("Letters are burnt into 1 slice")


def with_table(content: bytes) -> bytes:
    """With a table that turns the values into Hounsfield units."""
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4096, 0, 16], "HU"
    table.add_new("LUTData", "OW", np.arange(4096, dtype="<u2").tobytes())
    return rewritten(content, lambda data_set: data_set.update({"ModalityLUTSequence": [table]}))


@pytest.mark.parametrize("silent", ["RescaleSlope", "RescaleIntercept"])
def test_slices_whose_values_go_by_a_table_are_refused_and_named(silent):
    tabled = [with_table(a_dicom(stored=STORED + n, z_mm=-5.0 * n, without=[silent])) for n in (1, 2)]

    with pytest.raises(UnsupportedEncoding, match=r"Files 2-3 of 3 .*table .*export the slices with rescale"):
        read_exam(files(a_dicom(stored=STORED), *tabled))


def test_a_table_beside_a_rescale_is_passed_over_and_said():
    exam = read_exam(files(with_table(a_dicom(stored=STORED))))

    assert np.array_equal(exam.slices[0].gray, a_gray(STORED))
    assert [w for w in exam.warnings if "slope and intercept were used" in w]


def test_a_table_that_is_empty_or_of_a_slice_that_is_not_read_refuses_nothing():
    empty = rewritten(a_dicom(stored=STORED), lambda data_set: data_set.update({"ModalityLUTSequence": []}))
    other = with_table(a_dicom(stored=STORED, without=["RescaleSlope"], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))

    assert not any("table" in w for w in read_exam(files(empty, other)).warnings)
