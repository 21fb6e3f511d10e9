"""What is accepted stays: on the disk before it is acknowledged, in one service's hands, and gone when it is erased."""

import errno
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from structlog.testing import capture_logs

from app.ct.errors import (
    BrokenStore,
    FullDisk,
    LockedStore,
    NewerSchema,
    StorageUnavailable,
    StoreInUse,
    UnwritableStore,
)
from app.database import MIGRATIONS, Database
from app.exam_folder import Wish
from app.kept import KeptExam, Sent, Status, new_id
from app.store import Store
from tests.builders import an_exam, swept
from tests.fakes import FakeClassifier
from tests.waiting import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data")
    yield opened
    opened.close()


def accepted(store: Store) -> KeptExam:
    return store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was written through to the disk, in order."""
    paths, fsync = list[Path](), os.fsync

    def note(descriptor: int) -> None:
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return paths


def test_a_sealed_exam_is_on_the_disk_files_before_folders(store: Store, synced: list[Path]) -> None:
    folder = store.folder(new_id())
    folder.create()
    with folder.new_original(1) as original:
        original.write(b"slice")

    folder.seal(["a"], Wish())

    files = {folder.originals / "000001", folder.originals / "request.json"}
    assert set(synced[:2]) == files
    assert synced[2:] == [folder.originals, folder.path, folder.path.parent]


def test_pictures_are_on_the_disk_before_the_exam_is_done(store: Store, synced: list[Path]) -> None:
    folder, exam = store.folder(new_id()), an_exam(slices=2)
    folder.create()
    (scores,) = FakeClassifier().score_chunks(exam, range(2))

    folder.keep(exam, scores)

    assert {path for path in folder.path.rglob("*") if path.name != "originals"} <= set(synced)


def test_every_commit_is_on_the_disk(store: Store) -> None:
    with store._database.session() as session:
        assert session.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2


def test_a_line_of_the_audit_log_is_on_the_disk(store: Store, synced: list[Path], tmp_path: Path) -> None:
    accepted(store)

    assert synced == [tmp_path / "data" / "audit.jsonl", tmp_path / "data"]


def test_two_services_do_not_share_a_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreInUse):
        Store(tmp_path / "data")


def test_a_store_that_was_closed_can_be_had(store: Store, tmp_path: Path) -> None:
    store.close()

    Store(tmp_path / "data").close()


def test_a_damaged_database_is_refused_and_can_be_put_right(store: Store, tmp_path: Path) -> None:
    store.close()
    path = tmp_path / "data" / "exams.sqlite"
    sound = path.read_bytes()
    path.write_bytes(sound[:4096] + b"\xff" * 4096 + sound[8192:])

    with pytest.raises(BrokenStore, match="damaged"):
        Store(tmp_path / "data")
    path.write_bytes(sound)
    Store(tmp_path / "data").close()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "exams.sqlite").write_bytes(b"no database at all" * 100)

    with pytest.raises(BrokenStore, match="damaged"):
        Store(tmp_path)


@contextmanager
def disk_that_takes_nothing() -> Iterator[None]:
    """To SQLite it looks as a full one does: an error of reading and writing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("free", "kind"), [(0, FullDisk), (2**30, UnwritableStore)])
def test_a_full_disk_is_told_from_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, kind: type[BrokenStore]
) -> None:
    path = tmp_path / "exams.sqlite"
    Database(path).close()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**30 - free, free))

    with disk_that_takes_nothing(), pytest.raises(BrokenStore) as refused:
        Database(path)
    Database(path).close()

    assert type(refused.value) is kind


def test_every_cause_a_database_cannot_be_used_for_has_its_own_advice() -> None:
    kinds = (BrokenStore, *BrokenStore.__subclasses__())

    assert len({kind.advice for kind in kinds}) == len(kinds)


def test_a_locked_database_is_refused_at_start(store: Store, tmp_path: Path) -> None:
    store.close()
    other = sqlite3.connect(tmp_path / "data" / "exams.sqlite", isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(LockedStore, match="locked"):
        Store(tmp_path / "data", busy_s=0.1)
    other.close()


def test_a_database_that_is_locked_meanwhile_is_unavailable(tmp_path: Path) -> None:
    store = Store(tmp_path / "data", busy_s=0.1)
    other = sqlite3.connect(tmp_path / "data" / "exams.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageUnavailable):
        accepted(store)
    other.execute("ROLLBACK")
    assert accepted(store).status is Status.QUEUED
    other.close()
    store.close()


def test_writers_that_wait_for_a_lock_keep_no_reader_waiting(store: Store, tmp_path: Path) -> None:
    exam = accepted(store)
    other = sqlite3.connect(tmp_path / "data" / "exams.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(20) as writers:
        waiting = [writers.submit(accepted, store) for _ in range(20)]
        try:
            until(lambda: store._database._engine.pool.status().endswith("Checked out connections: 20"), within_s=10)
            found = store.find(exam.id)
        finally:
            other.execute("ROLLBACK")
    other.close()

    assert found == exam
    assert {one.result().status for one in waiting} == {Status.QUEUED}


def test_a_database_of_a_newer_version_is_refused(store: Store, tmp_path: Path) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "data" / "exams.sqlite") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()

    with pytest.raises(NewerSchema, match="another version"):
        Store(tmp_path / "data")


def a_database_of(version: str, path: Path, *rows: str) -> None:
    """One that an earlier version of the service left, with the rows that these statements insert."""
    engine, config = sa.create_engine(f"sqlite:///{path}"), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        for row in rows:
            connection.execute(sa.text(row))
    engine.dispose()


def test_exams_of_the_first_version_are_still_there(tmp_path: Path) -> None:
    row = "INSERT INTO exams VALUES (1, 'a', 'done', 0.0, 9e9, 3, 0.5, 1, NULL, '{\"old\": 1}', NULL)"
    a_database_of("0001", tmp_path / "exams.sqlite", row)

    store = Store(tmp_path)
    found = store.find("a")
    store.close()

    assert found is not None
    assert (found.status, found.files, found.report, found.stuck) == (Status.DONE, 3, '{"old": 1}', 0)


KILLED_WITHIN_AN_UPGRADE = """
import os, sys
from pathlib import Path
from alembic import op
from app.database import Database

op.create_table = lambda *_, **__: os._exit(9)
Database(Path(sys.argv[1]))
"""


def test_a_kill_within_an_upgrade_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    def schema() -> list[tuple[str]]:
        with closing(sqlite3.connect(path)) as opened:
            version = opened.execute("SELECT version_num FROM alembic_version").fetchall()
            return version + opened.execute("SELECT sql FROM sqlite_master").fetchall()

    path = tmp_path / "exams.sqlite"
    a_database_of("0004", path)
    before = schema()

    killed = subprocess.run([sys.executable, "-c", KILLED_WITHIN_AN_UPGRADE, str(path)], timeout=60)
    after = schema()
    Database(path).close()

    assert (killed.returncode, after) == (9, before)
    assert schema() != before


def test_a_half_upgraded_database_is_not_said_to_be_damaged(tmp_path: Path) -> None:
    a_database_of("0004", tmp_path / "exams.sqlite", "ALTER TABLE exams ADD COLUMN stuck INTEGER")

    with pytest.raises(BrokenStore, match="does not hold the tables of the version"):
        Database(tmp_path / "exams.sqlite")


def test_the_schema_goes_back_to_nothing(tmp_path: Path) -> None:
    Database(tmp_path / "exams.sqlite").close()
    engine, config = sa.create_engine(f"sqlite:///{tmp_path / 'exams.sqlite'}"), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


@pytest.mark.parametrize("how", ["erase", "sweep"])
def test_what_is_erased_is_in_no_file_of_an_open_store(store: Store, tmp_path: Path, how: str) -> None:
    exam = accepted(store)
    store.finish(exam.id, "CANARY" * 50)
    if how == "erase":
        store.erase(exam.id)
    else:
        swept(store, NOW + 2 * HOUR, tombstone=HOUR)

    assert b"CANARY" not in b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


def test_what_a_kill_left_of_an_upload_goes_at_the_next_start(store: Store) -> None:
    done, waiting = accepted(store), accepted(store)
    for exam in (done, waiting):
        store.folder(exam.id).create()
        store.folder(exam.id).seal([], Wish())
    store.finish(done.id, "{}")

    store.drop_orphans()

    assert not store.folder(done.id).originals.exists()
    assert store.folder(waiting.id).is_sealed()


def test_a_diagnosis_broken_off_in_order_is_no_attempt(store: Store) -> None:
    exam = accepted(store)
    store.start(exam.id)
    store.put_back(exam.id)

    (found,) = store.unfinished()

    assert (found.status, found.attempts) == (Status.QUEUED, 0)


def test_only_a_running_exam_is_stuck(store: Store) -> None:
    exam = accepted(store)
    store.start(exam.id)

    assert [store.mark_stuck(exam.id), store.mark_stuck(exam.id)] == [1, 0]


def test_nobody_else_reads_the_store(store: Store, tmp_path: Path) -> None:
    accepted(store)

    data = tmp_path / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "audit.jsonl").stat().st_mode) == 0o600
    shutil.rmtree(data)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("before", ["nothing", "files", "files left open"])
def test_nobody_else_reads_what_lies_in_a_folder_that_was_there(tmp_path: Path, before: str, usual_umask: None) -> None:
    data, others = tmp_path / "data", []
    data.mkdir(mode=0o755)
    if before != "nothing":
        others.append(Store(data))
        accepted(others[0])
        others[0].folder(new_id()).create()
        if before == "files":
            others.pop().close()
        else:  # As a kill leaves them.
            os.close(others[0]._lock)
            others[0]._lock = -1
        for path in data.iterdir():
            path.chmod(0o755 if path.is_dir() else 0o644)

    store = Store(data)
    accepted(store)

    assert (data / "exams.sqlite-wal").exists()
    assert {path.name for path in data.iterdir() if path.stat().st_mode & 0o077} == set()
    for one in (store, *others):
        one.close()


def test_a_database_that_cannot_be_made_is_a_broken_store(tmp_path: Path) -> None:
    (tmp_path / "exams.sqlite").mkdir()

    with pytest.raises(UnwritableStore, match="cannot be written"):
        Store(tmp_path)


def test_a_database_that_is_anothers_is_a_broken_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **_how: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    Store(tmp_path).close()
    (tmp_path / "exams.sqlite").chmod(0o664)
    monkeypatch.setattr(Path, "chmod", refuse)

    with pytest.raises(UnwritableStore, match="cannot be written"):
        Store(tmp_path)


@pytest.fixture
def refusing_once(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was asked to be deleted, in order; the disk refuses the first."""
    asked, remove = list[Path](), shutil.rmtree

    def rmtree(path: Path, **how: bool) -> None:
        asked.append(path)
        if len(asked) > 1:
            remove(path, **how)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    return asked


@pytest.mark.parametrize("how", ["erased", "expired", "cut off", "orphan", "diagnosed"])
def test_what_cannot_be_deleted_is_told_and_goes_with_the_next_sweep(
    store: Store, refusing_once: list[Path], how: str
) -> None:
    exam = accepted(store)
    folder = store.folder(exam.id)
    folder.create()
    with capture_logs() as told:
        match how:
            case "erased":
                store.erase(exam.id)
            case "expired":
                swept(store, NOW + 2 * HOUR, tombstone=HOUR)
            case "orphan":
                store.expire(NOW + 2 * HOUR, keep=HOUR, tombstone=HOUR)
                store.drop_orphans()
            case "cut off":
                assert not folder.erase()
            case _:
                assert not folder.drop_originals()
    left = folder.originals.exists()

    swept(store, NOW, tombstone=HOUR)
    asked = len(refusing_once)
    swept(store, NOW, tombstone=HOUR)

    assert [(line["event"], line["exam_id"]) for line in told] == [("not erased", exam.id)]
    assert left
    assert not folder.originals.exists()
    assert folder.path.exists() == (how == "diagnosed")
    assert len(refusing_once) == asked == 2


def test_what_is_gone_is_told_to_nobody(store: Store) -> None:
    exam = accepted(store)
    store.folder(exam.id).create()

    with capture_logs() as told:
        store.erase(exam.id)
        gone = store.folder(exam.id).erase()

    assert (told, gone) == ([], True)
