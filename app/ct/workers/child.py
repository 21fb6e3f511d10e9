"""The process that works on strangers' bytes: ``python -m app.ct.workers.child``, told what to do on its standard input.

It answers on what was its standard output, writes nothing elsewhere (a decoder's complaint may quote a patient), and ends when
the service does, which alone decides when: signals that end the service's whole group pass it by.
"""

import os
import resource
import signal
import socket
from contextlib import suppress
from typing import Any

from app.ct.workers import outcome
from app.ct.workers.plain import Failed
from app.ct.workers.sandbox import end_with_the_service, shut_in
from app.ct.workers.walls import wall_off
from app.ct.workers.wire import answer, asked

MAX_MEMORY_BYTES = 2 * 2**30
"""Of address space: 12 times a slice of 40 megapixels in float32, on top of what the libraries take."""
MAX_FILE_BYTES = 2**30
MAX_OPEN_FILES = 64


def main() -> None:
    """Answer until nothing more is asked."""
    end_with_the_service()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    questions, answers = socket.socket(fileno=os.dup(0)), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    _load()
    _limit()
    answer(answers, (wall_off(), shut_in()))
    with suppress(EOFError):
        while True:
            with asked(questions) as (work, items, cpu_s):
                _allow(cpu_s)
                _answer(answers, [outcome(work, item) for item in items])


def _answer(answers: int, found: list[Any]) -> None:
    try:
        answer(answers, found)
    except (TypeError, MemoryError) as error:
        answer(answers, [Failed(type(error).__name__) for _ in found])


def _load() -> None:
    """Import what the work needs, before there is any."""
    import app.ct.preprocessing
    import app.ct.reading
    import app.ct.selection
    import app.ct.writing  # noqa: F401


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        least = _at_most(what, most)
        resource.setrlimit(what, (least, least))


def _allow(cpu_s: float) -> None:
    """So many seconds of processor time from here on; the kernel ends the process that takes more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = _at_most(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + cpu_s) + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _at_most(what: int, most: int) -> int:
    """``most``, or what the process may have at the most where that is less."""
    _, hard = resource.getrlimit(what)
    return most if hard == resource.RLIM_INFINITY else min(most, hard)


if __name__ == "__main__":
    main()
