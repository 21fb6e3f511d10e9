"""Worker processes, ended and replaced when they break."""

import resource
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from types import TracebackType
from typing import Any, Self

from app.ct.errors import NoWorkers, ServiceError
from app.ct.processors import cpus
from app.ct.workers import ON_THE_SPOT, Broken, ClosableWorkers, Item, Result
from app.ct.workers.fair import FairThreads, Line
from app.ct.workers.plain import Unbelievable
from app.ct.workers.process import WorkerProcess
from app.ct.workers.sandbox import hide_memory
from app.ct.workers.wire import lending

CPU_S = 30.0
"""Processor time that one item may take; the slowest honest file, a damaged slice that a decoder searches through, takes 10."""
START_S = 120.0
"""Time a process may take to be ready, however busy the machine."""
WALL_S = 20 * CPU_S
"""Time that one message may take, however busy the machine: for work that waits instead of computing."""
_DESCRIPTORS = 16_384
"""Open files at most: enough for all connections and workers; a system's own limit may be a thousand million."""
_MOST = 8
"""Processes, where nobody asks for a number of them."""
_AHEAD = 4
"""Messages for each worker that are done before their results are taken."""


class WorkerPool:
    """Does work in processes, of all who call ``map`` a message in turn; to be closed, or used with ``with``."""

    def __init__(
        self, count: int | None = None, *, cpu_s: float = CPU_S, wall_s: float = WALL_S, start_s: float = START_S
    ) -> None:
        """Start nothing yet; each process starts when it is first needed, or with ``start``.

        Args:
            count: of processes; by default one for each CPU, eight at most: each takes 60 MB, and scoring keeps up with no more.
            cpu_s: processor time that one item may take.
            wall_s: time that the items which go to a process together may take.
            start_s: time that a process may take to be ready.
        """
        self.count = count or min(cpus(), _MOST)
        self._cpu_s, self._wall_s, self._start_s = cpu_s, wall_s, start_s
        self._own = threading.local()
        self._alive: dict[int, WorkerProcess] = {}
        self._guard = threading.Lock()
        self._threads = FairThreads(self.count, name="worker")
        self._closed = False
        hide_memory()
        _allow_descriptors()

    def start(self) -> None:
        """Start the processes in the background, ahead of the first work."""
        for _ in range(self.count):
            self._threads.submit(self._child, Line())

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
        self._threads.close()
        for child in self._alive.values():
            child.end()
        self._alive.clear()

    def check(self) -> None:
        """See ``ClosableWorkers``."""
        try:
            self._threads.submit(self._child, Line()).result()
        except (EOFError, OSError, Unbelievable) as error:
            raise NoWorkers from error

    def are_shut_in(self) -> bool:
        """Whether processes can open no connection and start no program.

        Raises:
            NoWorkers: they do not start.
        """
        self.check()
        with self._guard:
            return bool(self._alive) and all(child.is_shut_in for child in self._alive.values())

    def are_walled_off(self) -> bool:
        """Whether processes can open no file but those of programs.

        Raises:
            NoWorkers: they do not start.
        """
        self.check()
        with self._guard:
            return bool(self._alive) and all(child.is_walled_off for child in self._alive.values())

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
        line = Line()
        begun: deque[Future[list[Any]]] = deque()
        try:
            for part in parts:
                begun.append(self._threads.submit(partial(self._done, work, part), line))
                if len(begun) >= _AHEAD * self.count:
                    yield from begun.popleft().result()
            while begun:
                yield from begun.popleft().result()
        except (EOFError, OSError, Unbelievable, RuntimeError, CancelledError) as error:
            # No process could be started, or the pool was closed meanwhile: nothing that an item could do.
            raise ServiceError from error
        finally:
            for one in begun:
                one.cancel()

    def _done(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Any]:
        """What comes of each item; if a process breaks on several, each is asked for alone.

        One that breaks alone is tried once more, since a process may end for reasons that lie outside of it; not where it
        took too much time.
        """
        found, was_slow = self._tried(work, items)
        if found is None and len(items) > 1:
            return [self._done(work, [item])[0] for item in items]
        if found is None and not was_slow:
            found, _ = self._tried(work, items)
        return found or [Broken()]

    def _tried(self, work: Callable[[Item], Result], items: Sequence[Item]) -> tuple[list[Any] | None, bool]:
        """The answers, None where the process broke; and whether it was ended for taking too much time."""
        with lending((work, items, self._cpu_s * len(items))) as question:
            return self._answered(question, items=len(items))

    def _answered(self, question: tuple[bytes, list[int]], *, items: int) -> tuple[list[Any] | None, bool]:
        child = self._child()
        try:
            return child.ask(question, items=items, wall_s=self._wall_s), False
        except (EOFError, OSError, Unbelievable):
            self._drop(child)
            return None, child.was_slow
        except BaseException:
            # Whatever is left of the answer must not be taken for the next one.
            self._drop(child)
            raise

    def _child(self) -> WorkerProcess:
        """This thread's process, a new one where it has none.

        Raises:
            EOFError, OSError, Unbelievable: none can be started.
            RuntimeError: the pool is closed.
        """
        child: WorkerProcess | None = getattr(self._own, "child", None)
        if child is None:
            child = WorkerProcess.started()
            self._register(child)
            try:
                child.greet(wall_s=self._start_s)
            except BaseException:
                self._drop(child)
                raise
            self._own.child = child
        return child

    def _register(self, child: WorkerProcess) -> None:
        """Have ``close`` end the process."""
        with self._guard:
            if not self._closed:
                self._alive[id(child)] = child
                return
        child.end()
        raise RuntimeError("closed")

    def _drop(self, child: WorkerProcess) -> None:
        self._own.child = None
        with self._guard:
            self._alive.pop(id(child), None)
        child.end()


def workers_of(count: int | None) -> ClosableWorkers:
    """So many processes, as many as ``WorkerPool`` thinks fit where it is None; for 0 the work is done on the spot."""
    return ON_THE_SPOT if count == 0 else WorkerPool(count)


def _allow_descriptors() -> None:
    """As many open files as the system lets this process have, within reason.

    Each worker is lent up to sixteen files at a time, and every connection is one; the usual limit of 1,024 is for programs that
    ask no more of ``select``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
