"""What a disk refuses, as errors of ours."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from app.ct.errors import NO_ROOM, NO_STORE, StorageFull, StorageUnavailable

_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

LEAST_FREE_MB = 16
"""A disk with less left, in units of 2**20 bytes, is full: no exam can be counted on to find room."""


def free_mb(folder: Path) -> float:
    """What is left on the disk of a folder, in units of 2**20 bytes."""
    return shutil.disk_usage(folder).free / 2**20


@contextmanager
def room() -> Iterator[None]:
    """Turn a full disk into StorageFull, one that takes nothing into StorageUnavailable; let every other OSError pass."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull from error
        if error.errno in NO_STORE:
            raise StorageUnavailable from error
        raise


@contextmanager
def database_room() -> Iterator[None]:
    """The same of what SQLite says."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        code = sqlite_code(error)
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull from error
        if code in _UNAVAILABLE:
            raise StorageUnavailable from error
        raise


def sqlite_code(error: sa.exc.DatabaseError) -> int | None:
    """SQLite's primary result code."""
    extended = getattr(error.orig, "sqlite_errorcode", None)
    return None if extended is None else int(extended) & 0xFF
