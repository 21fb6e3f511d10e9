"""The exams that are sent: a synthetic one of 300 raw DICOM slices, real ones where they are, a single picture."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files, write
from app.ct.reading.files import NamedFile

RAW_SLICES = 300
RAW = f"phantom, {RAW_SLICES} raw DICOM slices"
SINGLE = "a single JPEG"
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
        archive: the same in an ordinary, deflated ZIP.
        is_real: whether it is of a person.
    """

    name: str
    files: tuple[NamedFile, ...]
    archive: NamedFile
    is_real: bool

    @classmethod
    def of(cls, name: str, paths: Sequence[Path], *, archive: Path, is_real: bool) -> "SentExam":
        """The files of ``paths``, also written to the ZIP ``archive``."""
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            for path in paths:
                opened.write(path, f"exam/{path.name}")
        files = tuple(NamedFile(path.name, path) for path in paths)
        return cls(name, files, NamedFile("exam.zip", archive), is_real)


@dataclass(frozen=True)
class Supply:
    """The exams there are, and a sentence on each one that is absent."""

    exams: tuple[SentExam, ...]
    absent: tuple[str, ...]


def supply(work: Path, *, raw: Sequence[NamedFile], real: Path, size: int = 512) -> Supply:
    """Gather the exams, each also as a ZIP in ``work``.

    Args:
        work: a folder to write to.
        raw: the slices of the raw DICOM exam, on disk.
        real: folder of the real exams, which need not exist.
        size: of the single picture.
    """
    picture = phantom(slices=1, lesions="many", size=size)
    single = write(jpeg_files(picture), work / "single")
    found = {key: _inside(real / key) for key in _REAL}
    return Supply(
        (
            SentExam.of(RAW, [Path(str(file.content)) for file in raw], archive=work / "raw.zip", is_real=False),
            *(
                SentExam.of(_REAL[key], paths, archive=work / f"{key}.zip", is_real=True)
                for key, paths in found.items()
                if paths
            ),
            SentExam.of(SINGLE, single, archive=work / "single.zip", is_real=False),
        ),
        tuple(f"{_REAL[key]}: not on this machine, left out." for key, paths in found.items() if not paths),
    )


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
