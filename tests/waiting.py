"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

LIMIT_S = 60.0


def until(found: Callable[[], bool], *, within_s: float = LIMIT_S) -> None:
    """Look again and again until it is so; fail where it is not within so many seconds."""
    deadline = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.01)
