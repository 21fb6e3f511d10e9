"""A DICOM file parsed without trust: no more of it than was asked for, within bounds."""

import logging
import warnings
import zlib
from collections.abc import Collection, Sequence
from io import BytesIO
from itertools import chain, repeat
from typing import BinaryIO, cast

import pydicom.config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from app.ct.errors import TooLarge, UnsupportedEncoding
from app.ct.reading.elements import MAX_VALUE_BYTES
from app.ct.reading.files import Damaged
from app.ct.reading.frames import GROUPS, check_items
from app.ct.reading.kinds import KnownFile
from app.ct.words import sentence

# Real exams break the rules on values; what pydicom says about that quotes the values, which may name the patient.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

MAX_INFLATED_BYTES = 64 * 2**20
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()
# Headers of CT have some hundred elements in some kilobytes, structure sets beside them more; no file has one every 16 bytes.
MAX_HEADER_BYTES, _FREE_READS, _BYTES_A_READ = 64 * 2**20, 2**16, 16
# Sequences and tables, which may be as long as the file has pictures.
MAX_TABLE_BYTES = 16 * 2**20
_OFFSETS = {Tag(k) for k in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")}
_TABLES = {Tag(k) for k in (*GROUPS, "ModalityLUTSequence")} | _OFFSETS
_PIXELS = {Tag(k) for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")}


class _Bounded:
    """A file whose header is read from where it stands: it gives out so many bytes in so many pieces, a few an element."""

    def __init__(self, opened: BinaryIO) -> None:
        self.seek, self.tell, self._opened = opened.seek, opened.tell, opened
        begin = opened.tell()
        self._reads = _FREE_READS + opened.seek(0, 2) // _BYTES_A_READ
        self._bytes = MAX_HEADER_BYTES
        opened.seek(begin)

    def read(self, count: int = -1, /) -> bytes:
        """The next ``count`` bytes.

        Raises:
            Damaged: more, or in more pieces, than any header has.
        """
        piece = self._opened.read(count if 0 <= count <= self._bytes else self._bytes + 1)
        self._reads -= 1
        self._bytes -= len(piece)
        if min(self._reads, self._bytes) < 0:
            raise Damaged(sentence("damaged, it lists absurdly many things"))
        return piece


def is_deflated(file: KnownFile) -> bool:
    """Whether ``file`` must be inflated; all of its bytes are searched for that, so it is asked once.

    Raises:
        Damaged: there are more sequences than any exam has.
    """
    with file.file.view() as content:
        check_items(content)
        return content.find(_DEFLATED) >= 0


def open_plain(file: KnownFile, *, deflated: bool) -> BinaryIO:
    """The bytes of ``file``, to be closed by the caller; deflated, they are inflated within a bound (pydicom has none).

    Raises:
        Damaged: the deflated stream is broken, or there are more sequences than any exam has.
        TooLarge: it inflates beyond ``MAX_INFLATED_BYTES``.
        UnsupportedEncoding: the deflated syntax is named in a place that cannot be told apart safely.
    """
    return BytesIO(_inflated(file)) if deflated else file.file.open()


def check_bytes(file: KnownFile, most: int) -> None:
    """Refuse a file that is too large to be held in memory.

    Raises:
        TooLarge: more than ``most`` bytes.
    """
    if file.file.size > most:
        raise TooLarge(
            sentence("File {number} (in the order sent): larger than {most} MB.", number=file.number, most=most >> 20)
        )


def _inflated(file: KnownFile) -> bytes:
    """A deflated data set without its meta group."""
    check_bytes(file, MAX_INFLATED_BYTES)
    try:
        opened = BytesIO(file.file.read())
        read_preamble(opened, force=True)
        meta = read_dataset(
            opened, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag >> 16 != 2
        )
        deflated = meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = stream.decompress(opened.read(), MAX_INFLATED_BYTES) if deflated else b""
    except Exception as error:
        raise Damaged(sentence("damaged or cut off")) from error
    if not deflated or _DEFLATED in inflated:
        raise UnsupportedEncoding(
            sentence(
                "File {number} (in the order sent) is deflated in a way that is not read here.", number=file.number
            )
        )
    if stream.unconsumed_tail:
        raise TooLarge(
            sentence(
                "File {number} (in the order sent) inflates to more than {most} MB.",
                number=file.number,
                most=MAX_INFLATED_BYTES >> 20,
            )
        )
    if not stream.eof:
        raise Damaged(sentence("damaged or cut off"))
    check_items(inflated)
    return inflated


def parse(opened: BinaryIO, keywords: Sequence[str]) -> FileDataset:
    """The elements asked for, with a transfer syntax even where the file names none; ``opened`` is left at the pixels.

    Args:
        opened: as ``open_plain`` gives it.
        keywords: of the elements; of a sequence, all of its content is parsed.

    Raises:
        Damaged: cannot be parsed, or beyond the bounds of any header.
    """
    return _parsed(opened, keywords, stop_at=_PIXELS)


def parse_before_groups(opened: BinaryIO, keywords: Sequence[str]) -> FileDataset:
    """What a multi-frame file says of all of its pictures together; see ``parse``. The functional groups are not parsed."""
    return _parsed(opened, keywords, stop_at={Tag(group) for group in GROUPS} | _PIXELS)


def _parsed(opened: BinaryIO, keywords: Sequence[str], *, stop_at: Collection[int]) -> FileDataset:
    try:
        dataset = read_partial(
            cast(BinaryIO, _Bounded(opened)),
            stop_when=lambda tag, *_: tag in stop_at,
            force=True,
            specific_tags=[Tag(keyword) for keyword in keywords],
        )
        _name_syntax(dataset)
    except Damaged:
        raise
    except Exception as error:
        raise Damaged(sentence("damaged or cut off")) from error
    for element in dataset.values():
        most = MAX_TABLE_BYTES if element.tag in _TABLES else MAX_VALUE_BYTES
        if isinstance(element, RawDataElement) and len(element.value or b"") > most:
            raise Damaged(sentence("damaged, one of its values is absurdly long"))
    return dataset


def with_offsets(opened: BinaryIO, dataset: FileDataset) -> FileDataset:
    """``dataset`` with the offset tables, at which ``opened`` stands, if there are any; it is left at the pixels.

    Raises:
        Damaged: cannot be parsed.
    """
    implicit, little = dataset.original_encoding
    try:
        tables = read_dataset(
            cast(BinaryIO, _Bounded(opened)),
            bool(implicit),
            bool(little),
            stop_when=lambda tag, *_: tag in _PIXELS,
            specific_tags=sorted(_OFFSETS),
        )
    except Exception as error:
        raise Damaged(sentence("damaged or cut off")) from error
    dataset.update(tables)
    return dataset


def with_pixels(opened: BinaryIO, dataset: FileDataset) -> FileDataset:
    """``dataset`` with the pixels, at which ``opened`` stands; what comes after them is not read.

    Raises:
        Damaged: cannot be parsed.
    """
    implicit, little = dataset.original_encoding
    # Behind the pixels there may be millions of elements.
    stop = chain([False], repeat(True))
    try:
        pixels = read_dataset(opened, bool(implicit), bool(little), stop_when=lambda *_: next(stop))
    except Exception as error:
        raise Damaged(sentence("damaged or cut off")) from error
    dataset.update(pixels)
    return dataset


def _name_syntax(dataset: FileDataset) -> None:
    """Where a file names no transfer syntax, fill in the uncompressed one pydicom parsed it with."""
    if dataset.file_meta.get("TransferSyntaxUID"):
        return
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
