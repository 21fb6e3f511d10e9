"""Keys that name what something depends on: what is kept under one need not be made again."""

import hashlib
from pathlib import Path


def key_of(*parts: object) -> str:
    """Short digest of anything that prints the same when it is the same."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def file_key(path: Path) -> str:
    """Short digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
