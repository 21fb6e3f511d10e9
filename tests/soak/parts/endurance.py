"""An hour of work: memory, descriptors, temporary files and rows do not grow."""

import os
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from tests.bench.memory import Memory, descendants
from tests.soak.rows import Length, Row
from tests.soak.sending import a_form, at_a_rate, counted, told
from tests.soak.service import Service, served

_SAMPLES = 360
_MOST_GROWTH = 1.05


@dataclass(frozen=True)
class Sample:
    """The service at one moment: resident memory in MB, and how many descriptors, temporary files and rows it has."""

    memory_mb: float
    descriptors: int
    temporary: int
    rows: int

    @classmethod
    def of(cls, service: Service) -> "Sample":
        """Taken now."""
        # Not by rglob, which fails where a folder is erased meanwhile.
        left = sum(len(folders) + len(files) for _, folders, files in os.walk(service.temporary))
        left += sum("originals" in folders for _, folders, _ in os.walk(service.data))
        return cls(Memory.of(service.pid).resting_mb, _descriptors(service.pid), left, _rows(service))


def run(length: Length) -> Iterator[Row]:
    """Sixty minutes of two clients, each exam erased once it is answered."""
    seconds = length.seconds(whole=3600, short=8)
    form = a_form(slices=6 if length.short else 60, size=128 if length.short else 384)
    settings = {"tombstone_h": 0, "sweep_s": 1}
    samples, over = list[Sample](), threading.Event()
    with served(**settings) as service:

        def watch() -> None:
            while not over.wait(seconds / _SAMPLES if not length.short else 0.5):
                samples.append(Sample.of(service))

        watching = threading.Thread(target=watch, name="watching")
        watching.start()
        try:
            sent = at_a_rate(service, form, clients=2, per_s=1000, seconds=seconds)
        finally:
            over.set()
            watching.join()
        yield Row(f"{seconds / 60:.3g} minutes of exams", told(sent), "all done", set(counted(sent)) == {"done"})
        yield from _growth(samples)
        resting = _once_swept(service, within_s=60)
        seen = f"{resting.temporary} temporary files, {resting.rows} rows"
        yield Row("left once all was erased and swept", seen, "0, 0", (resting.temporary, resting.rows) == (0, 0))


def _once_swept(service: Service, *, within_s: float) -> Sample:
    begin = time.monotonic()
    while (found := Sample.of(service)).rows and time.monotonic() - begin < within_s:
        time.sleep(1)
    return found


def _growth(samples: Sequence[Sample]) -> Iterator[Row]:
    early, late = _around(samples, 1 / 6), _around(samples, 1)
    memory = late.memory_mb / early.memory_mb
    seen = f"{memory:.3f} ({early.memory_mb:.0f} to {late.memory_mb:.0f} MB)"
    yield Row(
        "memory at the end against a sixth of the way", seen, "at most 1.05", memory <= _MOST_GROWTH, of_machine=True
    )
    for name in ("descriptors", "rows", "temporary"):
        before, after = getattr(early, name), getattr(late, name)
        # Whatever is under way at the moment counts too, so that a few more are no growth.
        yield Row(
            f"{name}, the same",
            f"{before} to {after}",
            "no growth",
            after <= before * _MOST_GROWTH + 4,
            of_machine=True,
        )


def _around(samples: Sequence[Sample], share: float) -> Sample:
    """The median of the samples in a twelfth of the time that ends there."""
    end = max(1, round(len(samples) * share))
    part = samples[max(0, end - max(1, len(samples) // 12)) : end]
    return Sample(
        statistics.median(s.memory_mb for s in part),
        int(statistics.median(s.descriptors for s in part)),
        int(statistics.median(s.temporary for s in part)),
        int(statistics.median(s.rows for s in part)),
    )


def _descriptors(pid: int) -> int:
    found = 0
    for one in descendants(pid):
        try:
            found += len(os.listdir(f"/proc/{one}/fd"))  # noqa: PTH208  a process may end meanwhile
        except OSError:
            continue
    return found


def _rows(service: Service) -> int:
    with closing(sqlite3.connect(f"file:{service.data / 'exams.sqlite'}?mode=ro", uri=True, timeout=30)) as store:
        return int(store.execute("SELECT count(*) FROM exams").fetchone()[0])
