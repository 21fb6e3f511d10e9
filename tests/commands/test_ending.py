"""Being ended from outside."""

import os
import signal

import pytest

from app.commands.ending import ending_in_order


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_a_second_signal_does_not_interrupt_the_clearing_up():
    cleared = []

    def work() -> None:
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGTERM)
            send(signal.SIGHUP)
            cleared.append("all")

    with pytest.raises(SystemExit, match="143"), ending_in_order():
        work()
    assert cleared == ["all"]


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_in_order():
            send(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_afterwards_signals_do_what_they_did():
    before = signal.getsignal(signal.SIGTERM)

    with ending_in_order():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before
