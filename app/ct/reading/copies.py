"""Files that were sent twice. Only what is the same is left out; an identifier alone proves nothing, an empty one least."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from app.ct.reading.headers import Header
from app.ct.reading.order import tie
from app.ct.reading.pixels import Picture

Decoded = tuple[Header, Picture]


def without_copies(headers: Sequence[Header]) -> list[Header]:
    """Leave out files that are, byte for byte, another one of the same SOPInstanceUID or, without one, of the same place.

    The first one by name is kept: where nothing but names orders the slices, their order must not depend on which copy was
    sent first. Files without identifier and place all stay: two slices of plain air may be the same to the last byte.
    """
    files = {h.number: h for h in sorted(headers, key=tie)}
    shared = {known for known, count in Counter(map(_known_by, files.values())).items() if known and count > 1}
    seen: dict[bytes, int] = {}
    copies = set()
    for number, header in files.items():
        if _known_by(header) in shared:
            with header.file.view() as content:
                digest = hashlib.sha256(content).digest()
            if seen.setdefault(digest, number) != number:
                copies.add(number)
    return [h for h in headers if h.number not in copies]


def _known_by(header: Header) -> str | tuple[float, ...] | None:
    """What a copy shares with the file it is a copy of, besides its bytes."""
    return header.sop_instance or header.position


def without_same_pictures(slices: Sequence[Decoded]) -> tuple[list[Decoded], tuple[str, ...]]:
    """Leave out slices that are another one of the same SOPInstanceUID, coded or described otherwise.

    Args:
        slices: of one series, in order.

    Returns:
        The others, in order, and what was done, in whole sentences. Slices that share an identifier but not their pixels
        and place are all kept.
    """
    of_uid: dict[tuple[str, int], list[Decoded]] = {}
    for one in slices:
        of_uid.setdefault((one[0].sop_instance, one[0].frame), []).append(one)
    shared = [group for (uid, _), group in of_uid.items() if uid and len(group) > 1]
    copies = [one for group in shared for n, one in enumerate(group) if any(_are_one(one, b) for b in group[:n])]
    left_out = {(h.number, h.frame) for h, _ in copies}
    differing = sum(len(group) - 1 for group in shared) - len(copies)
    said = []
    if copies:
        said.append(f"{len(copies)} slices that are copies of other slices were left out.")
    if differing:
        said.append(f"{differing} slices share the identifier of another one though they differ: all were kept.")
    return [one for one in slices if (one[0].number, one[0].frame) not in left_out], tuple(said)


def _are_one(a: Decoded, b: Decoded) -> bool:
    same_place = (a[0].position, a[0].orientation) == (b[0].position, b[0].orientation)
    return same_place and a[1].gray.shape == b[1].gray.shape and bool((a[1].gray == b[1].gray).all())
