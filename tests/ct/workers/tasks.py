"""Work for the tests: functions of a module, so that they can be carried to another process."""

import ctypes
import errno
import os
import signal
import socket
import sys
from pathlib import Path

import numpy as np

from app.ct.reading.files import Damaged


def doubled(number: int) -> np.ndarray:
    return np.full(3, 2 * number)


def crashed(number: int) -> int:
    """Reads where no memory is, as a broken decoder does, for one number."""
    if number == 3:
        ctypes.string_at(8)
    return number


def computing(number: int) -> int:
    """Goes on for ever for one number."""
    while number == 3:
        pass
    return number


def greedy(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def raising(kind: str) -> None:
    """What a decoder may raise; its text may name a patient."""
    raise {
        "ours": Damaged("cut off"),
        "foreign": ValueError("CANARY^PATIENT"),
        "full": OSError(errno.ENOSPC, "CANARY^PATIENT", "CANARY"),
    }[kind]


def printing(text: str) -> int:
    print(text)
    print(text, file=sys.stderr)
    return os.write(1, text.encode())


def settings(prefix: str) -> list[str]:
    return [name for name in os.environ if name.startswith(prefix)]


def leading_away(folder: Path) -> object:
    """An answer that would open a file, were it believed."""

    class Leading:
        def __reduce__(self) -> object:
            return open, (str(folder / "made"), "w")

    return Leading()


def connecting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def running_another_program(program: str) -> None:
    os.execv(program, [program])


def starting_another_process(_: int) -> int:
    return os.fork()


def ending_another_process(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def hanging(number: int) -> bytes:
    """Waits for ever for one number, without computing."""
    if number != 3:
        return b""
    reading, _ = os.pipe()
    return os.read(reading, 1)
