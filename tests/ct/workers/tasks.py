"""Work for the tests: functions of a module, so that they can be carried to another process."""

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np

from app.ct.reading.files import Damaged, NamedFile

_TGKILL = {"x86_64": 234, "aarch64": 131}


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


def path_of(number: int) -> Path:
    return Path(str(number))


def waiting(file: NamedFile) -> str:
    """Until something is written into the file."""
    while not file.size:
        time.sleep(0.01)
    return file.read().decode()


def released_at(file: NamedFile) -> float:
    """When something was written into the file, by the system's clock."""
    waiting(file)
    return time.monotonic()


def reading(path: str) -> bytes:
    return Path(path).read_bytes()


def listing(path: str) -> list[str]:
    return [found.name for found in Path(path).iterdir()]


def writing(path: str) -> int:
    return Path(path).write_bytes(b"x")


def removing(path: str) -> None:
    Path(path).unlink()


def opening_to_all(path: str) -> None:
    Path(path).chmod(0o777)


def writing_into_what_is_lent(file: NamedFile) -> int:
    with file.open() as opened:
        return os.write(opened.fileno(), b"x")


def twice_at_once(file: NamedFile) -> tuple[bytes, bytes, bytes]:
    """Two readers of one file, and a map of it."""
    with file.open() as first, file.open() as second, file.view() as whole:
        begin = first.read(3)
        second.seek(-3, os.SEEK_END)
        return begin + first.read(2), second.read(), whole[2:4]


def connecting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def running_another_program(_: int) -> None:
    os.execv("/bin/true", ["true"])


def starting_another_process(_: int) -> int:
    return os.fork()


def ending_another_process(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def ending_another_thread(pid: int) -> None:
    _called(_TGKILL[platform.machine()], pid, pid, 0)


def limiting_another_process(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))


def holding_another_process(pid: int) -> None:
    os.pidfd_open(pid)


def _called(number: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def hanging(number: int) -> bytes:
    """Waits for ever for one number, without computing."""
    if number != 3:
        return b""
    reading, _ = os.pipe()
    return os.read(reading, 1)


def not_refused(numbers: list[int]) -> list[int]:
    """Those of the system calls that the kernel does not refuse; called with arguments that make them fail otherwise."""
    libc = ctypes.CDLL(None, use_errno=True)
    return [n for n in numbers if libc.syscall(n, *[-1] * 6) >= 0 or ctypes.get_errno() != errno.EPERM]


def limits(_: int) -> list[int]:
    """Largest file in bytes, most open files, largest dump of memory in bytes."""
    return [resource.getrlimit(r)[0] for r in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)]
