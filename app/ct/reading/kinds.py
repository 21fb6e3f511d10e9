"""What each file of an upload is, told by its bytes."""

import codecs
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import PurePosixPath

from app.ct.errors import NoFiles, UnevenExam, UnsupportedType
from app.ct.reading.files import NamedFile, NumberedFile, named
from app.ct.reading.metaimage import is_metaimage, values_among
from app.ct.reading.names import SLICE_SUFFIX, NamesOfSlices
from app.ct.reading.nifti import version_of
from app.ct.words import counted, sentence
from app.ct.workers.plain import carried

# Enough for the header of a volume, compressed too.
HEAD_BYTES = 4096
_TOLD_BYTES = 512
_FOREIGN = re.compile(
    rb"NRRD|%PDF|GIF8|BM|II\*\0|MM\0\*|PK\x03\x04|PK\x05\x06|PK\x07\x08|\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|MZ|\x7fELF|RIFF|\xd0\xcf\x11\xe0"
    rb"|ID3|OggS|\x89HDF|\x93NUMPY|....ftyp|SQLite format 3|\xca\xfe\xba\xbe|\x1a\x45\xdf\xa3"
    # Programs of macOS; key stores and modules of Java.
    rb"|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xfe\xed\xfe\xed|\xce\xce\xce\xce|\xca\xfe\xda\xda|\xda\xda\xfe\xca",
    re.DOTALL,
)
# The class of a DICOMDIR in its own meta group: Media Storage Directory Storage (PS3.4 annex I).
_DIRECTORY = b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"
# What CD burners, viewers and file managers put beside slices; a slice of such a name is told by its bytes.
_JUNK_NAMES = {"dicomdir", "thumbs.db", "desktop.ini", "autorun.inf", "lockfile", "version", "icon\r"}
VOLUME_SUFFIX = re.compile(r"\.(nii|nii\.gz|mha)$", re.IGNORECASE)
"""Of files that are a whole volume each, where all that is looked at is the name."""
_JUNK_SUFFIXES = re.compile(
    r"\.(txt|csv|tsv|xml|x?html?|json|ya?ml|md|log|ini|inf|cfg|config|properties|manifest|css|js|exe|dll|so|dylib|jar"
    r"|class|bat|sh|ico|icns|pdf|rtf|docx?|xlsx?|chm|hlp|url|lnk|db|com|sys|ocx|cab|msi|pak|ttf|otf|woff2?|eot|svg|plist|map)",
    re.IGNORECASE,
)
# Of these, the ones that are ZIP archives themselves.
_ARCHIVED_SUFFIXES = re.compile(r"\.(jar|docx|xlsx)", re.IGNORECASE)
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# Value representations a big-endian data set without preamble may begin with; others are no group 0008.
_EXPLICIT = {b"UL", b"CS", b"UI", b"DA", b"TM", b"DT", b"LO", b"SH"}
# Text in another coding than UTF-8 holds blanks and digits at least, and none of the control characters of pixels.
_CONTROLS, _PLAIN, _LEAST_PLAIN = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]"), re.compile(rb"[\t\n\r -~]"), 0.1
# What macOS and file servers put beside a file.
_COMPANION = b"\x00\x05\x16\x07"
_SYSTEM_FILES = {".ds_store", "thumbs.db", "desktop.ini", "icon\r"}


@carried
class Kind(Enum):
    """What a file is; ``LOST`` is readable text under a slice's suffix, such as an error page or a pointer to the slice."""

    DICOM = auto()
    IMAGE = auto()
    VOLUME = auto()
    JUNK = auto()
    LOST = auto()
    FOREIGN = auto()
    EMPTY = auto()
    UNKNOWN = auto()


# So many pictures beside a volume are previews of it; more may be an exam.
_MOST_PREVIEWS = 2
_OF_SLICES = (Kind.DICOM, Kind.IMAGE, Kind.VOLUME)
_BESIDE_DICOM = (Kind.IMAGE, Kind.VOLUME, Kind.FOREIGN)


@dataclass(frozen=True)
class KnownFile(NumberedFile):
    """A file of the upload and what it is."""

    kind: Kind


@dataclass(frozen=True)
class Sorted:
    """An upload's files once told apart.

    Attributes:
        kind: what the slices are, ``Kind.DICOM``, ``Kind.IMAGE`` or ``Kind.VOLUME``.
        slices: files of that kind, and files that are empty or of no known kind, so that the reader can name them all.
        junk: how many files were left out because they are no slices.
        beside: how many pictures, volumes and foreign files were left out because they lie beside DICOM files, or
            pictures because they lie beside a volume.
    """

    kind: Kind
    slices: tuple[KnownFile, ...]
    junk: int
    beside: int


def sort_files(files: Sequence[NamedFile]) -> Sorted:
    """Tell slices from what comes along with them.

    Raises:
        NoFiles: nothing but what file managers leave behind, or the table of contents of a CD without its slices.
        UnsupportedType: a file of a kind that is not read and that may well be a slice.
        UnevenExam: pictures and volumes together.
    """
    known = [KnownFile(number, file, kind_of(file)) for number, file in enumerate(files, start=1)]
    values = values_among([k for k in known if k.kind not in _OF_SLICES], [k for k in known if k.kind is Kind.VOLUME])
    known = [replace(k, kind=Kind.UNKNOWN) if k.number in values else k for k in known]
    kinds = {k.kind for k in known}
    # Among slices a lost one must not go missing; where there are none, it is a file of another kind.
    lost = Kind.JUNK if kinds.isdisjoint(_OF_SLICES) else Kind.UNKNOWN
    known = [replace(k, kind=lost) if k.kind is Kind.LOST else k for k in known]
    leading = Kind.DICOM if Kind.DICOM in kinds else Kind.IMAGE
    names = NamesOfSlices.of([path_of(k.file.name) for k in known if k.kind is leading])
    if leading in kinds:
        known = [replace(k, kind=Kind.UNKNOWN) if _is_lost(k, names) else k for k in known]
    junk = sum(k.kind is Kind.JUNK for k in known)
    if leading is Kind.DICOM:
        slices = tuple(k for k in known if _is_of_dicom(k, names))
        junk = sum(k.kind not in _BESIDE_DICOM for k in known) - sum(k.kind not in _BESIDE_DICOM for k in slices)
        return Sorted(Kind.DICOM, slices, junk, len(known) - len(slices) - junk)
    if junk == len(known):
        _refuse_junk(files)
    foreign = [k.number for k in known if k.kind is Kind.FOREIGN]
    if foreign:
        raise UnsupportedType(sentence("{files} is of a kind that is not read here.", files=named(foreign, len(files))))
    pictures = sum(k.kind is Kind.IMAGE for k in known)
    if Kind.VOLUME in kinds and pictures <= _MOST_PREVIEWS:
        parts = tuple(k for k in known if k.kind not in (Kind.JUNK, Kind.IMAGE))
        return Sorted(Kind.VOLUME, parts, junk, pictures)
    if Kind.VOLUME in kinds:
        raise UnevenExam(
            sentence("The upload holds both pictures and a volume; which of them is the exam cannot be known.")
        )
    kind = Kind.IMAGE if pictures else Kind.DICOM
    return Sorted(kind, tuple(k for k in known if k.kind is not Kind.JUNK), junk, 0)


def _is_lost(file: KnownFile, names: NamesOfSlices) -> bool:
    """Whether a file is readable text under the name of a slice: what came instead of it, which must not go missing."""
    path = path_of(file.file.name)
    if file.kind is not Kind.JUNK or is_macos_companion(file.file.name) or not names.is_like_one(path):
        return False
    with file.file.open() as opened:
        head = opened.read(_TOLD_BYTES)
    return _is_text(head) and not _is_junk_name(path, head)


def _is_of_dicom(file: KnownFile, names: NamesOfSlices) -> bool:
    """Whether a file beside DICOM files is one, or a damaged or packed one by its name, which must not go missing."""
    path = path_of(file.file.name)
    match file.kind:
        case Kind.DICOM:
            return True
        case Kind.EMPTY | Kind.UNKNOWN:
            return names.may_be_one(path)
        case Kind.IMAGE | Kind.VOLUME | Kind.FOREIGN:
            # Programs and logos may have no suffix either, and lie beside slices.
            return names.is_one(path)
        case _:
            return False


def kind_of(file: NamedFile) -> Kind:
    """What ``file`` is."""
    if is_macos_companion(file.name):
        return Kind.JUNK
    with file.open() as opened:
        return kind_told(file.name, opened.read(HEAD_BYTES))


def kind_told(name: str, head: bytes) -> Kind:
    """What a file is, by its first bytes; its name counts only for what is known never to be a slice.

    Args:
        name: as sent.
        head: ``HEAD_BYTES``, or all bytes of a smaller file.
    """
    if is_macos_companion(name):
        return Kind.JUNK
    kind = _kind_of_bytes(head)
    may_be_slices = kind in _OF_SLICES
    if _is_junk_name(path_of(name), head) and not may_be_slices:
        return Kind.JUNK
    is_lost = kind is Kind.JUNK and _is_text(head[:_TOLD_BYTES]) and SLICE_SUFFIX.fullmatch(path_of(name).suffix)
    return Kind.LOST if is_lost else kind


def _is_junk_name(path: PurePosixPath, head: bytes) -> bool:
    """Whether a name is one that no slice has; an archive may have any, but for those of programs and documents."""
    if path.name.casefold() in _JUNK_NAMES or path.name.startswith("."):
        return True
    suffixes = _ARCHIVED_SUFFIXES if head.startswith(ZIP) else _JUNK_SUFFIXES
    return bool(suffixes.fullmatch(path.suffix))


def is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether an entry is a folder, also as some programs for Windows write it; ``is_dir`` fails on a name that is empty."""
    return member.filename.endswith("/") or (member.filename.endswith("\\") and not member.file_size)


def is_macos_companion(name: str) -> bool:
    """Whether a file is what macOS puts beside another one (``__MACOSX/``, ``._name``); it never holds a slice."""
    path = path_of(name)
    return "__MACOSX" in path.parts or path.name.startswith("._")


def path_of(name: str) -> PurePosixPath:
    """A file's name as a path, also as Windows writes it."""
    return PurePosixPath(name.replace("\\", "/"))


def _kind_of_bytes(head: bytes) -> Kind:
    if not head:
        return Kind.EMPTY
    if _DIRECTORY in head[:_TOLD_BYTES] or head.startswith(_COMPANION):
        return Kind.JUNK
    if head[128:132] == b"DICM" or _starts_like_a_data_set(head):
        return Kind.DICOM
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return Kind.IMAGE
    if version_of(head) is not None or is_metaimage(head):
        return Kind.VOLUME
    if _FOREIGN.match(head):
        return Kind.FOREIGN
    return Kind.JUNK if _is_text(head[:_TOLD_BYTES]) else Kind.UNKNOWN


def _starts_like_a_data_set(head: bytes) -> bool:
    """DICOM without preamble: a first element of group 0002 or 0008 (PS3.5 7.1)."""
    if len(head) >= 12 and head[:2] == b"\x00\x08":
        return head[4:6] in _EXPLICIT
    if len(head) < 12 or head[:2] not in (b"\x02\x00", b"\x08\x00"):
        return False
    length = int.from_bytes(head[4:8], "little")
    return (head[4:6].isalpha() and head[4:6].isupper()) or length <= 1024


def _is_text(head: bytes) -> bool:
    """Readable characters and nothing else, also in a coding of old Windows."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return not _CONTROLS.search(head) and len(_PLAIN.findall(head)) >= _LEAST_PLAIN * len(head)
    return all(c.isprintable() or c in "\r\n\t\ufeff" for c in text)


def _refuse_junk(files: Sequence[NamedFile]) -> None:
    if all(is_macos_companion(f.name) or path_of(f.name).name.casefold() in _SYSTEM_FILES for f in files):
        raise NoFiles(sentence("The upload holds no slices."))
    if any(_is_directory(f) for f in files):
        raise NoFiles(
            sentence("The upload holds the table of contents of a CD (DICOMDIR), but none of the slices it lists.")
        )
    raise UnsupportedType(
        counted(
            "The file is not DICOM, JPEG, PNG, NIfTI or MetaImage.",
            "None of the {count} files is DICOM, JPEG, PNG, NIfTI or MetaImage.",
            count=len(files),
        )
    )


def _is_directory(file: NamedFile) -> bool:
    with file.open() as opened:
        return _DIRECTORY in opened.read(_TOLD_BYTES)
