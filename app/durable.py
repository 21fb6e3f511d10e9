"""What survives a loss of power: files and the folders that name them, written through to the disk."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_AT_ONCE = 8
"""Files that are written through together: a journal commits those that wait for it as one."""


def sync_tree(folder: Path) -> None:
    """Return once every file and folder from ``folder`` downwards is on the disk, and its name in the folder above.

    Raises:
        OSError: the disk refuses; what is there may not last.
    """
    inside = [path for path in folder.rglob("*") if not path.is_symlink()]
    files = [path for path in inside if path.is_file()]
    # Names come after what they name.
    folders = sorted((path for path in inside if path.is_dir()), key=lambda path: len(path.parts), reverse=True)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(sync, files))
    for path in (*folders, folder, folder.parent):
        sync(path)


def sync(path: Path) -> None:
    """Return once a file's bytes, or a folder's names, are on the disk.

    Raises:
        OSError: the disk refuses.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
