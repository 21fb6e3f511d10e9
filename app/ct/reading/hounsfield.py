"""Decoded slices whose tags give no Hounsfield units, decoded again with what does."""

from collections.abc import Sequence

from app.ct.reading.headers import Header
from app.ct.reading.pixels import Picture, decode_all
from app.ct.reading.scale import corrections

_NO_RESCALE = "Some slices have no rescale slope and intercept: their values were taken as Hounsfield units."


def in_hounsfield_units(
    headers: Sequence[Header], pictures: Sequence[Picture]
) -> tuple[list[Picture], tuple[str, ...]]:
    """The slices, and what was done to their values, in whole sentences.

    Args:
        headers: of the slices of one series.
        pictures: as they were decoded by their own tags.

    Raises:
        Unreadable: the values are no Hounsfield units, and it cannot be told what they are.
    """
    instead = corrections([picture.levels for picture in pictures])
    places = [(h.number, h.frame) for h in headers]
    found = dict(zip(places, pictures, strict=True))
    said = []
    for rescale in dict.fromkeys(one for one in instead if one is not None):
        wrong = [header for header, one in zip(headers, instead, strict=True) if one == rescale]
        again, _ = decode_all(wrong, rescale=rescale)
        found.update(zip([(h.number, h.frame) for h in wrong], again, strict=True))
        said.append(
            f"The rescale slope and intercept of {len(wrong)} slices are missing or wrong, as their air and tissue show:"
            f" {rescale.slope:g} and {rescale.intercept:g} were used, which make Hounsfield units of the values."
        )
    if any(p.levels.rescale is None and one is None for p, one in zip(pictures, instead, strict=True)):
        said.append(_NO_RESCALE)
    return [found[place] for place in places], tuple(said)
