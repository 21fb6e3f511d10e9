"""DICOM files -> Exam."""

from collections.abc import Sequence

from app.ct.errors import TooLarge, UnevenExam
from app.ct.exam import Exam, InputKind, Slice
from app.ct.reading.body_part import other_part
from app.ct.reading.files import attempt, named, refuse
from app.ct.reading.geometry import is_transposed
from app.ct.reading.headers import Header, read_headers
from app.ct.reading.hounsfield import in_hounsfield_units
from app.ct.reading.images import MAX_EXAM_PIXELS
from app.ct.reading.kinds import KnownFile
from app.ct.reading.order import ordered
from app.ct.reading.pictures import MAX_PIXELS
from app.ct.reading.pixels import Picture, decode_all
from app.ct.reading.series import check_pixels, choose
from app.ct.reading.syntaxes import DECODERS, refuse_unsupported

_NO_ORIENTATION = "Some slices do not say how they lie in the patient: they were taken as they are."


def read_dicom(files: Sequence[KnownFile], *, series_instance_uid: str | None, total: int) -> Exam:
    """Read the headers of all ``files``, choose a series, order it, decode it.

    Args:
        files: DICOM files and files of no known kind.
        series_instance_uid: the series to take, None for the best one.
        total: how many files the upload holds.

    Raises:
        ExamError: as ``read_exam``.
    """
    of_files, damages = attempt(files, lambda f: [_checked(header) for header in read_headers(f)])
    headers = [header for file in of_files for header in file]
    if damages:
        # Refused already; the rest is decoded only to name every file that cannot be read.
        small = [h for h in headers if h.has_pixels and h.rows * h.columns <= MAX_PIXELS and h.syntax in DECODERS]
        refuse(damages | decode_all(small)[1], total=total)
    # Some codings keep the pixels elsewhere (JPIP): such a file is whole, and the series choice finds no picture in it.
    refuse_unsupported([(h.number, h.syntax) for h in headers if h.rows and not h.has_pixels], total=total)
    chosen = choose(headers, series_instance_uid=series_instance_uid)
    refuse_unsupported([(h.number, h.syntax) for h in chosen.headers], total=total)
    _check_sizes(chosen.headers, total)
    series = ordered(chosen.headers)
    pictures, damages = decode_all(series.headers)
    refuse(damages, total=total)
    pictures, of_values = in_hounsfield_units(series.headers, pictures)
    warnings = (
        *chosen.warnings,
        *series.warnings,
        *of_values,
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
        other_part=other_part(series.headers),
    )


def _checked(header: Header) -> Header:
    return check_pixels(header) if header.syntax in DECODERS else header


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
