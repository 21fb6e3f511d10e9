"""What the files of a data set are by their names, and what an archive holds."""

import lzma
import zipfile
import zlib
from pathlib import Path

from app.ct.errors import Unreadable
from app.ct.reading import NamedFile
from app.ct.reading.kinds import VOLUME_SUFFIX, is_folder
from app.ct.reading.walking import files_below
from app.ct.words import sentence

HEADER_SUFFIX, DATA_SUFFIXES = ".mhd", (".raw", ".zraw")
"""Of a volume (MetaImage) whose header is a file of its own, and of its pixels."""
_LARGEST_EXAM = 4 * 2**30
"""Bytes: a ZIP that says it holds more is not opened."""


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP by its name."""
    return path.suffix.lower() == ".zip" and path.is_file()


def is_volume(path: Path) -> bool:
    """Whether a file holds many slices, itself or beside it, by its name."""
    return bool(VOLUME_SUFFIX.search(path.name) or path.suffix.lower() == HEADER_SUFFIX) and path.is_file()


def is_data_of(path: Path, header: Path) -> bool:
    """Whether a file holds, by its name, the pixels of the volume whose header lies beside it."""
    return path.stem == header.stem and path.suffix.lower() in DATA_SUFFIXES


def beside_header(path: Path) -> list[Path]:
    """A file, and where it is the header of a volume (MetaImage) the files beside it that may hold the pixels."""
    if path.suffix.lower() != HEADER_SUFFIX or not path.is_file():
        return [path]
    return [path, *(p for p in sorted(path.parent.iterdir()) if is_data_of(p, path))]


def files_of(folder: Path) -> list[NamedFile]:
    """The files in a folder, at any depth, by their paths in it, as serving names them: two folders may each hold a ``1.dcm``.

    Raises:
        Unreadable: a folder in it cannot be opened.
    """
    return [NamedFile(p.relative_to(folder).as_posix(), p) for p in sorted(files_below(folder, _refuse))]


def _refuse(error: OSError) -> None:
    raise Unreadable(sentence("A folder of the exam cannot be opened.")) from error


def members(path: Path) -> list[NamedFile]:
    """The files in a ZIP, in the order of their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted((m for m in archive.infolist() if not is_folder(m)), key=lambda m: m.filename)
            if sum(m.file_size for m in members) > _LARGEST_EXAM:
                raise Unreadable(sentence("The archive holds more than an exam."))
            return [NamedFile(m.filename, archive.read(m)) for m in members if not m.filename.startswith("__MACOSX")]
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        OSError,
        RuntimeError,
        NotImplementedError,
        EOFError,
    ) as error:
        raise Unreadable(sentence("The archive cannot be opened.")) from error
