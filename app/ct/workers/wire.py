"""How questions go to a worker, over a socket, and answers come back, over a pipe: lengths, then that much.

Questions are pickled, for the worker believes the service; answers are not, for the service does not believe the worker. Files
go as open descriptors, for a worker can open none.
"""

import os
import pickle
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from app.ct.reading.files import NamedFile
from app.ct.workers.lending import Lent
from app.ct.workers.plain import Unbelievable, packed, unpacked

_LENGTHS = struct.Struct("<QQ")
_PIECE = 2**20
MAX_LENT = 32
"""Files that one question may be about; ``Workers.map`` is given 16 at once."""
MAX_TEXT_BYTES, MAX_ARRAY_BYTES = 2**26, 2**28
"""Of one answer: that of a file of 4096 frames tells 5 MB, that of a picture of 40 megapixels holds 200 MB."""


class Lost(OSError):
    """A file that a question is about cannot be opened."""


@contextmanager
def lending(question: object) -> Iterator[tuple[bytes, list[int]]]:
    """A question as bytes, and the files it is about, open while it is asked.

    Raises:
        Lost: one of them is not there any more.
    """
    written, lent = BytesIO(), _Lending()
    pickler = pickle.Pickler(written, protocol=5)
    pickler.persistent_id = lent.number_of  # type: ignore[method-assign]
    try:
        pickler.dump(question)
        yield written.getvalue(), list(lent.descriptors.values())
    finally:
        for descriptor in lent.descriptors.values():
            os.close(descriptor)


class _Lending:
    """Opens every file that a question is about, once."""

    def __init__(self) -> None:
        self.descriptors: dict[Path, int] = {}

    def number_of(self, part: object) -> tuple[str, int] | None:
        """What stands for a file on disk in the question: its name as sent, and which of the descriptors it is."""
        if not isinstance(part, NamedFile) or not isinstance(part.content, Path):
            return None
        if part.content not in self.descriptors:
            try:
                self.descriptors[part.content] = os.open(part.content, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError as error:
                raise Lost(*error.args) from error
        return part.name, list(self.descriptors).index(part.content)


def ask(to: socket.socket, question: tuple[bytes, list[int]]) -> None:
    """Send a question, as ``lending`` gives it.

    Raises:
        OSError: the other side is gone.
    """
    text, descriptors = question
    socket.send_fds(to, [_LENGTHS.pack(len(text), len(descriptors))], descriptors)
    to.sendall(text)


@contextmanager
def asked(of: socket.socket) -> Iterator[Any]:
    """Receive a question; its files are open while it is worked on.

    Raises:
        EOFError: there will be none.
    """
    lengths, descriptors, *_ = socket.recv_fds(of, _LENGTHS.size, MAX_LENT)
    try:
        lengths += bytes(_read(of.fileno(), _LENGTHS.size - len(lengths)))
        length, _ = _LENGTHS.unpack(lengths)
        unpickler = pickle.Unpickler(BytesIO(_read(of.fileno(), length)))
        unpickler.persistent_load = lambda told: NamedFile(told[0], Lent(descriptors[told[1]]))  # type: ignore[method-assign]
        yield unpickler.load()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def answer(descriptor: int, found: object) -> None:
    """Write an answer.

    Raises:
        OSError: the other side is gone.
        TypeError: it holds something that is not carried.
    """
    text, arrays = packed(found)
    _write(descriptor, text, *(one.reshape(-1).view("u1").data for one in arrays))


def answered(descriptor: int) -> Any:
    """Read an answer.

    Raises:
        EOFError: the other side is gone.
        Unbelievable: it is longer than any answer, or holds something else than plain data.
    """
    text, content = _LENGTHS.unpack(_read(descriptor, _LENGTHS.size))
    if text > MAX_TEXT_BYTES or content > MAX_ARRAY_BYTES:
        raise Unbelievable
    return unpacked(bytes(_read(descriptor, text)), memoryview(_read(descriptor, content)))


def _write(descriptor: int, text: bytes, *arrays: memoryview) -> None:
    lengths = _LENGTHS.pack(len(text), sum(len(one) for one in arrays))
    for part in (memoryview(lengths), memoryview(text), *arrays):
        rest = part
        while rest:
            rest = rest[os.write(descriptor, rest[:_PIECE]) :]


def _read(descriptor: int, count: int) -> bytearray:
    content = bytearray(count)
    view, at = memoryview(content), 0
    while at < count:
        got = os.readv(descriptor, [view[at : at + _PIECE]])
        if not got:
            raise EOFError
        at += got
    return content
