"""The lines that exams wait in: small ones have a line of their own."""

from collections import deque
from enum import StrEnum


class Size(StrEnum):
    """Which line an exam waits in."""

    SMALL = "small"
    LARGE = "large"


class Lines:
    """Ids of exams by size, first come first served; whoever shares it with other threads holds a lock."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: dict[Size, deque[str]] = {size: deque() for size in Size}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def ids(self) -> set[str]:
        """Who waits."""
        return set().union(*self._waiting.values())

    def add(self, exam_id: str, size: Size) -> None:
        """At the end of its line."""
        self._waiting[size].append(exam_id)

    def leave(self, exam_id: str) -> bool:
        """Give up its place; whether it had one."""
        for waiting in self._waiting.values():
            if exam_id in waiting:
                waiting.remove(exam_id)
                return True
        return False

    def holds(self, size: Size) -> bool:
        """Whether somebody waits in that line."""
        return bool(self._waiting[size])

    def next(self, size: Size) -> str:
        """Who has waited longest in that line, taken out of it."""
        return self._waiting[size].popleft()
