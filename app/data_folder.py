"""The data folder: what lies in it under which name, who holds it, and that nobody else reads it."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.ct.errors import StoreInUse

EXAMS = "exams"
"""The folder of the exams' folders."""
AUDIT_FILE = "audit.jsonl"
_LOCK = "lock"


def hold(data_dir: Path) -> int:
    """A descriptor that holds the folder for this process alone, also after a kill no longer than it lives.

    Raises:
        StoreInUse: another has it.
        OSError: the folder cannot be written.
    """
    keep_private(data_dir / _LOCK)
    opened = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(opened)
        raise StoreInUse from error
    return opened


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the folder for a while.

    Raises:
        StoreInUse: another has it.
    """
    opened = hold(data_dir)
    try:
        yield
    finally:
        os.close(opened)


def is_held(data_dir: Path) -> bool:
    """Whether another process holds the folder, or this one; nothing is made."""
    try:
        opened = os.open(data_dir / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def keep_private(path: Path) -> None:
    """Take the rights of everybody but its owner from what is at ``path``, if anything is.

    Raises:
        OSError: it cannot be done, such as by another than its owner.
    """
    if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        path.chmod(mode & 0o700)


def holds_exams(data_dir: Path) -> bool:
    """Whether there are folders of exams, or lines of their audit log."""
    log, folders = data_dir / AUDIT_FILE, data_dir / EXAMS
    has_lines = log.exists() and log.stat().st_size > 0
    return has_lines or (folders.is_dir() and any(path.is_dir() for path in folders.iterdir()))
