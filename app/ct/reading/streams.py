"""Is a compressed stream sound enough to be decoded?

Decoders trust what the stream says of its size, whatever the DICOM header says, and take memory for it; and gdcm, the only
decoder for JPEG lossless here, ends the whole process on some damaged streams. So both are checked before a decoder sees
the stream. Sources: ITU-T T.81 (JPEG) annexes B and H, T.87 (JPEG-LS) annex C, T.800 (JPEG 2000) annex A.5.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

_START, _END = b"\xff\xd8", b"\xff\xd9"
_TABLES, _FRAME, _SCAN, _INTERVAL = 0xC4, 0xC3, 0xDA, 0xDD
# Quantization tables, comments and application data.
_NEEDLESS = {0xDB, 0xFE, *range(0xE0, 0xF0)}
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JPEG_LS = 0xF7
# Frame headers of every JPEG process, and that of JPEG-LS; C4, C8 and CC mean other things.
_FRAMES = {*range(0xC0, 0xD0), _JPEG_LS} - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, all of them by Huffman codes.
_USUAL = {0xC0, 0xC1, 0xC2}
# JPEG 2000 comes bare; some put it into a JP2 file, whose boxes come first.
_BOXES_BYTES = 512
_RESTARTS = range(0xD0, 0xD8)
_LONGEST_DIFFERENCE = 16
# What the JPEG baseline syntax of DICOM allows: coded once through, with 8 bits.
_SEQUENTIAL = {0xC0, 0xC1}
# A progressive JPEG is decoded whole for each scan; encoders make about ten.
MAX_SCANS = 100
# RLE (PS3.5 annex G): a header of 64 bytes, then a segment for each byte of a pixel, in runs of at most 128 bytes.
_RLE_HEADER, _MOST_SEGMENTS, _LONGEST_RUN = struct.Struct("<16I"), 15, 128


class Segment(NamedTuple):
    """A marker and what follows its length."""

    marker: int
    content: bytes
    end: int


def check_size(stream: bytes, *, rows: int, columns: int) -> None:
    """Check that a JPEG, JPEG-LS or JPEG 2000 stream holds one gray picture of the size the DICOM header says.

    Raises:
        ValueError: another size, several components, or no such stream.
    """
    at = stream.find(_JPEG_2000, 0, _BOXES_BYTES)
    if at >= 0:
        right, bottom, left, top = struct.unpack_from(">4I", stream, at + 8)
        (components,) = struct.unpack_from(">H", stream, at + 40)
        height, width = bottom - top, right - left
    else:
        frame = next(s for s in _segments(stream) if s.marker in _FRAMES)
        _, height, width, components = struct.unpack_from(">BHHB", frame.content)
        # Without the end's marker pyjpegls reads on in what lies behind the stream in memory.
        _require(frame.marker != _JPEG_LS or stream.rstrip(b"\0\xff").endswith(_END), "end is missing")
    _require((height, width, components) == (rows, columns, 1), "another size than the header's")


def check_sequential(stream: bytes) -> None:
    """Check that a JPEG stream is of a process that the syntax JPEG baseline allows.

    Raises:
        ValueError: it is not.
    """
    frame = next(s for s in _segments(stream) if s.marker in _FRAMES)
    _require(frame.marker in _SEQUENTIAL and frame.content[:1] == b"\x08", "a process of another syntax")


def check_runs(stream: bytes, *, rows: int, columns: int) -> None:
    """Check that no segment of an RLE stream inflates to more than the picture's size, but for a run of padding.

    Raises:
        ValueError: it does, or no such stream.
    """
    _require(len(stream) >= _RLE_HEADER.size, "without a header")
    count, *offsets = _RLE_HEADER.unpack_from(stream)
    _require(0 < count <= _MOST_SEGMENTS, "absurdly many segments")
    for begin, end in zip(offsets[:count], (*offsets[1:count], len(stream)), strict=True):
        # At worst every byte is a run of its own, with its length before it.
        _require(end - begin <= 2 * rows * columns + _LONGEST_RUN, "segment too long")
        _require(_inflated_bytes(stream[begin:end]) <= rows * columns + _LONGEST_RUN, "runs of more than the picture")


def _inflated_bytes(segment: bytes) -> int:
    at, inflated = 0, 0
    while at < len(segment):
        length = segment[at]
        if length < _LONGEST_RUN:
            inflated += min(length + 1, len(segment) - at - 1)
            at += length + 2
        elif length > _LONGEST_RUN:
            inflated += 2 * _LONGEST_RUN + 1 - length
            at += 2
        else:
            at += 1
    return inflated


def has_many_scans(content: bytes | mmap.mmap) -> bool:
    """Whether a JPEG file has more scans than any encoder makes; those of pictures behind the first one count too."""
    at = -1
    for _ in range(MAX_SCANS + 1):
        at = content.find(b"\xff\xda", at + 1)
        if at < 0:
            return False
    return True


def bare_lossless(stream: bytes, *, rows: int, columns: int) -> bytes:
    """A JPEG lossless stream of one gray picture, its structure checked, without what decoding does not need.

    Args:
        stream: from start to end of the image; zeros may follow.
        rows, columns: what the DICOM header says.

    Returns:
        Code tables, frame, scan and coded data; application data and comments, on which gdcm stumbles, are gone.

    Raises:
        ValueError: unsound, or not the frame the header describes.
    """
    stream = stream.rstrip(b"\0")
    _require(stream.startswith(_START) and stream.endswith(_END), "start or end is missing")
    tables: set[int] = set()
    frame = b""
    kept = [_START]
    for segment in _segments(stream):
        if segment.marker == _TABLES:
            tables |= _table_numbers(segment.content)
        elif segment.marker == _FRAME:
            _require(not frame, "two frames")
            frame = _checked_frame(segment.content, rows, columns)
        elif segment.marker == _SCAN:
            _require(bool(frame), "scan without a frame")
            _check_scan(segment.content, frame, tables)
            _check_coded(stream[segment.end :])
        elif segment.marker == _INTERVAL:
            _require(len(segment.content) == 2, "restart interval of another length")
        else:
            _require(segment.marker in _NEEDLESS, "unknown marker")
            continue
        kept.append(stream[segment.end - len(segment.content) - 4 : segment.end])
    return b"".join((*kept, stream[segment.end :]))


def is_usual_jpeg(stream: bytes) -> bool:
    """Whether a JPEG file, or the beginning of one, is of a process that every viewer takes, or not sound enough to tell."""
    try:
        frame = next((s for s in _segments(stream) if s.marker in _FRAMES), None)
    except (ValueError, IndexError):
        return True
    return frame is None or (frame.marker in _USUAL and frame.content[:1] == b"\x08")


def _require(sound: bool, why: str) -> None:
    if not sound:
        raise ValueError(why)


def _segments(stream: bytes) -> Iterator[Segment]:
    """Segments up to the scan, which is the last."""
    at, marker = len(_START), 0
    while marker != _SCAN:
        _require(stream[at : at + 1] == b"\xff" and at + 4 <= len(stream), "no marker where one must be")
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        end = at + 2 + length
        _require(length >= 2 and end <= len(stream), "segment too short or too long")
        yield Segment(marker, stream[at + 4 : end], end)
        at = end


def _table_numbers(content: bytes) -> set[int]:
    """Numbers of the Huffman tables in one segment (B.2.4.2), every table checked."""
    numbers = set()
    while content:
        _require(len(content) >= 17 and content[0] <= 3, "table of another class")
        counts, total = content[1:17], sum(content[1:17])
        symbols = content[17 : 17 + total]
        # Codes of all lengths must fit among those of the longest one.
        taken = sum(count << (16 - bits) for bits, count in enumerate(counts, start=1))
        _require(0 < total == len(symbols) and taken <= 1 << 16, "table with too many codes")
        _require(max(symbols) <= _LONGEST_DIFFERENCE, "table with unknown codes")
        numbers.add(content[0])
        content = content[17 + total :]
    return numbers


def _checked_frame(content: bytes, rows: int, columns: int) -> bytes:
    """The frame header (B.2.2) if it is that of the one component the DICOM header describes."""
    _require(len(content) == 9 and content[5] == 1 and 2 <= content[0] <= 16, "not one gray component")
    size = (int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big"))
    _require(size == (rows, columns) and content[7] == 0x11, "another size than the header's")
    return content


def _check_scan(content: bytes, frame: bytes, tables: set[int]) -> None:
    """The scan header (B.2.3, H.1): one component of the frame, a table that is there, a predictor."""
    _require(len(content) == 6 and content[0] == 1 and content[1] == frame[6], "scan of another component")
    _require(content[2] >> 4 in tables, "scan without its table")
    _require(1 <= content[3] <= 7 and content[4] == 0 and content[5] < frame[0], "unknown predictor")


def _check_coded(coded: bytes) -> None:
    """Between the scan header and the end there are restart markers only."""
    *between, last = (found[1][0] for found in _MARKER.finditer(coded))
    _require(last == _END[1] and all(marker in _RESTARTS for marker in between), "marker inside the coded data")
