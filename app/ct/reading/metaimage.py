"""MetaImage volumes (.mha, or .mhd with its .raw or .zraw): a few lines of text, then values."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

import numpy as np

from app.ct.errors import UnsupportedType
from app.ct.reading.files import Damaged, NumberedFile
from app.ct.reading.inflating import Inflated, Values
from app.ct.reading.layout import DIMENSIONS, Layout, Opened, dtype_of, shape_of
from app.ct.words import sentence

_HEAD_BYTES = 2**16
_BEGINNING = re.compile(rb"\s*(ObjectType|NDims|Comment)\s*=")
# No two neighbors of it match the same bytes: a line of nothing but blanks is given up after one look at each.
# Keys may be tags of DICOM, as ITK writes them: 0008|0060.
_LINE = re.compile(rb"([^=\r\n]+)=([^\r\n]*)\r?\n")
_LAST = "ElementDataFile"
_LOCAL = ("LOCAL", "Local", "local")
_VALUES_SUFFIXES = (".raw", ".zraw")
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MATRIX = ("Rotation", "Orientation")
_IDENTITY = "1 0 0 0 1 0 0 0 1"


def is_metaimage(head: bytes) -> bool:
    """Whether a file is a MetaImage header, by its first bytes: some hundred."""
    return bool(_BEGINNING.match(head)) and b"NDims" in head


def values_among(others: Sequence[NumberedFile], volumes: Sequence[NumberedFile]) -> set[int]:
    """Numbers of the ``others`` that hold the values of a volume, whatever their bytes look like.

    Which they are, its header says; where they were renamed, their suffix (.raw, .zraw) does.
    """
    named = {_base(name) for name in map(_data_file, volumes) if name}
    return {other.number for other in others if named and _may_hold(other.file.name, named)}


def _may_hold(name: str, named: Collection[str]) -> bool:
    return _base(name) in named or PurePosixPath(_base(name)).suffix in _VALUES_SUFFIXES


def _data_file(file: NumberedFile) -> str | None:
    """The file that a volume's header names for its values, None where it names none."""
    with file.file.open() as opened:
        head = opened.read(_HEAD_BYTES)
    try:
        name = _header(head)[0][_LAST] if is_metaimage(head) else None
    except Damaged:
        return None
    return None if name in _LOCAL else name


@contextmanager
def open_metaimage(volume: NumberedFile, others: Sequence[NumberedFile]) -> Iterator[Opened]:
    """A volume's layout and its values, inflated as they are read.

    Args:
        volume: the file with the header.
        others: the files beside it, one of which may hold the values.

    Raises:
        Damaged: the header or the compressed stream is not sound, or the file with the values is missing.
        UnsupportedType: values or dimensions that are no CT's, or more than one file of values.
    """
    with volume.file.open() as opened:
        said, begin = _header(opened.read(_HEAD_BYTES))
    try:
        layout = _layout(said)
    except (Damaged, UnsupportedType):
        raise
    except Exception as error:
        raise Damaged(sentence("damaged, its header cannot be read")) from error
    source = volume if said[_LAST] in _LOCAL else _named(said[_LAST], others)
    zipped = _flag(said, "CompressedData", "False")
    with source.file.open() as opened:
        begin = opened.seek(begin if source is volume else 0)
        values: Values = Inflated(opened) if zipped else opened
        if not zipped and source.file.size < begin + layout.size_bytes:
            raise Damaged(sentence("cut off, it holds fewer values than it says"))
        yield Opened(layout, values, source.file)


def _header(head: bytes) -> tuple[dict[str, str], int]:
    """What the header says, by key, and where it ends."""
    said: dict[str, str] = {}
    at = 0
    while _LAST not in said:
        line = _LINE.match(head, at)
        if line is None:
            raise Damaged(sentence("damaged, its header cannot be read"))
        key, value = (part.strip(b" \t").decode("latin-1") for part in line.groups())
        said[key] = value
        at = line.end()
    return said, at


def _named(name: str, others: Sequence[NumberedFile]) -> NumberedFile:
    """The file with the values: the one of that name, or the only one there is."""
    if name.startswith("LIST") or "%" in name:
        raise UnsupportedType(sentence("The volume's values are in several files, which are not read here."))
    found = [other for other in others if _base(other.file.name) == _base(name)] or list(others)
    if len(found) != 1:
        raise Damaged(sentence("the file with its values (.raw or .zraw) did not come along"))
    return found[0]


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name.casefold()


def _layout(said: Mapping[str, str]) -> Layout:
    element = _TYPES.get(said.get("ElementType", ""))
    if element is None or said.get("ElementNumberOfChannels", "1") != "1":
        raise UnsupportedType(sentence("The volume's values are colors, or of another type than a CT's."))
    if not _flag(said, "BinaryData", "True") or said.get("HeaderSize", "0") != "0":
        raise UnsupportedType(sentence("The volume's values are written in a way that is not read here."))
    big = _flag(said, "BinaryDataByteOrderMSB", said.get("ElementByteOrderMSB", "False"))
    sizes = _numbers(said, "DimSize", "")
    shape = shape_of([int(size) for size in sizes])
    if len(sizes) != DIMENSIONS:
        raise UnsupportedType(sentence("The volume has not three dimensions."))
    directions = np.reshape(_numbers(said, "TransformMatrix", _IDENTITY, *_MATRIX), (DIMENSIONS, DIMENSIONS))
    return Layout(
        shape=shape,
        dtype=dtype_of(np.dtype((">" if big else "<") + element)),
        slope=1.0,
        intercept=0.0,
        # Each row of the matrix is the direction of one index; the patient's axes are DICOM's.
        steps=directions.T * _numbers(said, "ElementSpacing", "", "ElementSize"),
        origin=_numbers(said, "Offset", "0 0 0", "Position", "Origin"),
        has_directions=not {"TransformMatrix", *_MATRIX}.isdisjoint(said),
    )


def _flag(said: Mapping[str, str], key: str, usual: str) -> bool:
    return said.get(key, usual).casefold() in ("true", "t", "1", "yes")


def _numbers(said: Mapping[str, str], key: str, usual: str, *also: str) -> np.ndarray:
    """Numbers, float64: what the header says by that key or by another name of it, or what is usual."""
    words = next((said[name] for name in (key, *also) if name in said), usual).split()
    return np.array([float(word) for word in words])
