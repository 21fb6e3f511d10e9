"""What a worker answers, as bytes from which nothing but plain data can be made.

A process into which a stranger's bytes were put may be that stranger's, and what pickle loads may call and change anything. An
answer is therefore JSON with the arrays behind it: numbers, text, sequences, arrays of a few types, and objects of the classes
that say so of themselves (``carried``), which are made anew from their fields. Errors are those of ``app.ct``, by name.
"""

import json
import os
from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from math import prod
from typing import Any, TypeVar

import numpy as np

from app.ct import errors
from app.ct.errors import NO_ROOM, CovidCTError
from app.ct.words import Sentence

Class = TypeVar("Class", bound=type)

_DTYPES = {np.dtype(name).str for name in ("b1", "u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8")}
_MARK = "~"
_carried: dict[str, Any] = {}


class Unbelievable(Exception):
    """An answer that is none: cut off, too long, or of what no answer holds."""


class Failed(Exception):
    """The work failed in a way that nobody foresaw; its text is the kind of error, which says nothing of the item."""


def carried(kind: Class) -> Class:
    """Let objects of a dataclass, an enumeration, or an error with one argument be answered with."""
    _carried[kind.__name__] = kind
    return kind


def packed(found: Any) -> tuple[bytes, list[np.ndarray]]:
    """An answer as JSON, and the arrays that it names by their place.

    Raises:
        TypeError: it holds something that is not carried.
    """
    arrays: list[np.ndarray] = []
    return json.dumps(_told(found, arrays)).encode(), arrays


def unpacked(text: bytes, content: memoryview) -> Any:
    """The answer.

    Args:
        text: JSON.
        content: the bytes of all arrays, one after the other.

    Raises:
        Unbelievable: it is none.
    """
    try:
        return _made(json.loads(text), _Content(content))
    except Exception as error:
        raise Unbelievable from error


class _Content:
    """Bytes that are given out as arrays, in turn."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def next(self, dtype: str, shape: list[int]) -> np.ndarray:
        if dtype not in _DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise Unbelievable
        size = prod(shape) * np.dtype(dtype).itemsize
        part = self._content[self._at : self._at + size]
        self._at += size
        # A copy of its own: whoever keeps one array of an answer would keep all of it otherwise.
        return np.frombuffer(part, dtype).reshape(shape).copy()


def _told(found: Any, arrays: list[np.ndarray]) -> Any:
    match found:
        case Enum():
            return {_MARK: type(found).__name__, "name": found.name}
        case Sentence():
            values = {name: _told(value, arrays) for name, value in found.values.items()}
            return {
                _MARK: "sentence",
                "text": str(found),
                "template": found.template,
                "many": found.many,
                "values": values,
            }
        case None | bool() | int() | float() | str():
            return found
        case np.generic():
            return found.item()
        case bytes():
            arrays.append(np.frombuffer(found, "u1"))
            return {_MARK: "bytes", "size": len(found)}
        case np.ndarray():
            little = np.ascontiguousarray(found, dtype=found.dtype.newbyteorder("<"))
            if little.dtype.str not in _DTYPES:
                raise TypeError(little.dtype.str)
            arrays.append(little)
            return {_MARK: "array", "dtype": little.dtype.str, "shape": list(little.shape)}
        case Exception():
            return _told_error(found, arrays)
        case frozenset():
            return {_MARK: "set", "of": [_told(one, arrays) for one in sorted(found)]}
    return _told_object(found, arrays)


def _told_object(found: Any, arrays: list[np.ndarray]) -> Any:
    name = type(found).__name__
    if _carried.get(name) is type(found):
        names = getattr(found, "_fields", None) or [f.name for f in fields(found)]
        return {_MARK: name, "fields": {n: _told(getattr(found, n), arrays) for n in names}}
    if isinstance(found, tuple | list):
        return {_MARK: "tuple" if isinstance(found, tuple) else "list", "of": [_told(one, arrays) for one in found]}
    raise TypeError(name)


def _told_error(error: Exception, arrays: list[np.ndarray]) -> Any:
    """Those of others without their text, which may hold anything, a patient's name too."""
    name = type(error).__name__
    if _carried.get(name) is type(error) or isinstance(error, CovidCTError):
        return {_MARK: "error", "name": name, "reason": _told(error.args[0], arrays)}
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return {_MARK: "no room", "errno": error.errno}
    return {_MARK: "failed", "name": name}


def _made(told: Any, content: _Content) -> Any:
    if not isinstance(told, dict):
        return told
    match told[_MARK]:
        case "sentence":
            values = {str(name): _made(value, content) for name, value in told["values"].items()}
            return Sentence.of(told["text"], told["template"], told["many"], values)
        case "array":
            return content.next(told["dtype"], told["shape"])
        case "bytes":
            return content.next("|u1", [told["size"]]).tobytes()
        case "tuple":
            return tuple(_made(one, content) for one in told["of"])
        case "list":
            return [_made(one, content) for one in told["of"]]
        case "set":
            return frozenset(_made(one, content) for one in told["of"])
        case "error":
            return _error_class(told["name"])(_made(told["reason"], content))
        case "no room":
            return OSError(int(told["errno"]), os.strerror(int(told["errno"])))
        case "failed":
            return Failed(str(told["name"]))
    kind = _carried[told[_MARK]]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[told["name"]]
    return kind(**{name: _made(value, content) for name, value in told["fields"].items()})


def _error_class(name: str) -> Callable[[Any], Exception]:
    found = _carried.get(name) or getattr(errors, name)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise Unbelievable
    return found
