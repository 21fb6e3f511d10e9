"""Decoded slices whose tags give no Hounsfield units, decoded again with what does."""

from collections.abc import Sequence
from pathlib import Path

from app.ct.reading.files import refuse
from app.ct.reading.headers import Header
from app.ct.reading.pixels import Picture, decode_all
from app.ct.reading.scale import judged
from app.ct.workers import ON_THE_SPOT, Workers

_NO_RESCALE = "Some slices have no rescale slope and intercept: their values were taken as Hounsfield units."
_WRONG = (
    "The rescale slope and intercept of {} slices are missing or wrong, as their air and tissue show:"
    " {:g} and {:g} were used, which make Hounsfield units of the values."
)
_INVERTED = (
    "The values of {} slices were stored inverted: slope {:g} and intercept {:g} were used, which turn them back."
)
_DOUBTFUL = (
    "The values of {} slices do not look like Hounsfield units of a chest, which hold air and soft tissue:"
    " send the slices as the scanner reconstructed them."
)


def in_hounsfield_units(
    headers: Sequence[Header],
    pictures: Sequence[Picture],
    *,
    total: int,
    values_in: Path | None = None,
    workers: Workers = ON_THE_SPOT,
) -> tuple[list[Picture], tuple[str, ...]]:
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
        said.append(
            (_INVERTED if rescale.slope < 0 < (told or rescale.mirrored(0)).slope else _WRONG).format(
                len(wrong), rescale.slope, rescale.intercept
            )
        )
    if any(p.levels.rescale is None and one is None for p, one in zip(pictures, instead, strict=True)):
        said.append(_NO_RESCALE)
    if judgement.doubtful:
        said.append(_DOUBTFUL.format(judgement.doubtful))
    return [found[place] for place in places], tuple(said)
