"""The exams that are sent: a synthetic one of 300 raw DICOM slices, real ones where they are, a single picture."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, jpeg_files, write
from app.ct.reading.files import NamedFile

RAW_SLICES = 300
RAW = f"phantom, {RAW_SLICES} raw DICOM slices"
_REAL = {
    "P002": "P002, JPEG lossless DICOM",
    "normal002-jpeg": "normal002, JPEG",
    "cap002-jpeg": "cap002, JPEG",
    "lidc0001-jpeg": "lidc0001, JPEG",
}


@dataclass(frozen=True)
class SentExam:
    """One exam on disk.

    Attributes:
        name: for tables.
        files: to send, in the order of their names.
        is_real: whether it is of a person.
    """

    name: str
    files: tuple[NamedFile, ...]
    is_real: bool = False

    @property
    def megabytes(self) -> float:
        """All files together."""
        return sum(file.size for file in self.files) / 1e6

    def zipped(self, path: Path) -> NamedFile:
        """The exam as an ordinary, deflated ZIP, written to ``path``."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in self.files:
                archive.writestr(f"exam/{file.name}", file.read())
        return NamedFile("exam.zip", path)


@dataclass(frozen=True)
class Supply:
    """The exams there are, and a sentence on each one that is absent."""

    exams: tuple[SentExam, ...]
    absent: tuple[str, ...]


def supply(work: Path, *, real: Path, raw_slices: int = RAW_SLICES, size: int = 512) -> Supply:
    """Draw the synthetic exams into ``work`` and look for the real ones.

    Args:
        work: a folder to write to.
        real: folder of the real exams, which need not exist.
        raw_slices, size: of the raw DICOM exam.
    """
    chest = phantom(slices=raw_slices, lesions="few", size=size)
    picture = phantom(slices=1, lesions="many", size=size)
    drawn = [
        SentExam(RAW, tuple(_named(write(dicom_files(chest), work / "raw")))),
        SentExam("a single JPEG", tuple(_named(write(jpeg_files(picture), work / "single")))),
    ]
    found = [SentExam(name, tuple(_named(_inside(real / key))), is_real=True) for key, name in _REAL.items()]
    absent = tuple(f"{exam.name}: not on this machine, left out." for exam in found if not exam.files)
    return Supply((drawn[0], *(exam for exam in found if exam.files), drawn[1]), absent)


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _named(paths: list[Path]) -> Iterator[NamedFile]:
    return (NamedFile(path.name, path) for path in paths)
