"""The process that works on strangers' bytes: ``python -m app.ct.workers.child``, told what to do on its standard input.

It answers on what was its standard output, writes nothing elsewhere (a decoder's complaint may quote a patient), and ends when
the service does.
"""

import os
import pickle
import resource
from collections.abc import Callable, Sequence
from typing import Any

from app.ct.errors import NO_ROOM
from app.ct.workers import Failed, outcome
from app.ct.workers.sandbox import shut_in
from app.ct.workers.wire import receive, send

MAX_MEMORY_BYTES = 2 * 2**30
"""Of address space: 16 times a slice of 40 megapixels in float32, on top of what the libraries take."""
MAX_FILE_BYTES = 2**30
MAX_OPEN_FILES = 64


def main() -> None:
    """Answer until nothing more is asked."""
    asked, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    _load()
    _limit()
    send(answers, shut_in())
    while True:
        try:
            work, items, cpu_s = pickle.loads(receive(asked))
        except EOFError:
            return
        _allow(cpu_s)
        send(answers, _answers(work, items))


def _answers(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [_plain(outcome(work, item)) for item in items]


def _plain(found: Any) -> Any:
    """Errors of others without their text, which may hold anything, a patient's name too."""
    if not isinstance(found, Exception) or type(found).__module__.startswith("app.ct."):
        return found
    if isinstance(found, OSError) and found.errno in NO_ROOM:
        return OSError(found.errno, os.strerror(found.errno))
    return Failed(type(found).__name__)


def _load() -> None:
    """Import what the work needs, before there is any."""
    import app.ct.preprocessing
    import app.ct.reading
    import app.ct.selection  # noqa: F401


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _allow(cpu_s: float) -> None:
    """So many seconds of processor time from here on; the kernel ends the process that takes more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + cpu_s) + 1, hard))


if __name__ == "__main__":
    main()
