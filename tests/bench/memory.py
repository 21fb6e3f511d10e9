"""Memory of a process and of those it started, from ``/proc``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
EVERY_S = 0.05
"""How often memory is looked at while it is watched."""


@dataclass(frozen=True)
class Memory:
    """Resident memory, in units of a million bytes.

    Attributes:
        peak_mb: the most so far: of each process its own peak, added up. Pages that processes share are counted for each,
            and their peaks need not coincide, so that it is an upper bound; of one process it is exact.
        resting_mb: now, shared pages counted once.
        alone_peak_mb: the most so far of the first process alone.
    """

    peak_mb: float
    resting_mb: float
    alone_peak_mb: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Of a process with all that descend from it (VmHWM of ``status``, Pss of ``smaps_rollup``)."""
        alone = _kilobytes(pid, "status", "VmHWM")
        others = [p for p in descendants(pid) if p != pid]
        peak = alone + sum(_kilobytes(p, "status", "VmHWM") for p in others)
        resting = sum(_kilobytes(p, "smaps_rollup", "Pss") for p in (pid, *others))
        return cls(*(round(kilobytes * 1024 / 1e6, 1) for kilobytes in (peak, resting, alone)))


@dataclass
class Watched:
    """What was seen of a process and those it started: ``seen_mb`` at each look, shared pages counted once."""

    seen_mb: list[float] = field(default_factory=list)

    @property
    def most_mb(self) -> float:
        """The most at one moment; what came and went between two looks is not in it."""
        return max(self.seen_mb)


@contextmanager
def watched(pid: int) -> Iterator[Watched]:
    """Look at the memory of a process every ``EVERY_S`` seconds; looking takes time of its own, so nothing is timed meanwhile."""
    found, over = Watched([Memory.of(pid).resting_mb]), threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            found.seen_mb.append(Memory.of(pid).resting_mb)

    looking = threading.Thread(target=look, name="looking")
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()


def descendants(pid: int, proc: Path = PROC) -> list[int]:
    """The process, its children, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents(proc):
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _parents(proc: Path) -> Iterator[tuple[int, int]]:
    for path in proc.glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold spaces and parentheses; state and parent follow it.
            after_name = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # It ended meanwhile.
            continue
        yield int(path.parent.name), int(after_name[1])


def _kilobytes(pid: int, file: str, key: str) -> int:
    try:
        lines = (PROC / str(pid) / file).read_text(encoding="utf-8").splitlines()
    except OSError:  # It ended meanwhile.
        return 0
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(said[key].split()[0]) if key in said else 0
