"""What each file of an upload is, told by its bytes."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import PurePosixPath

from app.ct.errors import NoFiles, UnevenExam, UnsupportedType
from app.ct.reading.files import NamedFile, NumberedFile, named

HEAD_BYTES = 512
_FOREIGN = re.compile(
    rb"%PDF|GIF8|BM|II\*\0|MM\0\*|PK\x03\x04|PK\x05\x06|\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|MZ|\x7fELF|RIFF|\xd0\xcf\x11\xe0"
    rb"|ID3|OggS|\x89HDF|\x93NUMPY|....ftyp|SQLite format 3|\xca\xfe\xba\xbe|\x1a\x45\xdf\xa3",
    re.DOTALL,
)
# What CD burners, viewers and file managers put beside slices; none of these ever holds one.
_JUNK_NAMES = {"dicomdir", "thumbs.db", "desktop.ini", "autorun.inf", "lockfile", "version", "icon\r"}
_JUNK_SUFFIXES = re.compile(
    r"\.(txt|csv|tsv|xml|x?html?|json|ya?ml|md|log|ini|inf|cfg|config|properties|manifest|css|js|exe|dll|so|dylib|jar"
    r"|class|bat|sh|ico|pdf|rtf|docx?|xlsx?|chm|url|lnk|db)",
    re.IGNORECASE,
)
# Value representations a big-endian data set without preamble may begin with; others are no group 0008.
_EXPLICIT = {b"UL", b"CS", b"UI", b"DA", b"TM", b"DT", b"LO", b"SH"}
_SYSTEM_FILES = {".ds_store", "thumbs.db", "desktop.ini", "icon\r"}


class Kind(Enum):
    """What a file is."""

    DICOM = auto()
    IMAGE = auto()
    JUNK = auto()
    FOREIGN = auto()
    EMPTY = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class KnownFile(NumberedFile):
    """A file of the upload and what it is."""

    kind: Kind


@dataclass(frozen=True)
class Sorted:
    """An upload's files once told apart.

    Attributes:
        kind: what the slices are, ``Kind.DICOM`` or ``Kind.IMAGE``.
        slices: files of that kind, and files that are empty or of no known kind, so that the reader can name them all.
        junk: how many files were left out because they are no slices.
    """

    kind: Kind
    slices: tuple[KnownFile, ...]
    junk: int


def sort_files(files: Sequence[NamedFile]) -> Sorted:
    """Tell slices from what comes along with them.

    Raises:
        NoFiles: nothing but what file managers leave behind.
        UnsupportedType: a file of a kind that is not read and that may well be a slice.
        UnevenExam: DICOM and images together.
    """
    known = [KnownFile(number, file, kind_of(file)) for number, file in enumerate(files, start=1)]
    foreign = [k.number for k in known if k.kind is Kind.FOREIGN]
    if foreign:
        raise UnsupportedType(f"{named(foreign, len(files))} is of a kind that is not read here.")
    slices = tuple(k for k in known if k.kind is not Kind.JUNK)
    kinds = {k.kind for k in slices} & {Kind.DICOM, Kind.IMAGE}
    if not slices:
        _refuse_junk(files)
    if len(kinds) > 1:
        raise UnevenExam("The upload holds both DICOM files and pictures; which of them are the exam cannot be known.")
    return Sorted(next(iter(kinds), Kind.DICOM), slices, len(known) - len(slices))


def kind_of(file: NamedFile) -> Kind:
    """What ``file`` is. Bytes count, not the name, except for what is known never to be a slice."""
    path = _path_of(file.name)
    if is_macos_companion(file.name) or path.name.casefold() in _JUNK_NAMES:
        return Kind.JUNK
    with file.open() as opened:
        head = opened.read(HEAD_BYTES)
    kind = _kind_of_bytes(head)
    never_a_slice = _JUNK_SUFFIXES.fullmatch(path.suffix) or path.name.startswith(".")
    return Kind.JUNK if never_a_slice and kind not in (Kind.DICOM, Kind.IMAGE) else kind


def is_macos_companion(name: str) -> bool:
    """Whether a file is what macOS puts beside another one (``__MACOSX/``, ``._name``); it never holds a slice."""
    path = _path_of(name)
    return "__MACOSX" in path.parts or path.name.startswith("._")


def _path_of(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _kind_of_bytes(head: bytes) -> Kind:
    if not head:
        return Kind.EMPTY
    if head[128:132] == b"DICM" or _starts_like_a_data_set(head):
        return Kind.DICOM
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return Kind.IMAGE
    if _FOREIGN.match(head):
        return Kind.FOREIGN
    return Kind.JUNK if _is_text(head) else Kind.UNKNOWN


def _starts_like_a_data_set(head: bytes) -> bool:
    """DICOM without preamble: a first element of group 0002 or 0008 (PS3.5 7.1)."""
    if len(head) >= 12 and head[:2] == b"\x00\x08":
        return head[4:6] in _EXPLICIT
    if len(head) < 12 or head[:2] not in (b"\x02\x00", b"\x08\x00"):
        return False
    length = int.from_bytes(head[4:8], "little")
    return (head[4:6].isalpha() and head[4:6].isupper()) or length <= 1024


def _is_text(head: bytes) -> bool:
    """Readable characters and nothing else."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\r\n\t\ufeff" for c in text)


def _refuse_junk(files: Sequence[NamedFile]) -> None:
    if all(is_macos_companion(f.name) or _path_of(f.name).name.casefold() in _SYSTEM_FILES for f in files):
        raise NoFiles("The upload holds no slices.")
    raise UnsupportedType(f"None of the {len(files)} files is DICOM, JPEG or PNG.")
