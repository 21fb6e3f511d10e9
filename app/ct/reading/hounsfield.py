"""Decoded slices whose tags give no Hounsfield units, decoded again with what does."""

from collections.abc import Sequence
from pathlib import Path

from app.ct.reading.files import Unsupported, refuse
from app.ct.reading.headers import Header
from app.ct.reading.pixels import Picture, decode_all
from app.ct.reading.scale import judged
from app.ct.reading.values import Rescale
from app.ct.words import Sentence, counted, sentence
from app.ct.workers import ON_THE_SPOT, Workers

_NO_RESCALE = sentence("Some slices have no rescale slope and intercept: their values were taken as Hounsfield units.")
_BY_TABLE = sentence(
    "a table (Modality LUT) turns the values into Hounsfield units, which is not read here; export the slices with rescale"
    " slope and intercept"
)
_TWICE = sentence(
    "Some slices name a table (Modality LUT) beside their rescale slope and intercept, which the DICOM standard does not"
    " allow: slope and intercept were used."
)


def check_tables(headers: Sequence[Header], *, total: int) -> tuple[Sentence, ...]:
    """What is to be said of tables that turn the values of slices into Hounsfield units, in whole sentences.

    Args:
        headers: of the slices of one series.
        total: how many files the upload holds.

    Raises:
        UnsupportedEncoding: slices have such a table alone; all of them are named.
    """
    by_table = [h.number for h in headers if h.has_table and not h.has_rescale]
    refuse(dict.fromkeys(by_table, Unsupported(_BY_TABLE)), total=total)
    return (_TWICE,) if any(h.has_table for h in headers) else ()


def in_hounsfield_units(
    headers: Sequence[Header],
    pictures: Sequence[Picture],
    *,
    total: int,
    values_in: Path | None = None,
    workers: Workers = ON_THE_SPOT,
) -> tuple[list[Picture], tuple[Sentence, ...]]:
    """The slices, and what was done to their values, in whole sentences.

    Args:
        headers: of the slices of one series.
        pictures: as they were decoded by their own tags.
        total: how many files the upload holds.
        values_in, workers: as ``decode_all``.

    Raises:
        Unreadable: the values are no Hounsfield units, and it cannot be told what they are, or a slice that was decoded
            before cannot be decoded again.
    """
    judgement = judged([picture.levels for picture in pictures])
    instead = judgement.instead
    places = [(h.number, h.frame) for h in headers]
    found = dict(zip(places, pictures, strict=True))
    said = []
    for rescale in dict.fromkeys(one for one in instead if one is not None):
        wrong = [header for header, one in zip(headers, instead, strict=True) if one == rescale]
        again, damages = decode_all(wrong, rescale=rescale, values_in=values_in, workers=workers)
        refuse(damages, total=total)
        found.update(zip([(h.number, h.frame) for h in wrong], again, strict=True))
        told = found[wrong[0].number, wrong[0].frame].levels.rescale
        is_inverted = rescale.slope < 0 < (told or rescale.mirrored(0)).slope
        said.append((_inverted if is_inverted else _wrong)(len(wrong), rescale))
    if any(p.levels.rescale is None and one is None for p, one in zip(pictures, instead, strict=True)):
        said.append(_NO_RESCALE)
    if judgement.doubtful:
        said.append(_doubtful(judgement.doubtful))
    return [found[place] for place in places], tuple(said)


def _wrong(slices: int, rescale: Rescale) -> Sentence:
    return counted(
        "The rescale slope and intercept of {count} slice are missing or wrong, as its air and tissue show:"
        " {slope:g} and {intercept:g} were used, which make Hounsfield units of the values.",
        "The rescale slope and intercept of {count} slices are missing or wrong, as their air and tissue show:"
        " {slope:g} and {intercept:g} were used, which make Hounsfield units of the values.",
        count=slices,
        slope=rescale.slope,
        intercept=rescale.intercept,
    )


def _inverted(slices: int, rescale: Rescale) -> Sentence:
    return counted(
        "The values of {count} slice were stored inverted: slope {slope:g} and intercept {intercept:g} were used,"
        " which turn them back.",
        "The values of {count} slices were stored inverted: slope {slope:g} and intercept {intercept:g} were used,"
        " which turn them back.",
        count=slices,
        slope=rescale.slope,
        intercept=rescale.intercept,
    )


def _doubtful(slices: int) -> Sentence:
    return counted(
        "The values of {count} slice do not look like Hounsfield units of a chest, which hold air and soft tissue:"
        " send the slices as the scanner reconstructed them.",
        "The values of {count} slices do not look like Hounsfield units of a chest, which hold air and soft tissue:"
        " send the slices as the scanner reconstructed them.",
        count=slices,
    )
