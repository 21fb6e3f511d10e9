"""Being ended from outside."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What ``kill``, a shutdown or a batch system sends, and what a terminal sends that is closed.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within it these signals unwind like any exit, so that unpacked slices do not stay behind; code 128 + number.

    A signal that is ignored, as under ``nohup``, stays ignored.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heeded = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]

    def end(number: int, _: FrameType | None) -> None:
        # A second signal would interrupt the clearing up.
        for one in heeded:
            signal.signal(one, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])
