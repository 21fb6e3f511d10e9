"""A worker process, seen from the service."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from app.ct.workers.plain import Unbelievable
from app.ct.workers.wire import answered, ask


@dataclass
class WorkerProcess:
    """One worker: the process, the ends of its lines, and whether the kernel refuses it what ``walls`` and ``sandbox`` name."""

    process: subprocess.Popen[bytes]
    asks: socket.socket
    answers: int
    is_walled_off: bool = False
    is_shut_in: bool = False
    was_slow: bool = False

    @classmethod
    def started(cls) -> Self:
        """Not to be asked anything before ``greet``.

        Raises:
            OSError: no process can be started.
        """
        # Safe path: else the working directory came first, and an ``app`` that lies there would run instead of this one.
        command = [sys.executable, "-P", "-m", "app.ct.workers.child"]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # A group of its own: what is typed at the service's terminal is the service's to answer.
                process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=pipe,
                    stderr=nowhere,
                    env=_environment(),
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        assert process.stdout is not None
        return cls(process, ours, process.stdout.fileno())

    def greet(self, *, wall_s: float) -> None:
        """Wait until the process is ready.

        Raises:
            EOFError, OSError, Unbelievable: it will never be.
        """
        with self._ending_after(wall_s):
            self.is_walled_off, self.is_shut_in = (told is True for told in answered(self.answers))

    def ask(self, question: tuple[bytes, list[int]], *, items: int, wall_s: float) -> list[Any]:
        """The answers, one an item.

        Args:
            question: work, items (see ``Workers.map``) and processor time for all of them together, as ``lending`` gives it.
            items: how many.
            wall_s: time for all of them together.

        Raises:
            EOFError, OSError, Unbelievable: the process is of no use any more.
        """
        with self._ending_after(wall_s):
            ask(self.asks, question)
            found = answered(self.answers)
        if not isinstance(found, list) or len(found) != items:
            raise Unbelievable
        return found

    @contextmanager
    def _ending_after(self, wall_s: float) -> Iterator[None]:
        stop = threading.Timer(wall_s, self._end_slow)
        stop.daemon = True
        stop.start()
        try:
            yield
        finally:
            stop.cancel()

    def _end_slow(self) -> None:
        self.was_slow = True
        self.process.kill()

    def end(self) -> None:
        """Without waiting for what it does."""
        self.process.kill()
        self.asks.close()
        if self.process.stdout is not None:
            with suppress(OSError):
                self.process.stdout.close()
        self.was_slow |= self.process.wait() == -signal.SIGXCPU


def _environment() -> dict[str, str]:
    """Of a worker: where modules are, no more threads than one, and nothing of the service's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVIDCT_")}
    modules = os.pathsep.join(map(os.path.abspath, sys.path))
    return kept | {"PYTHONPATH": modules, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
