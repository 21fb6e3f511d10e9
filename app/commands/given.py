"""Which exams the paths on a command line are, and which files each of them holds."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.commands import Misuse
from app.ct.errors import Unreadable
from app.ct.reading.files import NamedFile, named, natural_key
from app.ct.reading.kinds import VOLUME_SUFFIX, Kind, is_macos_companion, kind_of
from app.ct.reading.walking import files_below, folders_below
from app.ct.words import sentence
from app.uploads import is_archive

_LOOSE = -1


@dataclass(frozen=True)
class GivenExam:
    """One exam as it was given.

    Attributes:
        name: the path as given; of loose files the first one's, and how many more there are.
        paths: a folder, a ZIP or a volume; or loose files.
    """

    name: str
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "GivenExam":
        """The exam that lies at ``paths``."""
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return cls(f"{shown(paths[0])}{more}", tuple(paths))

    def files(self) -> list[NamedFile]:
        """The exam's files, listed anew.

        Raises:
            Unreadable: a file or folder cannot be opened.
        """
        return exam_files(self.paths)


@dataclass(frozen=True)
class Given:
    """What one call is about.

    Attributes:
        exams: in the order they are diagnosed.
        paths: as given.
        is_one: whether there is a single exam, whose results need no name; never so after ``--each``, as what lies
            inside may be more the next time.
    """

    exams: tuple[GivenExam, ...]
    paths: tuple[Path, ...]
    is_one: bool

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Given":
        """``paths`` themselves; raises as ``given_exams`` does."""
        exams = given_exams(paths)
        return cls(tuple(exams), tuple(paths), len(exams) == 1)

    @classmethod
    def each(cls, paths: Sequence[Path], *, tell: Callable[[str], None]) -> "Given":
        """What lies directly inside ``paths``; raises as ``exams_inside`` does."""
        return cls(tuple(exams_inside(paths, tell=tell)), tuple(paths), False)

    def would_read(self, folders: Sequence[Path]) -> list[Path]:
        """Which of ``folders``, made or not, the same call would read next time: they are or lie in what was given."""
        within = {_identity(at) for path in self.paths if path.is_dir() for at, _ in folders_below(path, None)} - {None}
        # Loose slices are mostly given as *, and what lies beside them is then given too.
        beside = {_identity(path.parent) for path in self.paths if not path.is_dir() and not _is_exam(path)} - {None}

        def is_read(folder: Path) -> bool:
            real = folder.resolve()
            return _identity(real) in beside or any(_identity(at) in within for at in (real, *real.parents))

        return [folder for folder in folders if is_read(folder)]


def given_exams(paths: Sequence[Path]) -> list[GivenExam]:
    """The exams at ``paths``: every folder, ZIP and volume is one, all other files together are one.

    Raises:
        Misuse: a path does not exist, or is neither a file nor a folder.
    """
    _check(paths)
    groups: dict[int, list[Path]] = {}
    for number, path in enumerate(paths):
        groups.setdefault(number if _is_exam(path) else _LOOSE, []).append(path)
    return [GivenExam.of(group) for group in groups.values()]


def exams_inside(paths: Sequence[Path], *, tell: Callable[[str], None]) -> list[GivenExam]:
    """The exams directly inside the folders of ``paths``, beside those that ``paths`` names itself.

    Args:
        paths: as given.
        tell: is told of files beside the exams that may be slices; they belong to no exam.

    Returns:
        Every sub-folder, ZIP and volume in the natural order of their names; then the exams of files given beside folders.

    Raises:
        Misuse: a path does not exist, is neither a file nor a folder or cannot be opened, or there is no exam.
    """
    _check(paths)
    inside = [p for folder in paths if folder.is_dir() for p in _listed(folder)]
    found = [p for p in inside if _is_exam(p)]
    exams = [GivenExam.of([p]) for p in found] + given_exams([path for path in paths if not path.is_dir()])
    if not exams:
        raise Misuse("There is no sub-folder, ZIP or volume inside; without --each a folder itself is one exam.")
    known = set(found)
    beside = sum(_may_be_slice(p) for p in inside if p not in known)
    if beside:
        tell(f"{beside} files lie beside the exams, belong to none of them and are left out.")
    return exams


def _check(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.stat()
        except FileNotFoundError as error:
            raise Misuse(f"{shown(path)} does not exist.") from error
        except OSError as error:
            raise Misuse(f"{shown(path)} cannot be looked at ({error.strerror}).") from error
        if _is_special(path):
            raise Misuse(f"{shown(path)} is neither a file nor a folder.")


def _listed(folder: Path) -> list[Path]:
    """What lies directly inside; pipes, devices and what macOS adds are no part of an exam."""
    try:
        inside = [p for p in folder.iterdir() if not is_macos_companion(p.name) and not _is_special(p)]
    except OSError as error:
        raise Misuse(f"{shown(folder)} cannot be opened ({error.strerror}).") from error
    return sorted(inside, key=lambda p: natural_key(p.name))


def _is_special(path: Path) -> bool:
    """Whether ``path`` is a pipe, a device or the like: opening one may wait forever, reading one may never end."""
    return path.exists() and not path.is_file() and not path.is_dir()


def exam_files(paths: Sequence[Path]) -> list[NamedFile]:
    """The files of ``paths``, folders opened, in the order of their names.

    Hidden files are among them: what is a slice, the reader decides by their bytes, and counts what it leaves out.

    Raises:
        Unreadable: a file or folder cannot be opened; were it passed over, a part of the exam could be missing.
    """
    files = [file for path in paths for file in _files(path)]
    closed = [number for number, file in enumerate(files, start=1) if not _can_be_opened(file)]
    if closed:
        raise Unreadable(sentence("{files}: cannot be opened.", files=named(closed, len(files))))
    return files


def _is_exam(path: Path) -> bool:
    if path.is_dir() or VOLUME_SUFFIX.search(path.name):
        return True
    return path.is_file() and _can_be_opened(file := NamedFile(path.name, path)) and is_archive(file)


def _may_be_slice(path: Path) -> bool:
    file = NamedFile(path.name, path)
    return not _can_be_opened(file) or kind_of(file) is not Kind.JUNK


def _files(path: Path) -> Iterator[NamedFile]:
    if not path.is_dir():
        yield NamedFile(path.name, _real(path))
        return
    for inside in sorted(files_below(path, _refuse_folder)):
        # What a link leads to: workers are lent no file by way of one.
        yield NamedFile(inside.relative_to(path).as_posix(), _real(inside))


def _real(path: Path) -> Path:
    """What a link leads to; of one that leads in a circle, some link of it."""
    return Path(os.path.realpath(path))  # not ``resolve``, which takes a circle for a fault of the program


def _identity(path: Path) -> tuple[int, int] | None:
    """What is the same for all names of one folder; None where there is no folder yet."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _refuse_folder(error: OSError) -> None:
    raise Unreadable(sentence("A folder of the exam cannot be opened.")) from error


def _can_be_opened(file: NamedFile) -> bool:
    try:
        file.open().close()
    except OSError:
        return False
    return True


def shown(path: Path) -> str:
    """A path to print: what is not text or would steer a terminal is replaced."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
