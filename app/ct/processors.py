"""How many processors this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_MEMBER, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def cpus(member: Path = _MEMBER, groups: Path = _GROUPS) -> int:
    """At least one; fewer than the machine has where affinity or a control group allows fewer.

    More threads than that only wait for each other: a container that may use two of sixteen processors stands still for the rest
    of each period once sixteen threads have used that up.

    Args:
        member: what says which control groups this process is in.
        groups: where they lie. Groups of version 2 alone are looked at.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, ``cpu.max``.
    """
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([here, *_allowed(member, groups)]))


def _allowed(member: Path, groups: Path) -> Iterator[int]:
    try:
        lines = member.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for path in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        # A group may use no more than those around it.
        for group in (groups / path, *(groups / parent for parent in Path(path).parents)):
            if (limit := _limit(group)) is not None:
                yield limit


def _limit(group: Path) -> int | None:
    try:
        quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None
