"""DICOM files -> Exam."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.ct.errors import TooLarge
from app.ct.exam import Exam, InputKind, RejectedSeries, SeriesChoice, Slice
from app.ct.reading.axial import check_pixels
from app.ct.reading.body_part import other_part
from app.ct.reading.concatenations import check_concatenations
from app.ct.reading.copies import Decoded, without_same_pictures
from app.ct.reading.files import NOWHERE, Damaged, Damages, attempted, named, refuse
from app.ct.reading.first import OnFirst
from app.ct.reading.geometry import is_transposed
from app.ct.reading.headers import MAX_FRAMES, Header, read_headers
from app.ct.reading.hounsfield import check_tables, in_hounsfield_units
from app.ct.reading.images import MAX_EXAM_PIXELS, within_an_exam
from app.ct.reading.kinds import KnownFile
from app.ct.reading.order import ordered, tie
from app.ct.reading.passes import OnePass, one_pass
from app.ct.reading.pictures import MAX_PIXELS
from app.ct.reading.pixels import Picture, damages_of, decode_all
from app.ct.reading.series import choose, narrow
from app.ct.reading.syntaxes import DECODERS, refuse_unsupported
from app.ct.words import Sentence, counted, sentence
from app.ct.workers import ON_THE_SPOT, Workers

_HEADERS_AT_ONCE = 16
_NO_ORIENTATION = sentence("Some slices do not say how they lie in the patient: they were taken as they are.")


def read_dicom(
    files: Sequence[KnownFile],
    *,
    series_instance_uid: str | None,
    total: int,
    values_in: Path | None = None,
    on_first: OnFirst | None = None,
    workers: Workers = ON_THE_SPOT,
) -> Exam:
    """Read the headers of all ``files``, choose a series, decode it, take one pass of it, order that.

    Args:
        files: DICOM files and files of no known kind.
        series_instance_uid: the series to take, None for the best one.
        total: how many files the upload holds.
        values_in, on_first, workers: as ``read_exam``.

    Raises:
        ExamError: as ``read_exam``.
    """
    headers, damages = _headers(files, workers)
    if damages:
        # Refused already; of the rest as much as one exam may hold is decoded, to name every file that cannot be read.
        candidates = within_an_exam([h for h in headers if _may_be_decoded(h)], _pixels)
        refuse(damages | damages_of(candidates, workers=workers), total=total)
    # Some codings keep the pixels elsewhere (JPIP): such a file is whole, and the series choice finds no picture in it.
    refuse_unsupported([(h.number, h.syntax) for h in headers if h.rows and not h.has_pixels], total=total)
    chosen = choose(headers, series_instance_uid=series_instance_uid)
    of_parts = check_concatenations(chosen.headers, headers)
    refuse_unsupported([(h.number, h.syntax) for h in chosen.headers], total=total)
    of_tables = check_tables(chosen.headers, total=total)
    _check_sizes(chosen.headers, total)
    asked = series_instance_uid is not None
    # Nothing is told ahead of what will be refused.
    on_first = on_first if asked or other_part(chosen.headers) is None else None
    slices, of_values = _decoded(chosen.headers, total, values_in, on_first, workers)
    slices, of_copies = without_same_pictures(slices)
    taken = one_pass(slices)
    pictures = {(h.number, h.frame): picture for h, picture in taken.kept}
    series = ordered([header for header, _ in taken.kept])
    placed = zip(series.headers, series.z_mm, strict=True)
    part = other_part(series.headers)
    return Exam(
        tuple(_slice(header, z_mm, pictures[header.number, header.frame]) for header, z_mm in placed),
        kind=InputKind.DICOM,
        order=series.order,
        files=total,
        series=_with(chosen.choice, taken),
        warnings=(
            *chosen.warnings,
            *of_parts,
            *of_copies,
            *taken.warnings,
            *narrow(series.headers),
            *series.warnings,
            *of_tables,
            *of_values,
            *_of_tags(series.headers),
            *((_other_part_asked(part),) if asked and part else ()),
        ),
        other_part=None if asked else part,
        is_oriented=all(h.orientation for h in series.headers),
        is_head_known=series.is_head_known,
    )


def _headers(files: Sequence[KnownFile], workers: Workers) -> tuple[list[Header], Damages]:
    """The headers of all pictures, refused before absurdly many are described, and what is wrong with files without."""
    headers: list[Header] = []
    damages: Damages = {}
    for file, found in attempted(files, _checked_headers, workers=workers, at_once=_HEADERS_AT_ONCE):
        if isinstance(found, Damaged):
            damages[file.number] = found
            continue
        # Whatever a worker says, the headers are of the file that it was given.
        headers += [replace(header, number=file.number, file=file.file, kind=file.kind) for header in found]
        if len(headers) > MAX_FRAMES:
            raise TooLarge(
                sentence(
                    "File {number} (in the order sent): with it, the upload holds more than {most} pictures.",
                    number=file.number,
                    most=MAX_FRAMES,
                )
            )
    return headers, damages


def _checked_headers(file: KnownFile) -> tuple[Header, ...]:
    return tuple(replace(_checked(header), file=NOWHERE) for header in read_headers(file))


def _may_be_decoded(header: Header) -> bool:
    """Whether a file may be a slice, so far as its coding and its size tell; screenshots in color and films are none."""
    one_of_gray = header.samples == 1 and (header.grouped or header.frames == 1)
    small = header.rows * header.columns <= MAX_PIXELS
    return header.has_pixels and one_of_gray and small and header.syntax in DECODERS


def _pixels(header: Header) -> int:
    return header.rows * header.columns


def _decoded(
    headers: Sequence[Header], total: int, values_in: Path | None, on_first: OnFirst | None, workers: Workers
) -> tuple[list[Decoded], tuple[Sentence, ...]]:
    """The slices, those alike in place in one order whatever the order of sending, and what was done to their values.

    Raises:
        Unreadable: a slice cannot be decoded, or the values are no Hounsfield units.
    """
    ranked = sorted(headers, key=tie)
    pictures, damages = decode_all(ranked, values_in=values_in, on_first=on_first, workers=workers)
    refuse(damages, total=total)
    pictures, said = in_hounsfield_units(ranked, pictures, total=total, values_in=values_in, workers=workers)
    return list(zip(ranked, pictures, strict=True)), said


def _with(choice: SeriesChoice, taken: OnePass) -> SeriesChoice:
    """The series choice with what was left out inside the series."""
    left_out = [RejectedSeries(choice.chosen, slices, why) for why, slices in taken.left_out]
    return replace(choice, rejected=(*left_out, *choice.rejected))


def _other_part_asked(part: str) -> Sentence:
    return sentence(
        "Every slice names another body part than the chest ({part}); the series was asked for, so it was read all the"
        " same.",
        part=part,
    )


def _burned_in(letters: int) -> Sentence:
    return counted(
        "Letters are burnt into {count} slice, as its tags say: the model may take them for findings.",
        "Letters are burnt into {count} slices, as their tags say: the model may take them for findings.",
        count=letters,
    )


def _of_tags(headers: Sequence[Header]) -> tuple[Sentence, ...]:
    letters = sum(h.burned_in for h in headers)
    return (
        *((_burned_in(letters),) if letters else ()),
        *(() if all(h.orientation for h in headers) else (_NO_ORIENTATION,)),
    )


def _checked(header: Header) -> Header:
    return check_pixels(header) if header.syntax in DECODERS else header


def _check_sizes(headers: Sequence[Header], total: int) -> None:
    """Refuse too many pixels before anything is decoded."""
    if large := [h.number for h in headers if h.rows * h.columns > MAX_PIXELS]:
        raise TooLarge(
            sentence("{files}: more than {most} megapixels each.", files=named(large, total), most=MAX_PIXELS // 10**6)
        )
    if sum(map(_pixels, headers)) > MAX_EXAM_PIXELS:
        raise TooLarge(sentence("The exam holds more than {most} megapixels.", most=MAX_EXAM_PIXELS // 10**6))


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
        values=picture.values,
    )
