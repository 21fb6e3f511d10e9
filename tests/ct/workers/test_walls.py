"""What a worker can open."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.ct.errors import ServiceError
from app.ct.reading.files import NamedFile
from app.ct.workers.plain import Failed
from app.ct.workers.pool import WorkerPool
from tests.ct.workers import tasks


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1) as started:
        if not started.are_walled_off():
            pytest.skip("no Landlock on this machine")
        yield started


def name_of(answer: Any) -> str:
    assert isinstance(answer, Failed), answer
    return str(answer)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/hostname", "/proc/self/environ", "/proc/1/cmdline", "README.md", "model_store", ".git/HEAD"],
)
def test_a_worker_reads_nothing_but_programs(pool: WorkerPool, path: str) -> None:
    (found,) = pool.map(tasks.reading, [str(Path(path).resolve())])

    assert name_of(found) == "PermissionError"


def test_a_worker_reads_no_exam_of_anybody(pool: WorkerPool, tmp_path: Path) -> None:
    (tmp_path / "exam").write_bytes(b"another patient's")

    assert [name_of(found) for found in pool.map(tasks.reading, [str(tmp_path / "exam")])] == ["PermissionError"]
    assert [name_of(found) for found in pool.map(tasks.listing, [str(tmp_path)])] == ["PermissionError"]


@pytest.mark.parametrize("work", [tasks.writing, tasks.removing, tasks.opening_to_all])
@pytest.mark.parametrize("folder", ["store", "programs"])
def test_a_worker_changes_nothing(pool: WorkerPool, tmp_path: Path, work: Callable[[str], Any], folder: str) -> None:
    place = {"store": tmp_path, "programs": Path(np.__file__).parent}[folder]
    file = place / "covidct-test-of-walls"
    file.write_bytes(b"before")
    mode = file.stat().st_mode
    try:
        (found,) = pool.map(work, [str(file)])

        assert name_of(found) == "PermissionError"
        assert (file.read_bytes(), file.stat().st_mode) == (b"before", mode)
    finally:
        file.unlink()


def test_a_worker_makes_no_file(pool: WorkerPool, tmp_path: Path) -> None:
    (found,) = pool.map(tasks.writing, [str(tmp_path / "new")])

    assert name_of(found) == "PermissionError"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_service_lends_is_read_and_not_written(pool: WorkerPool, tmp_path: Path) -> None:
    lent = tmp_path / "lent"
    lent.write_bytes(b"0123456789")
    file = NamedFile("", lent)

    assert list(pool.map(tasks.twice_at_once, [file])) == [(b"01234", b"789", b"23")]
    assert [name_of(found) for found in pool.map(tasks.writing_into_what_is_lent, [file])] == ["OSError"]
    assert lent.read_bytes() == b"0123456789"


def test_lent_files_are_closed_on_either_side(pool: WorkerPool, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b"x")
    files = [NamedFile("", tmp_path / str(number)) for number in range(100)]
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))

    assert list(pool.map(tasks.waiting, files, at_once=16)) == ["x"] * 100
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(pool.processes) == 1


def test_a_file_that_was_erased_meanwhile_is_no_fault_of_the_worker(pool: WorkerPool, tmp_path: Path) -> None:
    before = pool.processes
    with pytest.raises(ServiceError):
        list(pool.map(tasks.waiting, [NamedFile("", tmp_path / "erased")]))

    assert pool.processes == before


def test_a_link_is_not_followed(pool: WorkerPool, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(ServiceError):
        list(pool.map(tasks.waiting, [NamedFile("", tmp_path / "link")]))
