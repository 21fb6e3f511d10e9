"""Threads that serve all who have work in turn, however much of it anyone has."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

Line: TypeAlias = deque[tuple[Future[Any], Callable[[], Any]]]
"""The work of one, first come first served."""


class FairThreads:
    """One piece of each line's work in turn: who comes with little waits behind a piece of everyone's, not behind all of them."""

    def __init__(self, threads: int, *, name: str) -> None:
        """None starts before there is work."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque()

    def submit(self, work: Callable[[], Any], line: Line) -> Future[Any]:
        """Have the work done after what is in its line already.

        Raises:
            RuntimeError: closed.
        """
        future: Future[Any] = Future()
        with self._lock:
            # As many calls as there is work; which piece a call does is decided when a thread is free.
            self._pool.submit(self._do_next)
            if not line:
                self._lines.append(line)
            line.append((future, work))
        return future

    def close(self) -> None:
        """Wait for what is at work; what is not begun is cancelled."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        while self._lines:
            self._next()[0].cancel()

    def _do_next(self) -> None:
        future, work = self._next()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  whoever takes the result gets it
                future.set_exception(error)

    def _next(self) -> tuple[Future[Any], Callable[[], Any]]:
        with self._lock:
            line = self._lines.popleft()
            found = line.popleft()
            if line:
                self._lines.append(line)
        return found
