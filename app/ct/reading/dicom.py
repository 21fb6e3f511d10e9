"""DICOM files -> Exam."""

from collections.abc import Sequence
from dataclasses import dataclass

import gdcm
import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, JPEGLossless, JPEGLosslessSV1, RLELossless

from app.ct.errors import TooLarge, UnevenExam, UnsupportedEncoding
from app.ct.exam import Exam, InputKind, Slice
from app.ct.reading.files import Damaged, attempt, named, refuse
from app.ct.reading.geometry import is_transposed, upright
from app.ct.reading.headers import Header, read_header, read_whole
from app.ct.reading.images import MAX_EXAM_PIXELS, MAX_PIXELS
from app.ct.reading.kinds import KnownFile
from app.ct.reading.order import ordered
from app.ct.reading.series import check_pixels, choose
from app.ct.reading.values import Rescale, gray_of, rescale_of

# The decoder writes to stderr what it thinks of a file, which may quote its tags.
gdcm.Trace.WarningOff()
gdcm.Trace.ErrorOff()
# gdcm alone decodes JPEG lossless. For RLE pydicom's own decoder: pylibjpeg-rle ends in a panic on damaged data, which no
# ``except Exception`` catches.
_PLUGINS = {JPEGLossless: "gdcm", JPEGLosslessSV1: "gdcm", RLELossless: "pydicom"}
_NO_RESCALE = "Some slices have no rescale slope and intercept: their values were taken as Hounsfield units."
_NO_ORIENTATION = "Some slices do not say how they lie in the patient: they were taken as they are."


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded slice: uint8 (height, width) in the lung window, upright, and whether its values were rescaled."""

    gray: np.ndarray
    rescaled: bool


def read_dicom(files: Sequence[KnownFile], *, series_instance_uid: str | None, total: int) -> Exam:
    """Read the headers of all ``files``, choose a series, order it, decode it.

    Args:
        files: DICOM files and files of no known kind.
        series_instance_uid: the series to take, None for the best one.
        total: how many files the upload holds.

    Raises:
        ExamError: as ``read_exam``.
    """
    headers, damages = attempt(files, lambda f: check_pixels(read_header(f)))
    if damages:
        refuse(damages | attempt([h for h in headers if h.has_pixels], decode)[1], total=total)
    chosen = choose(headers, series_instance_uid=series_instance_uid)
    _check_sizes(chosen.headers, total)
    series = ordered(chosen.headers)
    pictures, damages = attempt(series.headers, decode)
    refuse(damages, total=total)
    warnings = (
        *chosen.warnings,
        *series.warnings,
        *(() if all(p.rescaled for p in pictures) else (_NO_RESCALE,)),
        *(() if all(h.orientation for h in series.headers) else (_NO_ORIENTATION,)),
    )
    placed = zip(series.headers, series.z_mm, pictures, strict=True)
    return Exam(
        tuple(_slice(header, z_mm, picture) for header, z_mm, picture in placed),
        kind=InputKind.DICOM,
        order=series.order,
        files=total,
        series=chosen.choice,
        warnings=warnings,
    )


def decode(header: Header) -> Picture:
    """Decode one slice; Hounsfield units are dropped once windowed.

    Raises:
        Damaged: the pixels cannot be decoded.
        UnsupportedEncoding: no decoder for its transfer syntax.
    """
    dataset = read_whole(header)
    syntax = dataset.file_meta.TransferSyntaxUID
    _check_syntax(syntax, header.number)
    rescale = rescale_of(dataset)
    try:
        stored = _stored(dataset, syntax)
    except Exception as error:
        raise Damaged("damaged, its pixels cannot be decoded") from error
    if stored.shape != (header.rows, header.columns):
        raise Damaged("damaged, its pixels are not as many as it says")
    gray = gray_of(stored, dataset, rescale or Rescale(1.0, 0.0))
    return Picture(gray if header.orientation is None else upright(gray, header.orientation), rescale is not None)


def _stored(dataset: Dataset, syntax: UID) -> np.ndarray:
    """Stored values; what old files leave unsaid is filled in."""
    for keyword, usual in (
        ("SamplesPerPixel", 1),
        ("PhotometricInterpretation", "MONOCHROME2"),
        ("PixelRepresentation", 0),
    ):
        if dataset.get(keyword) in (None, ""):
            setattr(dataset, keyword, usual)
    return pixel_array(dataset, decoding_plugin=_PLUGINS.get(syntax, ""))


def _check_syntax(syntax: UID, number: int) -> None:
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise UnsupportedEncoding(f"File {number} (in the order sent) is coded in a way that no decoder here takes.")


def _check_sizes(headers: Sequence[Header], total: int) -> None:
    """Refuse before anything is decoded: pictures of several sizes, and too many pixels."""
    if len({(h.rows, h.columns) for h in headers}) > 1:
        raise UnevenExam("The slices of the series are not all of the same size.")
    pixels = headers[0].rows * headers[0].columns
    if pixels > MAX_PIXELS:
        raise TooLarge(f"{named([h.number for h in headers], total)}: more than {MAX_PIXELS // 10**6} megapixels each.")
    if pixels * len(headers) > MAX_EXAM_PIXELS:
        raise TooLarge(f"The exam holds more than {MAX_EXAM_PIXELS // 10**6} megapixels.")


def _slice(header: Header, z_mm: float | None, picture: Picture) -> Slice:
    spacing = header.spacing_mm
    if spacing and header.orientation and is_transposed(header.orientation):
        spacing = spacing[::-1]
    return Slice(
        picture.gray,
        z_mm=z_mm,
        instance_number=header.instance_number,
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        file_number=header.number,
    )
