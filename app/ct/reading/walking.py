"""All files below a folder, behind links too."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Every file below ``folder``, and every link that leads nowhere; ``on_error`` is told of a folder that does not open."""
    for at, names in folders_below(folder, on_error):
        yield from (path for name in names if (path := at / name).is_file() or path.is_symlink())


def folders_below(folder: Path, on_error: Callable[[OSError], None] | None) -> Iterator[tuple[Path, list[str]]]:
    """``folder`` and every folder below it, with the names in it; links are followed, each folder is walked once."""
    seen: set[tuple[int, int]] = set()
    for at, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        status = Path(at).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        yield Path(at), names
