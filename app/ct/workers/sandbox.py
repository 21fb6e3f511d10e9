"""What the kernel refuses a worker from here on: connections, other programs, other processes. Linux on x86-64 and ARM64.

A filter of system calls (seccomp), which any process may put on itself and none can take off; it also holds inside a container.
Source: the kernel's Documentation/userspace-api/seccomp_filter.rst, linux/filter.h, linux/seccomp.h, linux/audit.h.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class _Machine:
    """An architecture as the kernel calls it, and the numbers of what is refused on it."""

    audit: int
    refused: tuple[int, ...]


# socket, connect, accept, bind, listen, socketpair, accept4; clone, fork, vfork, clone3, execve, execveat; ptrace,
# process_vm_readv, process_vm_writev, kill; unshare, setns, mount, bpf, io_uring_setup (which makes sockets too), keyctl.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (41, 42, 43, 49, 50, 53, 288, 56, 57, 58, 435, 59, 322, 101, 310, 311, 62, 272, 308, 165, 321, 425, 250),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (198, 203, 202, 200, 201, 199, 242, 220, 435, 221, 281, 117, 270, 271, 129, 97, 268, 40, 280, 425, 219),
    ),
}
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_OTHER_TABLE = 0x3FFFFFFF
"""Numbers above belong to the x32 table, which has the same calls under other numbers."""
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def shut_in() -> bool:
    """Have the kernel refuse from now on what decoding never needs; whether it does."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.platform != "linux":
        return False
    instructions = _instructions(machine)
    content = ctypes.create_string_buffer(b"".join(instructions))
    program = _Program(len(instructions), ctypes.addressof(content))
    libc = ctypes.CDLL(None, use_errno=True)
    calls = (_NO_NEW_PRIVILEGES, 1, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program))
    return all(libc.prctl(*call, 0, 0) == 0 for call in calls)


def _instructions(machine: _Machine) -> Sequence[bytes]:
    """A call by another architecture's rules ends the process; one that is refused fails with EPERM."""
    compare = [
        _instruction(_JUMP_IF_EQUAL, number, then=len(machine.refused) - place)
        for place, number in enumerate(machine.refused)
    ]
    return [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_JUMP_IF_EQUAL, machine.audit, then=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER_AT),
        _instruction(_JUMP_IF_GREATER, _OTHER_TABLE, then=len(compare) + 1),
        *compare,
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _REFUSE),
    ]


def _instruction(code: int, value: int, *, then: int = 0) -> bytes:
    """One instruction; ``then`` is how many are passed over where a comparison holds."""
    return struct.pack("=HBBI", code, then, 0, value)
