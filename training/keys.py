"""Keys that name what something depends on: what is kept under one need not be made again."""

import hashlib
from pathlib import Path

import numpy as np


def key_of(*parts: object) -> str:
    """Short digest of anything that prints the same when it is the same."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def file_key(path: Path) -> str:
    """Short digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def array_key(*arrays: np.ndarray) -> str:
    """Short digest of arrays, byte by byte and without a copy of them."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
