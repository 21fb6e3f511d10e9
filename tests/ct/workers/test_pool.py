import ctypes
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.ct.errors import NoWorkers, ServiceError, Unreadable
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, jpeg_files
from app.ct.preprocessing import LungBox
from app.ct.reading import read_exam
from app.ct.reading.files import Damaged, NamedFile
from app.ct.selection import lung_area
from app.ct.workers import ON_THE_SPOT, Broken, Workers
from app.ct.workers.fair import Line
from app.ct.workers.plain import Failed
from app.ct.workers.pool import WorkerPool, workers_of
from tests.ct.workers import tasks
from tests.waiting import until

SERVICE = """
from app.ct.workers.pool import WorkerPool
from tests.ct.workers import tasks
pool = WorkerPool(2)
list(pool.map(tasks.doubled, range(8)))
print(*pool.processes, flush=True)
list(pool.map(tasks.hanging, [3, 3]))
"""
SMALL = phantom(slices=12, lesions="few", size=128)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2, cpu_s=2) as started:
        yield started


def answers(workers: Workers, work: Callable[[Any], Any], items: Sequence[Any], **how: int) -> list[Any]:
    return list(workers.map(work, items, **how))


@pytest.mark.parametrize("at_once", [1, 4])
def test_answers_come_in_order(pool: WorkerPool, at_once: int) -> None:
    found = answers(pool, tasks.doubled, range(50), at_once=at_once)

    assert [one.tolist() for one in found] == [[2 * k] * 3 for k in range(50)]


def test_a_package_of_our_name_in_the_working_directory_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "app"
    other.mkdir()
    (other / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)

    with WorkerPool(1) as elsewhere:
        assert len(answers(elsewhere, tasks.doubled, [1])) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("work", [tasks.crashed, tasks.computing])
@pytest.mark.parametrize("at_once", [1, 3])
def test_what_breaks_its_process_costs_nothing_else(pool: WorkerPool, work: Callable[[int], int], at_once: int) -> None:
    found = answers(pool, work, range(6), at_once=at_once)

    assert isinstance(found[3], Broken)
    assert found[:3] + found[4:] == [0, 1, 2, 4, 5]


def test_what_waits_for_ever_is_ended() -> None:
    with WorkerPool(1, wall_s=3) as impatient:
        found = answers(impatient, tasks.hanging, range(5))

    assert [type(one) for one in found] == [bytes, bytes, bytes, Broken, bytes]


def test_memory_is_bounded(pool: WorkerPool) -> None:
    found = answers(pool, tasks.greedy, [16, 4096, 16])

    assert [type(one) for one in found] == [int, Failed, int]


def test_errors_of_others_lose_their_text(pool: WorkerPool) -> None:
    ours, foreign, full = answers(pool, tasks.raising, ["ours", "foreign", "full"])

    assert isinstance(ours, Damaged)
    assert str(ours) == "cut off"
    assert isinstance(foreign, Failed)
    assert str(foreign) == "ValueError"
    assert isinstance(full, OSError)
    assert "CANARY" not in f"{full!r} {full.filename}"


def test_what_a_decoder_prints_reaches_nobody(pool: WorkerPool, capfd: pytest.CaptureFixture[str]) -> None:
    assert answers(pool, tasks.printing, ["CANARY"]) == [6]
    assert capfd.readouterr() == ("", "")


def test_a_worker_connects_to_nobody(pool: WorkerPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert refused(pool, tasks.connecting, server.getsockname()[1])


@pytest.mark.parametrize(
    "work",
    [
        tasks.running_another_program,
        tasks.starting_another_process,
        tasks.ending_another_process,
        tasks.ending_another_thread,
        tasks.limiting_another_process,
        tasks.holding_another_process,
    ],
)
def test_a_worker_starts_and_ends_nothing_else(pool: WorkerPool, work: Callable[[Any], None]) -> None:
    assert refused(pool, work, os.getpid())


def refused(pool: WorkerPool, work: Callable[[Any], None], item: object) -> bool:
    (found,) = answers(pool, work, [item])
    return isinstance(found, Failed) and str(found) == "PermissionError"


def test_the_settings_of_the_service_are_not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVIDCT_SECRET", "1")
    with WorkerPool(1) as own:
        assert answers(own, tasks.settings, ["COVIDCT_"]) == [[]]


def test_what_is_not_carried_is_a_failure_of_its_item_alone(pool: WorkerPool) -> None:
    assert [type(one) for one in answers(pool, tasks.path_of, range(2))] == [Failed, Failed]
    assert len(answers(pool, tasks.doubled, range(3))) == 3


def test_a_worker_that_something_else_ended_costs_nothing(tmp_path: Path) -> None:
    lent = tmp_path / "lent"
    lent.touch()
    with WorkerPool(1) as own, ThreadPoolExecutor(1) as thread:
        own.check()
        found = thread.submit(answers, own, tasks.waiting, [NamedFile("", lent)])
        time.sleep(0.3)
        os.kill(own.processes[0], signal.SIGKILL)
        lent.write_text("done", encoding="utf-8")

        assert found.result() == ["done"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_the_service_does_not_end_its_workers_first(pool: WorkerPool, ending: signal.Signals) -> None:
    answers(pool, tasks.doubled, range(8))
    before = pool.processes
    for pid in before:
        os.kill(pid, ending)
    answers(pool, tasks.doubled, range(8))

    assert pool.processes == before


def test_workers_end_with_a_service_that_is_killed_while_they_work() -> None:
    service = subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    pids = [int(pid) for pid in service.stdout.readline().split()]
    # One that waits for a question ends by itself when nobody is left to ask.
    until(lambda: all(waits_at_its_own_pipe(pid) for pid in pids))
    service.kill()
    service.wait()
    service.stdout.close()

    assert pids
    assert all(ended(pid) for pid in pids)


def waits_at_its_own_pipe(pid: int) -> bool:
    """Whether a worker is at ``tasks.hanging``, which holds both ends of one."""
    held = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return any(held.count(one) == 2 for one in held if one.startswith("pipe:"))


def test_workers_that_do_not_start_are_the_operators_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = WorkerPool(1)
    with pytest.raises(NoWorkers):
        pool.check()
    with pytest.raises(ServiceError):
        answers(pool, tasks.doubled, [1])
    pool.close()


def test_workers_that_hang_at_their_start_are_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    with WorkerPool(1, start_s=0.5) as pool, pytest.raises(NoWorkers):
        pool.check()


def test_a_closed_pool_does_nothing_more() -> None:
    pool = WorkerPool(1)
    pool.close()

    with pytest.raises(ServiceError):
        answers(pool, tasks.doubled, [1])


def test_answers_that_nobody_waits_for_are_not_worked_on(pool: WorkerPool) -> None:
    found = pool.map(tasks.doubled, range(10**9))

    assert next(found).tolist() == [0, 0, 0]
    found.close()
    assert len(answers(pool, tasks.doubled, range(3))) == 3


def test_who_comes_with_little_does_not_wait_behind_much(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    item = NamedFile("", gate)
    with WorkerPool(1) as own, ThreadPoolExecutor(2) as threads:
        own.check()
        # The only thread is held until both are in line.
        held = threading.Event()
        holding = own._threads.submit(partial(held.wait, 120), Line())
        much = threads.submit(answers, own, tasks.released_at, [item] * 4)
        little = threads.submit(answers, own, tasks.released_at, [item])
        until(lambda: holding.running() and sum(map(len, own._threads._lines)) >= 5)
        gate.write_text("open", encoding="utf-8")
        held.set()

    assert little.result()[0] < much.result()[2]


def test_a_closed_pool_leaves_no_process_behind() -> None:
    pool = WorkerPool(2)
    pool.start()
    answers(pool, tasks.doubled, range(20))
    processes = pool.processes
    pool.close()

    assert processes
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


@pytest.mark.parametrize("files", [dicom_files, jpeg_files])
def test_an_exam_is_read_by_processes_as_on_the_spot(pool: WorkerPool, files: Any, tmp_path: Path) -> None:
    there, here = (
        read_exam(list(files(SMALL)), values_in=_made(tmp_path / name), workers=workers)
        for name, workers in (("there", pool), ("here", ON_THE_SPOT))
    )

    assert all(np.array_equal(a.gray, b.gray) for a, b in zip(there.slices, here.slices, strict=True))
    assert [s.z_mm for s in there.slices] == [s.z_mm for s in here.slices]
    assert there.warnings == here.warnings
    assert there.series == here.series
    assert np.array_equal(lung_area(there, workers=pool), lung_area(here))


def test_slices_are_prepared_by_processes_as_on_the_spot(pool: WorkerPool) -> None:
    slices = SMALL.exam().slices

    for there, here in zip(pool.map(LungBox(), slices), ON_THE_SPOT.map(LungBox(), slices), strict=True):
        assert np.array_equal(there.image, here.image)
        assert np.array_equal(there.lung, here.lung)
        assert (there.box, there.lung_share, there.masked) == (here.box, here.lung_share, here.masked)


class BreakingOn:
    """Does the work on the spot, but for one item of one kind of work, which breaks its process."""

    def __init__(self, work: str, place: int) -> None:
        self._work, self._place = work, place

    def map(self, work: Any, items: Sequence[Any], *, at_once: int = 1) -> Iterator[Any]:
        breaks = self._work in repr(work)
        for place, found in enumerate(ON_THE_SPOT.map(work, items, at_once=at_once)):
            yield Broken() if breaks and place == self._place else found


@pytest.mark.parametrize(
    ("files", "work"),
    [
        (dicom_files, "_checked_headers"),
        (dicom_files, "_Decode"),
        (jpeg_files, "_without_file"),
        (jpeg_files, "Decode"),
    ],
)
def test_a_file_that_breaks_its_process_refuses_its_exam_by_number(files: Any, work: str) -> None:
    with pytest.raises(Unreadable, match=r"^File 5 of 12 .*takes more time or memory than is allowed\.$"):
        read_exam(list(files(SMALL)), workers=BreakingOn(work, 4))


def test_without_processes_the_work_is_done_on_the_spot() -> None:
    assert workers_of(0) is ON_THE_SPOT
    assert workers_of(3).count == 3


def ended(pid: int) -> bool:
    """Whether a process ends, or is only still listed."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_no_more_processes_than_scoring_keeps_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ct.workers.pool.cpus", lambda: 64)

    assert WorkerPool().count == 8
    assert WorkerPool(64).count == 64


def test_files_may_be_lent_to_many_at_a_time() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        WorkerPool(1).close()

        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# socket's connect, bind, listen and pair; clone, fork, vfork, execve and execveat; ptrace and the memory of other processes;
# unshare, setns, mount and bpf; keys; clone3, io_uring, pidfd_open and pidfd_getfd; getpid of the x32 interface. Numbers are the
# kernel's (arch/x86/entry/syscalls/syscall_64.tbl), not those of the module under test: a dropped one is seen.
X86_64 = [42, 49, 50, 53, 57, 58, 59, 322, 101, 310, 311, 272, 308, 165, 321, 250, 248, 425, 434, 438, 0x40000000 + 39]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of calls are those of x86-64")
def test_what_a_worker_has_no_use_for_is_refused_by_the_kernel(pool: WorkerPool) -> None:
    assert answers(pool, tasks.not_refused, [X86_64]) == [[]]


def test_a_worker_writes_opens_and_dumps_no_more_than_it_may(pool: WorkerPool) -> None:
    assert answers(pool, tasks.limits, [0]) == [[2**30, 64, 0]]


def test_workers_cannot_look_into_the_service(pool: WorkerPool) -> None:
    assert pool.count
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
