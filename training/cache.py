"""Arrays that take minutes to make, kept on disk under a key that names everything they depend on."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def key_of(*parts: object) -> str:
    """Short digest of anything that prints the same when it is the same."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def file_key(path: Path) -> str:
    """Short digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@dataclass(frozen=True)
class Cache:
    """A folder of arrays."""

    folder: Path

    def arrays(self, name: str, key: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Arrays by name, made once.

        Args:
            name: for people.
            key: names everything the arrays depend on.
            make: called if they are not there yet.
        """
        path = self.folder / f"{name}-{key}.npz"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".tmp.npz")
            np.savez(aside, allow_pickle=False, **make())
            aside.rename(path)
        with np.load(path, allow_pickle=False) as file:
            return {k: file[k] for k in file.files}

    def maps(
        self,
        name: str,
        key: str,
        *,
        shapes: Mapping[str, tuple[int, ...]],
        make: Callable[[int], Iterable[Mapping[str, np.ndarray]]],
    ) -> dict[str, np.ndarray]:
        """Large float16 arrays on disk, filled batch by batch; a run that was killed goes on where it was.

        Args:
            name, key: as ``arrays``.
            shapes: of the whole arrays; the first dimension is the same for all.
            make: gets the first row that is missing, yields the batches from there on.

        Returns:
            Read-only memory maps.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        count = next(iter(shapes.values()))[0]
        progress = self.folder / f"{name}-{key}.json"
        files = {k: self.folder / f"{name}-{key}-{k}.npy" for k in shapes}
        done = int(json.loads(progress.read_text())["rows"]) if progress.is_file() else 0
        if done < count:
            opened = {
                k: np.lib.format.open_memmap(files[k], mode="r+")
                if done
                else np.lib.format.open_memmap(files[k], mode="w+", dtype=np.float16, shape=shape)
                for k, shape in shapes.items()
            }
            for batch in make(done):
                rows = len(next(iter(batch.values())))
                for k, array in batch.items():
                    opened[k][done : done + rows] = array
                done += rows
                aside = progress.with_suffix(".tmp")
                aside.write_text(json.dumps({"rows": done}))
                aside.rename(progress)
        return {k: np.load(path, mmap_mode="r") for k, path in files.items()}
