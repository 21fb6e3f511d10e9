"""Looks as arrays. Those of a record are made once and kept in a file of their own, named by all they depend on.

The name holds the digest of the record's bytes, not its place: other splits of the same data share them.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from app.ct import reading, windowing
from app.ct.preprocessing import Preprocessor, spec_of
from app.ct.processors import cpus
from training.imaging import augmentation, drawing, looks, other_disease, synthesis
from training.imaging.looks import Look, LookSettings, coverage_on_grid, looks_of
from training.keys import file_key, key_of
from training.records import masks
from training.records.catalog import Record

_TELL_EVERY = 250
_FEW, _CHUNK = 32, 16
"""Looks of so many records are made before another process would have begun."""

_MODULES = (looks, drawing, synthesis, other_disease, augmentation, masks, windowing)
CODE = (
    *(Path(str(module.__file__)) for module in _MODULES),
    *sorted(Path(str(reading.__file__)).parent.rglob("*.py")),
)
"""What makes looks, and what reads the files and masks they are made of; the preprocessing has a fingerprint of its own."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Looks as arrays.

    Attributes:
        images: uint8 (looks, size, size).
        coverage: float32 (looks, grid, grid), share of each place that is lesion; 0 where it is not known.
        known: bool (looks,), whether the coverage is known.
        labels, numbers: int (looks,), see ``training.imaging.looks.Look``.
        drawn: bool (looks,), whether disease is synthetic.
        records: int (looks,), place in the catalog.
    """

    images: np.ndarray
    coverage: np.ndarray
    known: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray
    drawn: np.ndarray
    records: np.ndarray

    @property
    def served(self) -> np.ndarray:
        """bool (looks,), the slices as they will be served."""
        return np.asarray(self.numbers == 0)


@dataclass(frozen=True)
class Studio:
    """Makes the looks of records, and keeps them.

    Attributes:
        folder: where they are kept.
        preprocessor: the model's.
        preprocessing: its name.
        settings: how many looks.
        seed: of chance; the looks of a record depend on it and the record's bytes, on no other record.
    """

    folder: Path
    preprocessor: Preprocessor
    preprocessing: str
    settings: LookSettings
    seed: int

    def pictures(
        self, records: Sequence[tuple[int, Record]], progress: Callable[[str], None] = lambda _: None
    ) -> Pictures:
        """All looks of the records.

        Args:
            records: (place in the catalog, record), images.
            progress: told how many are done.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = []
        for number, path in enumerate(self._paths([record for _, record in records]), start=1):
            with np.load(path, allow_pickle=False) as file:
                found.append({k: file[k] for k in file.files})
            if number % _TELL_EVERY == 0 or number == len(records):
                progress(f"looks of {number} of {len(records)} slices")
        places = np.repeat([place for place, _ in records], [len(one["labels"]) for one in found])
        return Pictures(**{k: np.concatenate([one[k] for one in found]) for k in found[0]}, records=places)

    def _code(self) -> str:
        """Digest of what every look depends on: the code that reads files and masks and makes looks, preprocessing, seed."""
        return key_of([file_key(path) for path in CODE], spec_of(self.preprocessing, self.preprocessor.size), self.seed)

    def _paths(self, records: Sequence[Record]) -> Iterator[Path]:
        """Files of the records' looks, in order; made by all processors where there are many."""
        # A mapping that cannot be changed cannot be sent to another process either.
        sent = replace(self, settings=replace(self.settings, altered_of=dict(self.settings.altered_of)))
        make = partial(sent._path, code=self._code())
        if len(records) <= _FEW:
            yield from map(make, records)
            return
        with ProcessPoolExecutor(cpus(), mp_context=get_context("spawn")) as pool:
            yield from pool.map(make, records, chunksize=_CHUNK)

    def _path(self, record: Record, code: str) -> Path:
        mask = "" if record.mask is None else file_key(record.mask)
        told = (record.dataset, record.label, self.settings.told(record.dataset))
        shown = (file_key(record.file), mask, told)
        path = self.folder / f"{key_of(code, *shown)}.npz"
        if not path.is_file():
            # Not of the code: what reads a file otherwise draws the same chances.
            rng = np.random.default_rng(int(key_of(self.seed, *shown), 16))
            # Of this process alone: another run may be making the same looks, and write them at the same time.
            aside = path.with_suffix(f".{os.getpid()}.tmp.npz")
            np.savez(
                aside, allow_pickle=False, **self._arrays([*looks_of(record, self.preprocessor, self.settings, rng)])
            )
            aside.rename(path)
        return path

    def _arrays(self, made: Sequence[Look]) -> dict[str, np.ndarray]:
        grid = (math.ceil(self.preprocessor.size / 8),) * 2
        none = np.zeros(grid, np.float32)
        return {
            "images": np.stack([look.image for look in made]),
            "coverage": np.stack([none if k.mask is None else coverage_on_grid(k.mask, grid) for k in made]),
            "known": np.array([look.mask is not None for look in made]),
            "labels": np.array([look.label for look in made]),
            "numbers": np.array([look.number for look in made]),
            "drawn": np.array([look.drawn for look in made]),
        }
