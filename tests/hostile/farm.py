"""Changed files by the thousand through the reader: ``python -m tests.hostile.farm [COUNT] [SEED]``.

Each is read as the service reads an upload; what is neither an exam nor refused as one is a fault, and told.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.ct.errors import ExamError
from app.ct.reading import NamedFile, read_exam
from app.ct.workers import Workers
from app.ct.workers.pool import WorkerPool
from app.uploads import Limits, unpack
from tests.hostile.mutation import mutated
from tests.hostile.seeds import seeds


@dataclass
class Harvest:
    """What became of the files: counts by code, ``read`` among them; faults; the longest one took."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def end_of(contents: Sequence[bytes], *, workers: Workers) -> str:
    """The code that an upload is refused with, or ``read``.

    Raises:
        Exception: what is no refusal.
    """
    with tempfile.TemporaryDirectory() as room:
        spool, values = Path(room, "spool"), Path(room, "values")
        spool.mkdir()
        values.mkdir()
        files = []
        for number, content in enumerate(contents):
            path = Path(room, str(number))
            path.write_bytes(content)
            files.append(NamedFile("a", path))
        try:
            read_exam(unpack(files, Limits(), spool=spool), values_in=values, workers=workers)
        except ExamError as error:
            return error.code
    return "read"


def harvest(count: int, *, seed: int, workers: Workers, keep: Path | None = None) -> Harvest:
    """Read so many changed files; those with a fault are kept in a folder, where one is given."""
    chance, found, all_seeds = random.Random(seed), Harvest(), list(seeds().values())
    for number in range(count):
        content = mutated(chance, chance.choice(all_seeds), chance.choice(all_seeds))
        start = time.monotonic()
        try:
            found.ends[end_of([content], workers=workers)] += 1
        except Exception as error:  # noqa: BLE001  that is what is looked for
            found.faults.append(f"{seed}/{number}: {type(error).__name__}")
            if keep is not None:
                (keep / f"{seed}-{number}").write_bytes(content)
        found.slowest_s = max(found.slowest_s, time.monotonic() - start)
    return found


if __name__ == "__main__":
    asked = [int(one) for one in sys.argv[1:]]
    with WorkerPool(1) as pool:
        print(harvest(*asked[:1] or [2000], seed=(asked[1:] or [0])[0], workers=pool, keep=Path("/tmp")))
