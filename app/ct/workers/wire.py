"""How questions go to a worker and answers come back, over pipes: lengths, then that much.

Questions are pickled, for the worker believes the service; answers are not, for the service does not believe the worker.
"""

import os
import pickle
import struct
from typing import Any

from app.ct.workers.plain import Unbelievable, packed, unpacked

_LENGTHS = struct.Struct("<QQ")
_PIECE = 2**20
MAX_TEXT_BYTES, MAX_ARRAY_BYTES = 2**26, 2**28
"""Of one answer: that of a file of 4096 frames tells 5 MB, that of a picture of 40 megapixels holds 200 MB."""


def ask(descriptor: int, question: object) -> None:
    """Write a question.

    Raises:
        OSError: the other side is gone.
    """
    _write(descriptor, pickle.dumps(question, protocol=5))


def asked(descriptor: int) -> Any:
    """Read a question.

    Raises:
        EOFError: there will be none.
    """
    length, _ = _LENGTHS.unpack(_read(descriptor, _LENGTHS.size))
    return pickle.loads(_read(descriptor, length))


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
