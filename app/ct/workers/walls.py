"""What a worker can open from here on: the files of programs, to read; nothing else, and nothing to write (Landlock).

What is open already stays so: the lines to the service, and the files that it lends. Any process may put this on itself and
none can take it off; it also holds inside a container.
Source: the kernel's Documentation/userspace-api/landlock.rst, linux/landlock.h.
"""

import ctypes
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ASKED, _BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# Rights over files that a version of Landlock knows; its connections (4) and its scopes, of abstract sockets and signals (6).
_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
_CONNECTIONS_SINCE, _SCOPES_SINCE, _BOTH = 4, 6, 0b11
_SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")


def wall_off() -> bool:
    """Have the kernel refuse to open anything but the files of programs; whether it does."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return False
    libc = ctypes.CDLL(None)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_ASKED)
    if version < 1:
        return False
    refused = _refused(version)
    rules = libc.syscall(_CREATE_RULESET, refused, len(refused), 0)
    if rules < 0:
        return False
    try:
        for path in programs():
            _allow(libc, rules, path)
        return bool(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def programs() -> Iterator[Path]:
    """Python's own library, its packages, the packages of a checkout (not what lies beside them), and the system's libraries."""
    yield from (Path(place) for place in _SYSTEM)
    own = {*sysconfig.get_paths().values(), str(Path(sys.base_prefix, "lib"))}
    yield from (Path(place) for place in own)
    for place in {place for place in sys.path if place} - own:
        yield from (found.parent for found in Path(place).glob("*/__init__.py"))


def _refused(version: int) -> bytes:
    """The kernel's struct of what is refused unless a rule allows it, as long as this version knows it."""
    files = (1 << max(count for since, count in _RIGHTS.items() if since <= version)) - 1
    connections = _BOTH if version >= _CONNECTIONS_SINCE else 0
    scopes = _BOTH if version >= _SCOPES_SINCE else 0
    whole = struct.pack("=QQQ", files, connections, scopes)
    return whole[: 8 if version < _CONNECTIONS_SINCE else 16 if version < _SCOPES_SINCE else 24]


def _allow(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    """Allow to read what lies at or below a path, where there is something."""
    try:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
        libc.syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", rights, at), 0)
    finally:
        os.close(at)
