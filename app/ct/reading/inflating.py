"""Values read from a file, inflated as they are read, with no more in memory than was asked for."""

import zlib
from typing import BinaryIO, Protocol

from app.ct.reading.files import Damaged
from app.ct.words import sentence

GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 2**16
# The format, zlib or gzip, is told by its first bytes.
_ZLIB_OR_GZIP = zlib.MAX_WBITS + 32
# Block gzip starts a member every 64 KB of values: 4 GB of them.
_MOST_MEMBERS = 2**16


class Values(Protocol):
    """Where values are read from."""

    def read(self, count: int, /) -> bytes:
        """The next ``count`` bytes, fewer at the end."""


class Inflated:
    """A zlib stream, or a gzip stream of one or several members."""

    def __init__(self, opened: BinaryIO) -> None:
        """Take the file, standing where the stream begins; the caller closes it."""
        self._opened = opened
        self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)
        self._pending = b""
        self._members, self._ended = 1, False

    def read(self, count: int, /) -> bytes:
        """The next ``count`` bytes, fewer at the end of the stream.

        Raises:
            Damaged: the stream is broken or cut off; its checksum counts once more is asked for than it holds.
        """
        pieces, missing = [], count
        while missing and not self._ended:
            try:
                piece = self._piece(missing)
            except zlib.error as error:
                raise Damaged(sentence("damaged or cut off")) from error
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _piece(self, most: int) -> bytes:
        compressed = self._pending or self._opened.read(_CHUNK_BYTES)
        piece = self._stream.decompress(compressed, most)
        self._pending = self._stream.unconsumed_tail
        if self._stream.eof:
            self._begin_member(self._stream.unused_data)
        elif not (compressed or piece):
            raise Damaged(sentence("damaged or cut off"))
        return piece

    def _begin_member(self, rest: bytes) -> None:
        """What follows the end of a member: another one, or nothing that matters; two bytes of it tell."""
        while len(rest) < len(GZIP) and (more := self._opened.read(_CHUNK_BYTES)):
            rest += more
        self._members += 1
        self._ended = not rest.startswith(GZIP) or self._members > _MOST_MEMBERS
        self._stream, self._pending = zlib.decompressobj(_ZLIB_OR_GZIP), rest
