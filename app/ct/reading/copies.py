"""Files that were sent twice. Only what is the same is left out; an identifier alone proves nothing, an empty one least."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from app.ct.reading.files import NumberedFile
from app.ct.reading.headers import Header
from app.ct.reading.order import tie
from app.ct.reading.pixels import Picture
from app.ct.words import Sentence, counted

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


def copies_left_out(copies: int) -> tuple[Sentence, ...]:
    """What to say of files that are copies of others."""
    said = counted(
        "{count} file that is a copy of another slice was left out.",
        "{count} files that are copies of other slices were left out.",
        count=copies,
    )
    return (said,) if copies else ()


def without_same_files(files: Sequence[NumberedFile], pictures: Sequence[np.ndarray]) -> list[int]:
    """Places of the pictures of which no earlier one is the same, byte for byte; those of one gray level all stay.

    Args:
        files: of the pictures, in order.
        pictures: uint8 (height, width) each.
    """
    sizes = Counter(file.file.size for file in files)
    seen: set[bytes] = set()
    kept = []
    for place, (file, gray) in enumerate(zip(files, pictures, strict=True)):
        if sizes[file.file.size] > 1 and gray.min() < gray.max():
            with file.file.view() as content:
                digest = hashlib.sha256(content).digest()
            if digest in seen:
                continue
            seen.add(digest)
        kept.append(place)
    return kept


def _known_by(header: Header) -> str | tuple[float, ...] | None:
    """What a copy shares with the file it is a copy of, besides its bytes."""
    return header.sop_instance or header.position


def without_same_pictures(slices: Sequence[Decoded]) -> tuple[list[Decoded], tuple[Sentence, ...]]:
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
    copies = [one for group in shared for one in _repeated(group)]
    left_out = {(h.number, h.frame) for h, _ in copies}
    differing = sum(len(group) - 1 for group in shared) - len(copies)
    said = []
    if copies:
        said.append(
            counted(
                "{count} slice that is a copy of another slice was left out.",
                "{count} slices that are copies of other slices were left out.",
                count=len(copies),
            )
        )
    if differing:
        said.append(
            counted(
                "{count} slice shares the identifier of another one though they differ: all were kept.",
                "{count} slices share the identifier of another one though they differ: all were kept.",
                count=differing,
            )
        )
    return [one for one in slices if (one[0].number, one[0].frame) not in left_out], tuple(said)


def _repeated(group: Sequence[Decoded]) -> Iterator[Decoded]:
    """Those of ``group`` that lie where an earlier one lies and show the same; each is looked at once."""
    seen = set()
    for header, picture in group:
        shown = hashlib.sha256(picture.gray.tobytes()).digest()
        known = header.position, header.orientation, picture.gray.shape, shown
        if known in seen:
            yield header, picture
        seen.add(known)
