"""A disk that is full while exams come, wait and are diagnosed: 507, nothing accepted is lost, and it goes on by itself."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.bench.client import EXAMS
from tests.soak.rows import Length, Row
from tests.soak.sending import a_form, end_of, hand_in, send_once
from tests.soak.service import Service

_SIZE_MB = 48
_NAME = f"data folder of {_SIZE_MB} MB, full"


def run(length: Length) -> Iterator[Row]:
    """Fill the disk behind the exams that were accepted, as often as time allows; make room again."""
    rounds = max(1, int(length.seconds(whole=120, short=10) / 10))
    with tempfile.TemporaryDirectory(prefix="covidct-soak-") as room, _small_disk(Path(room)) as disk:
        if disk is None:
            yield Row(_NAME, "not run: nothing can be mounted here", "507, then 201", False, of_machine=True)
            return
        service = Service(Path(room), retry_after_s=1)
        service.data = disk / "data"
        try:
            service.start()
            yield from _filled(service, disk / "filler", rounds)
        finally:
            service.stop()


def _filled(service: Service, filler: Path, rounds: int) -> Iterator[Row]:
    form = a_form(slices=12, size=256)
    refused, alive, accepted, after = Counter[str](), Counter[int](), list[str](), Counter[str]()
    deleted = Counter[int]()
    with service.client() as client:
        for _ in range(rounds):
            in_the_way = str(hand_in(client, form).exam_id)
            end_of(client, in_the_way)
            accepted += [one.exam_id for one in (hand_in(client, form) for _ in range(3)) if one.exam_id]
            _fill(filler)
            refused[send_once(client, form).detail] += 1
            alive[client.get("/livez").status_code] += 1
            deleted[client.delete(f"{EXAMS}/{in_the_way}").status_code] += 1
            time.sleep(2)
            filler.unlink()
            after[send_once(client, form).fate] += 1
        ends = Counter(end_of(client, exam_id) for exam_id in accepted)
    yield Row(f"{_NAME}: an exam sent then", _said(refused), "507", set(refused) == {"507"})
    yield Row(f"{_NAME}: /livez then", _said(alive), "200", set(alive) == {200})
    yield Row(f"{_NAME}: an exam deleted then", _said(deleted), "204", set(deleted) == {204})
    yield Row(f"{_NAME}: the exams accepted before", _said(ends), "all done", bool(accepted) and set(ends) == {"done"})
    yield Row(f"{_NAME}: an exam sent once there is room", _said(after), "done", set(after) == {"done"})


def _said(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _fill(filler: Path) -> None:
    """Until the disk takes nothing more."""
    opened = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(opened, bytes(4096))
    os.close(opened)


@contextlib.contextmanager
def _small_disk(room: Path) -> Iterator[Path | None]:
    """A file system of its own; None where this may not mount any."""
    place = room / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "covidct-soak", str(place)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield place if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)
