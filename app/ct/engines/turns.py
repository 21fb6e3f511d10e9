"""Who runs the network next."""

import threading
from collections import deque
from types import TracebackType


class Turns:
    """A lock that is given in the order it was asked for, so that of two exams at work each scores a chunk in turn.

    That of ``threading`` may be given to who gave it back a moment ago.
    """

    def __init__(self) -> None:
        """Nobody has it."""
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False

    def __enter__(self) -> None:
        """Wait for one's turn."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Hand it to who has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
