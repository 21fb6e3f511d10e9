import threading
import time
from itertools import groupby

import pytest

from app.ct.engines.turns import Turns


def test_two_that_go_on_and_on_take_turns() -> None:
    turns, taken = Turns(), list[str]()
    both = threading.Barrier(2)

    def go_on(name: str) -> None:
        both.wait()
        for _ in range(100):
            with turns:
                taken.append(name)
                time.sleep(0.001)  # So that the other one is waiting by the time this one asks again.

    threads = [threading.Thread(target=go_on, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Before the other one has begun, and after it has ended, one takes every turn.
    begun = max(taken.index(name) for name in "ab")
    ended = len(taken) - max(taken[::-1].index(name) for name in "ab")
    longest = max(len(list(run)) for _, run in groupby(taken[begun:ended]))
    assert (taken.count("a"), taken.count("b")) == (100, 100)
    assert longest <= 3


def test_the_next_gets_its_turn_though_one_failed() -> None:
    turns = Turns()

    with pytest.raises(KeyError), turns:
        raise KeyError
    with turns:
        pass
