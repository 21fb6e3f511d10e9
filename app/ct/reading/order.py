"""Head to feet: what the slices are ordered by, and what is odd about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.ct.exam import Order
from app.ct.reading.files import natural_key
from app.ct.reading.geometry import along, normal_of
from app.ct.reading.headers import Header
from app.ct.words import Sentence, counted, sentence

# A second pass doubles every position; with fewer distinct ones than that, positions were reset or made up.
MIN_DISTINCT_SHARE = 0.5
# So many places are no accident, however many slices lie at each: phases that nothing tells apart.
_MANY_PLACES = 10
GAP_FACTOR = 1.5
_STANDARD = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Ordered:
    """Slices of one series, head first.

    Attributes:
        headers: in order.
        z_mm: position of each along the slice normal, falling; None where the order is not by position.
        order: what they were ordered by.
        is_head_known: whether that tells which end is the head.
        warnings: whole sentences.
    """

    headers: tuple[Header, ...]
    z_mm: tuple[float | None, ...]
    order: Order
    is_head_known: bool
    warnings: tuple[Sentence, ...]


def ordered(headers: Sequence[Header]) -> Ordered:
    """Order a series by the best thing it has: position, SliceLocation, InstanceNumber, file name, upload."""
    by_position = positions(headers)
    if _tell_apart(list(by_position), enough=_MANY_PLACES):
        ranked = sorted(zip(by_position, headers, strict=True), key=lambda pair: (-(pair[0] or 0.0), tie(pair[1])))
        z_mm = [z for z, _ in ranked if z is not None]
        by_rank = tuple(h for _, h in ranked)
        return Ordered(by_rank, tuple(z_mm), Order.POSITION, is_head_known=True, warnings=_position_warnings(z_mm))
    order, by_fallback = _fallback(headers)
    if order is not Order.SLICE_LOCATION and _rises(by_fallback):
        by_fallback.reverse()
    is_head_known = order is Order.SLICE_LOCATION or bool(_places_of_some(headers))
    warnings = (_without_positions(order, is_head_known=is_head_known),) if len(headers) > 1 else ()
    nowhere = (None,) * len(headers)
    return Ordered(tuple(by_fallback), nowhere, order, is_head_known=is_head_known, warnings=warnings)


def _without_positions(order: Order, *, is_head_known: bool) -> Sentence:
    if is_head_known:
        return sentence(
            "No usable slice positions: the slices are ordered by {order}, and missing slices cannot be noticed.",
            order=_NAMES[order],
        )
    return sentence(
        "No usable slice positions: the slices are ordered by {order}; missing slices cannot be noticed, and which end is"
        " the head is not known.",
        order=_NAMES[order],
    )


def positions(headers: Sequence[Header]) -> tuple[float | None, ...]:
    """Position of each slice along the series' mean normal, in mm, growing towards the head; None where unknown."""
    normals = np.sum([normal_of(h.orientation or _STANDARD) for h in headers], axis=0)
    normal = normals / np.linalg.norm(normals)
    return tuple(None if h.position is None else along(normal, h.position) for h in headers)


_NAMES = {
    Order.SLICE_LOCATION: sentence("slice location"),
    Order.INSTANCE_NUMBER: sentence("instance number"),
    Order.FILE_NAME: sentence("file name"),
    Order.UPLOAD: sentence("the order they were sent in"),
}


def _fallback(headers: Sequence[Header]) -> tuple[Order, list[Header]]:
    """The best order without positions."""
    if _tell_apart([h.slice_location for h in headers]):
        return Order.SLICE_LOCATION, sorted(headers, key=lambda h: (-(h.slice_location or 0.0), tie(h)))
    if _tell_apart([h.instance_number for h in headers]):
        return Order.INSTANCE_NUMBER, sorted(headers, key=tie)
    if len({h.file.name for h in headers}) == len(headers):
        return Order.FILE_NAME, sorted(headers, key=lambda h: natural_key(h.file.name))
    return Order.UPLOAD, sorted(headers, key=lambda h: h.number)


def _rises(ranked: Sequence[Header]) -> bool:
    """Whether the positions of those slices that have one rise towards the end: then the series was scanned feet first."""
    known = _places_of_some(ranked)
    return bool(known) and float(np.cov(np.array(known).T)[0, 1]) > 0


def _places_of_some(ranked: Sequence[Header]) -> list[tuple[int, float]]:
    """Place and position of the slices that have a position, where some have one and some do not; otherwise of none.

    Where every slice has a position and they do not order the slices, they were made up.
    """
    known = [(place, z) for place, z in enumerate(positions(ranked)) if z is not None]
    return known if len(known) < len(ranked) and len({z for _, z in known}) > 1 else []


def _tell_apart(values: Sequence[float | int | None], *, enough: int | None = None) -> bool:
    """Whether every slice has a value and the values differ enough to order by; ``enough`` different ones always do."""
    distinct, wanted = len(set(values)), MIN_DISTINCT_SHARE * len(values)
    least = wanted if enough is None else min(wanted, enough)
    return None not in values and (len(values) == 1 or distinct > 1) and distinct >= least


def tie(header: Header) -> tuple[int, tuple[tuple[int, int, str], ...], int]:
    """Between slices at one place: what the sender said before the order of sending."""
    return (header.instance_number or 0, natural_key(header.file.name), header.number)


def _position_warnings(z_mm: Sequence[float]) -> tuple[Sentence, ...]:
    """Sentences about gaps and doubled positions.

    Args:
        z_mm: falling.
    """
    steps = -np.diff(z_mm)
    warnings = []
    if doubled := int(np.sum(steps == 0)):
        warnings.append(
            counted(
                "{count} slice lies at the position of another one.",
                "{count} slices lie at the position of another one.",
                count=doubled,
            )
        )
    apart = steps[steps > 0]
    usual = float(np.median(apart)) if apart.size else 0.0
    gaps = apart[apart > GAP_FACTOR * usual]
    if gaps.size:
        warnings.append(
            sentence(
                "Slices may be missing: {count} x a distance between neighbors larger than usual"
                " (up to {widest_mm:.1f} mm; usual {usual_mm:.1f} mm).",
                count=int(gaps.size),
                widest_mm=float(gaps.max()),
                usual_mm=usual,
            )
        )
    return tuple(warnings)
