"""What may come in: limits, and archives opened without trusting them."""

import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.ct.errors import NoFiles, TooLarge, TooManyFiles, UnsafeArchive, UnsupportedType
from app.ct.reading.files import NamedFile, named
from app.ct.reading.kinds import HEAD_BYTES, ZIP, Kind, is_folder, is_macos_companion, kind_of, kind_told
from app.ct.words import sentence

MEGABYTE = 2**20
_CHUNK_BYTES = MEGABYTE
_NESTED = re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)|\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!")
_ARCHIVE_NAME = re.compile(r"\.(zip|gz|tgz|bz2|tbz2?|xz|txz|7z|rar)$", re.IGNORECASE)
# End of the central directory, its comment at most 65535 bytes long (APPNOTE 4.3.16), and the zip64 parts before it.
_END, _END_BYTES, _COMMENT_BYTES = b"PK\x05\x06", 22, 65535
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_END64, _END64_BYTES = b"PK\x06\x06", 56
# Room for a name and extra fields of an ordinary length; what is longer on average is made to exhaust memory.
_DIRECTORY_BYTES_PER_FILE = 1024


@dataclass(frozen=True)
class Limits:
    """How much one upload may hold.

    Attributes:
        max_files: files sent, and files in the archive.
        max_upload_mb: all files together, as sent.
        max_file_mb: one file, or one file of the archive once inflated: a volume of 1000 slices, or as many in one DICOM
            file; none of them is ever whole in memory.
        max_unpacked_mb: all files of the archive once inflated.
        max_ratio: inflated over compressed size of the archive, where it inflates to more than ``ratio_floor_mb``.
            CT slices reach 2 to 5, blank ones more; deflate itself ends at 1032.
    """

    max_files: int = 4096
    max_upload_mb: int = 1024
    max_file_mb: int = 1024
    max_unpacked_mb: int = 4096
    max_ratio: int = 100
    ratio_floor_mb: int = 64


def unpack(
    files: Sequence[NamedFile], limits: Limits, *, spool: Path, on_read: Callable[[], None] = lambda: None
) -> list[NamedFile]:
    """The files of an upload, a ZIP opened.

    Args:
        files: as sent.
        limits: what is more is refused.
        spool: an existing, empty folder for the files of the archive; they are named by their number, and the caller
            removes it, also after an error.
        on_read: called with every megabyte; what it raises ends the unpacking.

    Returns:
        ``files`` themselves, or the archive's files without directories and what macOS adds, and what lay beside the archive.
        Hidden files stay: what is a slice, the reader decides by their bytes, and counts what it leaves out.

    Raises:
        NoFiles: nothing was sent, or an archive without files.
        TooManyFiles, TooLarge: beyond the limits.
        UnsupportedType: several archives, or an archive among other files.
        UnsafeArchive: encrypted, nested, with links, inflating absurdly, or damaged.
    """
    check_limits(files, limits)
    # What a viewer brings along (.jar) may be an archive too.
    archives = [n for n, f in enumerate(files, start=1) if is_archive(f) and kind_of(f) is not Kind.JUNK]
    if not archives:
        return list(files)
    junk = [f for f in files if kind_of(f) is Kind.JUNK]
    if len(files) - len(junk) > 1:
        raise UnsupportedType(
            sentence("{files} is an archive; send one ZIP alone, or no ZIP.", files=named(archives, len(files)))
        )
    return [*_unpacked(files[archives[0] - 1], limits, spool, on_read), *junk]


def check_limits(files: Sequence[NamedFile], limits: Limits) -> None:
    """Refuse an upload that is empty or beyond the limits as sent.

    Raises:
        NoFiles, TooManyFiles, TooLarge.
    """
    if not files:
        raise NoFiles(sentence("The upload holds no files."))
    if len(files) > limits.max_files:
        raise TooManyFiles(
            sentence(
                "The upload holds {count} files; at most {most} are taken.", count=len(files), most=limits.max_files
            )
        )
    sizes = [f.size for f in files]
    if sum(sizes) > limits.max_upload_mb * MEGABYTE:
        raise TooLarge(sentence("The upload is larger than {most} MB.", most=limits.max_upload_mb))
    too_large = [
        number
        for number, (file, size) in enumerate(zip(files, sizes, strict=True), start=1)
        if size > limits.max_file_mb * MEGABYTE and not is_archive(file)
    ]
    if too_large:
        raise TooLarge(
            sentence("{files}: larger than {most} MB.", files=named(too_large, len(files)), most=limits.max_file_mb)
        )


def is_archive(file: NamedFile) -> bool:
    """Whether a file is a ZIP, told by its bytes."""
    with file.open() as opened:
        return opened.read(4) in ZIP


def _unpacked(file: NamedFile, limits: Limits, spool: Path, on_read: Callable[[], None]) -> list[NamedFile]:
    """Extract the files of the archive into ``spool``."""
    budget = min(limits.max_unpacked_mb * MEGABYTE, max(limits.ratio_floor_mb * MEGABYTE, limits.max_ratio * file.size))
    unpacked: list[NamedFile] = []
    with file.open() as opened:
        archive = _opened(opened, limits)
        for member in _members(archive, limits):
            path = spool / f"{len(unpacked) + 1:04d}"
            budget -= _extract(archive, member, path, limits=limits, budget=budget, on_read=on_read)
            unpacked.append(NamedFile(member.filename, path))
    if not unpacked:
        raise NoFiles(sentence("The archive holds no files."))
    _check_nested(unpacked)
    return unpacked


def _check_nested(unpacked: Sequence[NamedFile]) -> None:
    """Refuse archives in the archive, except those that call themselves so and lie beside DICOM slices.

    The reader leaves them out and counts them, as what else a CD holds besides slices. None of them is ever opened.
    """
    nested = [f for f in unpacked if _is_nested(f)]
    beside_slices = bool(nested) and any(kind_of(f) is Kind.DICOM for f in unpacked)
    if any(not (beside_slices and _ARCHIVE_NAME.search(f.name)) for f in nested):
        raise UnsafeArchive(sentence("The archive holds another archive."))


def _opened(opened: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    """The archive, its list of files read once it is known not to be absurdly long."""
    try:
        directory_bytes = max(_directory_sizes(opened), default=0)
        if directory_bytes <= limits.max_files * _DIRECTORY_BYTES_PER_FILE:
            return zipfile.ZipFile(opened)
    except Exception as error:
        raise UnsafeArchive(sentence("The archive is damaged.")) from error
    raise TooManyFiles(sentence("The archive lists too many files; at most {most} are taken.", most=limits.max_files))


def _directory_sizes(opened: BinaryIO) -> Iterator[int]:
    """What every end record that could be meant says of the size of the list of files, in bytes."""
    size = opened.seek(0, 2)
    start = max(0, size - _END_BYTES - _COMMENT_BYTES)
    opened.seek(start)
    tail = opened.read()
    for found in re.finditer(re.escape(_END), tail):
        at = found.start()
        yield int.from_bytes(tail[at + 12 : at + 16], "little") % 0xFFFFFFFF
        yield from _directory_sizes_64(opened, start + at - _LOCATOR_BYTES)


def _directory_sizes_64(opened: BinaryIO, at: int) -> Iterator[int]:
    """The same of a zip64 end record: readers look for it where the locator at ``at`` points, or right before that."""
    opened.seek(max(0, at))
    locator = opened.read(_LOCATOR_BYTES)
    if not locator.startswith(_LOCATOR):
        return
    for place in (int.from_bytes(locator[8:16], "little"), at - _END64_BYTES):
        opened.seek(max(0, place))
        end = opened.read(_END64_BYTES)
        if end.startswith(_END64):
            yield int.from_bytes(end[40:48], "little")


def _members(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """The files of the archive that may be slices; none is opened before all are allowed."""
    found = [m for m in archive.infolist() if not is_folder(m)]
    members = [m for m in found if not is_macos_companion(m.filename)]
    if len(members) > limits.max_files:
        raise TooManyFiles(
            sentence(
                "The archive holds {count} files; at most {most} are taken.", count=len(members), most=limits.max_files
            )
        )
    for member in members:
        _check_member(member)
    return members


def _check_member(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 0x1:
        raise UnsafeArchive(sentence("The archive is encrypted."))
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UnsafeArchive(sentence("The archive holds links or other things that are not files."))
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsafeArchive(sentence("The archive is compressed in an unusual way."))


def _extract(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    path: Path,
    *,
    limits: Limits,
    budget: int,
    on_read: Callable[[], None],
) -> int:
    """Write one file of the archive to ``path``, counting real bytes; what the archive says of sizes is not trusted."""
    written = 0
    with path.open("xb") as target:
        for chunk in _chunks(archive, member):
            on_read()
            written += len(chunk)
            if written > limits.max_file_mb * MEGABYTE:
                raise TooLarge(sentence("A file of the archive is larger than {most} MB.", most=limits.max_file_mb))
            if written > budget:
                raise UnsafeArchive(sentence("The archive inflates to far more than it should."))
            target.write(chunk)
    return written


def _is_nested(file: NamedFile) -> bool:
    """Whether a file of the archive is an archive itself: no compressed volume, and nothing a viewer brings along."""
    with file.open() as opened:
        begin = opened.read(HEAD_BYTES)
    return bool(_NESTED.match(begin)) and kind_told(file.name, begin) not in (Kind.VOLUME, Kind.JUNK)


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of one file; only what goes wrong while reading is the archive's fault."""
    try:
        with archive.open(member) as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk
    except Exception as error:
        raise UnsafeArchive(sentence("The archive is damaged.")) from error
