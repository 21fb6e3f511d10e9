import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from functools import partial

import pytest

from app.ct.workers.fair import FairThreads, Line
from tests.waiting import until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def test_each_line_has_its_turn(gate: threading.Event) -> None:
    threads, done = FairThreads(1, name="test"), list[str]()
    much, little = Line(), Line()
    threads.submit(gate.wait, Line())
    begun = [threads.submit(partial(done.append, f"much {k}"), much) for k in range(4)]
    begun += [threads.submit(partial(done.append, f"little {k}"), little) for k in range(2)]
    gate.set()
    for one in begun:
        one.result()

    assert done == ["much 0", "little 0", "much 1", "little 1", "much 2", "much 3"]


def test_what_was_cancelled_is_passed_over(gate: threading.Event) -> None:
    threads, line = FairThreads(1, name="test"), Line()
    threads.submit(gate.wait, line)
    dropped, kept = (threads.submit(partial(str, k), line) for k in range(2))
    dropped.cancel()
    gate.set()

    assert kept.result() == "1"


def test_what_work_raises_is_for_who_takes_its_result() -> None:
    threads = FairThreads(1, name="test")

    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0, Line()).result()
    assert threads.submit(lambda: 1, Line()).result() == 1


def test_closing_leaves_nobody_waiting(gate: threading.Event) -> None:
    threads = FairThreads(1, name="test")
    at_work = threads.submit(gate.wait, Line())
    waiting = threads.submit(str, Line())

    def is_closing() -> bool:
        # With the lock, so that what was in line is out of it.
        with threads._pool._shutdown_lock:
            return threads._pool._shutdown

    def let_go() -> None:
        until(is_closing)
        gate.set()

    letting_go = threading.Thread(target=let_go)
    letting_go.start()
    threads.close()
    letting_go.join()

    assert at_work.result()
    with pytest.raises(CancelledError):
        waiting.result(timeout=10)
    with pytest.raises(RuntimeError):
        threads.submit(str, Line())
