"""Worker processes: one for each CPU, ended and replaced when they break."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from app.ct.workers import ON_THE_SPOT, Broken, ClosableWorkers, Item, Result
from app.ct.workers.wire import Unbelievable, believed, receive, send

CPU_S = 30.0
"""Processor time that one item may take; the slowest honest file, a damaged slice that a decoder searches through, takes 10."""
WALL_S = 20 * CPU_S
"""Time that one message may take, however busy the machine: for work that waits instead of computing."""
_AHEAD = 4
"""Messages for each worker that are done before their results are taken."""


@dataclass
class _Child:
    """One process, the ends of its pipes, and whether the kernel refuses it what ``sandbox`` names."""

    process: subprocess.Popen[bytes]
    asks: int
    answers: int
    is_shut_in: bool = False

    @classmethod
    def started(cls) -> Self:
        command = [sys.executable, "-m", "app.ct.workers.child"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=_environment())
        if process.stdin is None or process.stdout is None:
            raise OSError("a process without pipes")
        child = cls(process, process.stdin.fileno(), process.stdout.fileno())
        child.is_shut_in = believed(receive(child.answers)) is True
        return child

    def ask(self, question: object, *, wall_s: float) -> list[Any]:
        """The answers, one an item.

        Raises:
            EOFError, OSError, Unbelievable: the process is of no use any more.
        """
        stop = threading.Timer(wall_s, self.process.kill)
        stop.start()
        try:
            send(self.asks, question)
            found = believed(receive(self.answers))
        finally:
            stop.cancel()
        if not isinstance(found, list):
            raise Unbelievable
        return found

    def end(self) -> None:
        """Without waiting for what it does."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self.process.wait()


class WorkerPool:
    """Does work in processes; to be closed, or used with ``with``."""

    def __init__(self, count: int | None = None, *, cpu_s: float = CPU_S, wall_s: float = WALL_S) -> None:
        """Start nothing yet; each process starts when it is first needed, or with ``start``.

        Args:
            count: of processes; one for each CPU by default.
            cpu_s: processor time that one item may take.
            wall_s: time that the items which go to a process together may take.
        """
        self.count = count or cpus()
        self._cpu_s, self._wall_s = cpu_s, wall_s
        self._own = threading.local()
        self._alive: dict[int, _Child] = {}
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="worker")
        self._closed = False

    def start(self) -> None:
        """Start the processes in the background, ahead of the first work."""
        for _ in range(self.count):
            self._threads.submit(self._child)

    def __enter__(self) -> Self:
        """The pool, started."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End every process, also one at work."""
        with self._guard:
            self._closed = True
            children = list(self._alive.values())
        for child in children:
            child.process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._alive.values():
            child.end()
        self._alive.clear()

    def are_shut_in(self) -> bool:
        """Whether processes can open no connection and start no program; starts one where none is up."""
        self._threads.submit(self._child).result()
        with self._guard:
            return bool(self._alive) and all(child.is_shut_in for child in self._alive.values())

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of those that are up."""
        with self._guard:
            return tuple(child.process.pid for child in self._alive.values())

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 1
    ) -> Iterator[Result | Exception]:
        """See ``Workers``."""
        parts = (items[k : k + at_once] for k in range(0, len(items), at_once))
        begun: deque[Future[list[Any]]] = deque()
        try:
            for part in parts:
                begun.append(self._threads.submit(self._done, work, part))
                if len(begun) >= _AHEAD * self.count:
                    yield from begun.popleft().result()
            while begun:
                yield from begun.popleft().result()
        finally:
            for one in begun:
                one.cancel()

    def _done(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Any]:
        """What comes of each item; if a process breaks on several, each is asked for alone."""
        child = self._child()
        if child is None:
            return [Broken() for _ in items]
        try:
            found = child.ask((work, items, self._cpu_s * len(items)), wall_s=self._wall_s)
            if len(found) == len(items):
                return found
        except (EOFError, OSError, Unbelievable):
            pass
        self._drop(child)
        return [self._done(work, [item])[0] for item in items] if len(items) > 1 else [Broken()]

    def _child(self) -> _Child | None:
        """This thread's process, a new one where it has none; None once the pool is closed."""
        child: _Child | None = getattr(self._own, "child", None)
        if child is None and not self._closed:
            child = _Child.started()
            if not self._registered(child):
                child.end()
                return None
            self._own.child = child
        return child

    def _registered(self, child: _Child) -> bool:
        """Whether the pool is still open; then ``close`` ends the process."""
        with self._guard:
            if not self._closed:
                self._alive[id(child)] = child
            return not self._closed

    def _drop(self, child: _Child) -> None:
        child.end()
        self._own.child = None
        with self._guard:
            self._alive.pop(id(child), None)


def workers_of(count: int | None) -> ClosableWorkers:
    """So many processes, one for each CPU where it is None; for 0 the work is done on the spot."""
    return ON_THE_SPOT if count == 0 else WorkerPool(count)


def cpus() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Of a worker: where modules are, no more threads than one, and nothing of the service's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVIDCT_")}
    modules = os.pathsep.join(path for path in sys.path if path)
    return kept | {"PYTHONPATH": modules, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
