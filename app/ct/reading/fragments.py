"""Where the pictures of encapsulated pixel data lie in their file (DICOM PS3.5 annex A.4), told without reading them."""

from collections.abc import Sequence
from struct import unpack
from typing import BinaryIO

from pydicom.encaps import parse_basic_offsets, parse_fragments

from app.ct.reading.files import Damaged
from app.ct.words import sentence

Span = tuple[int, int]
"""Where a fragment begins in its file, and of how many bytes it is."""
_ITEM_BYTES = 8
# The end of a picture in the JPEG family; a padding byte or some may follow it.
_END_OF_PICTURE, _TAIL_BYTES = b"\xff\xd9", 10


def pictures_in(opened: BinaryIO, *, frames: int, extended: tuple[bytes, bytes] | None) -> list[Sequence[Span]]:
    """The fragments of each picture.

    As pydicom's ``generate_frames`` finds them: by the extended table, else by the basic one, else by counting.

    Args:
        opened: standing at the basic offset table.
        frames: how many pictures the file holds.
        extended: offsets and lengths of the extended offset table (PS3.3 C.7.6.3.1.8), where there is one.

    Raises:
        Damaged: these are not so many pictures, or some of their bytes are not there.
        ValueError: the fragments cannot be followed.
    """
    basic = parse_basic_offsets(opened)
    pictures: list[Sequence[Span]]
    if extended:
        pictures = _by_extended(opened.tell(), *extended)
    elif basic:
        pictures = _by_basic(_fragments(opened), basic)
    else:
        pictures = _by_counting(opened, _fragments(opened), frames)
    size = opened.seek(0, 2)
    if len(pictures) != frames or any(begin + length > size for spans in pictures for begin, length in spans):
        raise _unlike_what_it_says()
    return pictures


def stored_in(opened: BinaryIO, spans: Sequence[Span]) -> bytes:
    """The bytes of one picture."""
    return b"".join(_read(opened, begin, length) for begin, length in spans)


def _read(opened: BinaryIO, begin: int, length: int) -> bytes:
    opened.seek(begin)
    return opened.read(length)


def _by_extended(begin: int, offsets: bytes, lengths: bytes) -> list[Sequence[Span]]:
    numbers = (unpack(f"<{len(table) // 8}Q", table) for table in (offsets, lengths))
    return [((begin + offset + _ITEM_BYTES, length),) for offset, length in zip(*numbers, strict=True)]


def _fragments(opened: BinaryIO) -> list[Span]:
    """All of them, in order; the last one may reach beyond the end of a file that was cut off."""
    _, items = parse_fragments(opened)
    return [(at + _ITEM_BYTES, int.from_bytes(_read(opened, at + 4, 4), "little")) for at in items]


def _by_basic(fragments: Sequence[Span], offsets: Sequence[int]) -> list[Sequence[Span]]:
    pictures: list[list[Span]] = [[]]
    at = 0
    for begin, length in fragments:
        if len(pictures) < len(offsets) and at >= offsets[len(pictures)]:
            pictures.append([])
        pictures[-1].append((begin, length))
        at += length + _ITEM_BYTES
    return [*pictures]


def _by_counting(opened: BinaryIO, fragments: Sequence[Span], frames: int) -> list[Sequence[Span]]:
    if frames == 1:
        return [fragments]
    if len(fragments) <= frames:
        return [[span] for span in fragments]
    pictures: list[list[Span]] = [[]]
    for begin, length in fragments:
        pictures[-1].append((begin, length))
        tail = min(length, _TAIL_BYTES)
        if _END_OF_PICTURE in _read(opened, begin + length - tail, tail):
            pictures.append([])
    return [spans for spans in pictures if spans]


def _unlike_what_it_says() -> Damaged:
    return Damaged(sentence("damaged, its pixels are not as many as it says"))
