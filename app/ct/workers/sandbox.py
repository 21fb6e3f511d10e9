"""What the kernel refuses a worker from here on: connections, other programs, the service itself. Linux on x86-64 and ARM64.

A filter of system calls (seccomp), which any process may put on itself and none can take off; it also holds inside a container.
Source: the kernel's Documentation/userspace-api/seccomp_filter.rst, linux/filter.h, linux/seccomp.h, linux/audit.h.
"""

import ctypes
import errno
import platform
import signal
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class _Machine:
    """An architecture as the kernel calls it, and the numbers of what is refused on it."""

    audit: int
    prlimit: int
    refused: tuple[int, ...]


# Line by line: socket, connect, accept, bind, listen, socketpair, accept4; clone, fork, vfork, execve, execveat (ARM64 has no
# fork and no vfork); ptrace, process_vm_readv, process_vm_writev; kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo;
# unshare, setns, mount, bpf, perf_event_open, userfaultfd; keyctl, add_key, request_key; what ``walls`` does not refuse: chmod,
# fchmod, fchmodat, chown, fchown, lchown, fchownat, setxattr, lsetxattr, fsetxattr, utime, utimes, futimesat, utimensat.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        302,
        (
            *(41, 42, 43, 49, 50, 53, 288),
            *(56, 57, 58, 59, 322),
            *(101, 310, 311),
            *(62, 200, 234, 129, 297),
            *(272, 308, 165, 321, 298, 323),
            *(250, 248, 249),
            *(90, 91, 268, 92, 93, 94, 260, 188, 189, 190, 132, 235, 261, 280),
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        261,
        (
            *(198, 203, 202, 200, 201, 199, 242),
            *(220, 221, 281),
            *(117, 270, 271),
            *(129, 130, 131, 138, 240),
            *(97, 268, 40, 280, 241, 282),
            *(219, 217, 218),
            *(52, 53, 55, 54, 5, 6, 7, 88),
        ),
    ),
}
# Alike on both: clone3, io_uring_setup (which makes sockets too), pidfd_send_signal, pidfd_open, pidfd_getfd, open_tree,
# move_mount, fsopen, fchmodat2.
_ANYWHERE = (435, 425, 424, 434, 438, 428, 429, 430, 452)
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_OTHER_TABLE = 0x3FFFFFFF
"""Numbers above belong to the x32 table, which has the same calls under other numbers."""
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_DEATH_SIGNAL, _DUMPABLE = 1, 4


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
    calls = (_NO_NEW_PRIVILEGES, 1, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program))
    return all(_is_done(*call) for call in calls)


def end_with_the_service() -> None:
    """Have the kernel end this process when the thread that started it ends."""
    _is_done(_DEATH_SIGNAL, int(signal.SIGKILL), 0)


def hide_memory() -> None:
    """Keep other processes of the same user, such as workers, out of this one's memory, settings and open files."""
    _is_done(_DUMPABLE, 0, 0)


def _is_done(option: int, first: object, second: object) -> bool:
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(option, first, second, 0, 0) == 0)


def _instructions(machine: _Machine) -> Sequence[bytes]:
    """A call by another architecture's rules ends the process; one that is refused fails with EPERM."""
    refused = (*machine.refused, *_ANYWHERE)
    # Behind the comparisons: allow, refuse, then the limits of processes, which a worker may set for itself (0) alone.
    compare = [
        _instruction(_JUMP_IF_EQUAL, number, then=len(refused) - place + 1) for place, number in enumerate(refused)
    ]
    return [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_JUMP_IF_EQUAL, machine.audit, then=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER_AT),
        _instruction(_JUMP_IF_GREATER, _OTHER_TABLE, then=len(compare) + 2),
        *compare,
        _instruction(_JUMP_IF_EQUAL, machine.prlimit, then=2),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _REFUSE),
        _instruction(_LOAD, _FIRST_ARGUMENT_AT),
        _instruction(_JUMP_IF_EQUAL, 0, then=1),
        _instruction(_RETURN, _REFUSE),
        _instruction(_RETURN, _ALLOW),
    ]


def _instruction(code: int, value: int, *, then: int = 0) -> bytes:
    """One instruction; ``then`` is how many are passed over where a comparison holds."""
    return struct.pack("=HBBI", code, then, 0, value)
