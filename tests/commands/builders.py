"""Exams on disk, small and all defaulted."""

from pathlib import Path

from app.commands.given import GivenExam
from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files, write
from tests.builders import a_zip


def a_folder(path: Path, *, slices: int = 5) -> Path:
    """A small synthetic exam as JPEG."""
    write(jpeg_files(phantom(slices=slices, size=128)), path)
    return path


def a_zip_file(path: Path) -> Path:
    path.write_bytes(a_zip((f.name, f.read()) for f in jpeg_files(phantom(slices=5, size=128))))
    return path


def a_refused_folder(path: Path) -> Path:
    """An exam with a picture that is cut off."""
    first = sorted(a_folder(path).iterdir())[0]
    first.write_bytes(first.read_bytes()[:200])
    return path


def given(*paths: Path) -> list[GivenExam]:
    return [GivenExam.of([path]) for path in paths]
