"""The store on its own."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from app.ct.diagnosis import Verdict
from app.ct.errors import StorageFull, StorageUnavailable
from app.exam_folder import ExamFolder, Wish
from app.kept import KeptExam, KeptProblem, Sent, Status, new_id
from app.reviews import Judged, Opinion
from app.storage import room
from app.store import Store
from tests.builders import an_exam, swept
from tests.fakes import FakeClassifier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
JUDGED = Judged(Verdict.COVID_19, 0.9, 0.5, "m-1", "00")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data")
    yield opened
    opened.close()


def accepted(store: Store, *, key_hash: str | None = None, keep: timedelta = HOUR) -> KeptExam:
    return store.accept(new_id(), Sent(3, 0.5), now=NOW, keep=keep, key_hash=key_hash)


def test_ids_are_long_and_never_the_same() -> None:
    ids = {new_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(len(one) == 32 for one in ids)


def test_a_question_mark_in_the_path_begins_no_options(tmp_path: Path) -> None:
    Store(tmp_path / "what?mode=ro").close()

    assert (tmp_path / "what?mode=ro" / "exams.sqlite").stat().st_size > 0


def test_an_accepted_exam_is_queued_and_found(store: Store) -> None:
    exam = accepted(store)

    assert store.find(exam.id) == exam
    assert exam.status is Status.QUEUED
    assert exam.expires_at == NOW + HOUR


def test_a_key_names_one_exam(store: Store) -> None:
    first, second = accepted(store, key_hash="k"), accepted(store, key_hash="k")

    assert second == first


def test_exams_survive_a_restart(store: Store, tmp_path: Path) -> None:
    done, running = accepted(store), accepted(store)
    store.finish(done.id, "{}")
    store.start(running.id)
    store.close()

    again = Store(tmp_path / "data")

    assert [exam.id for exam in again.unfinished()] == [running.id]
    assert again.unfinished()[0].attempts == 1
    again.close()


def test_an_expired_exam_leaves_only_its_id(store: Store) -> None:
    exam = accepted(store, key_hash="k")
    store.folder(exam.id).create()
    store.finish(exam.id, '{"secret": 1}')

    erased = swept(store, NOW + HOUR, tombstone=HOUR)
    tombstone = store.find(exam.id)

    assert erased == 1
    assert tombstone is not None
    assert (tombstone.status, tombstone.report, tombstone.files) == (Status.EXPIRED, None, 0)
    assert store.find_by_key("k") is None
    assert not store.folder(exam.id).path.exists()
    assert store.newest(10) == []


def test_a_shorter_retention_holds_for_what_is_kept_already(store: Store) -> None:
    exam = accepted(store, keep=720 * HOUR)

    assert swept(store, NOW + 48 * HOUR, keep=49 * HOUR, tombstone=HOUR) == 0
    assert swept(store, NOW + 48 * HOUR, keep=48 * HOUR, tombstone=HOUR) == 1
    tombstone = store.find(exam.id)
    swept(store, NOW + 49 * HOUR, keep=HOUR, tombstone=HOUR)

    assert tombstone is not None
    assert tombstone.expires_at == NOW + 48 * HOUR
    assert store.find(exam.id) is None


def test_a_longer_retention_keeps_nothing_longer_than_was_promised(store: Store) -> None:
    exam = accepted(store)

    assert swept(store, NOW + 2 * HOUR, keep=720 * HOUR, tombstone=9 * HOUR) == 1
    tombstone = store.find(exam.id)
    assert tombstone is not None
    assert tombstone.expires_at == NOW + HOUR


def test_an_id_is_forgotten_in_the_end(store: Store) -> None:
    exam = accepted(store)
    store.end(exam.id, Status.FAILED, KeptProblem("internal", "x"))

    swept(store, NOW + HOUR, tombstone=HOUR)
    swept(store, NOW + 2 * HOUR, tombstone=HOUR)

    assert store.find(exam.id) is None


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.EXPIRED])
def test_an_exam_expires_wherever_it_stands(store: Store, status: Status) -> None:
    exam = accepted(store)
    store.folder(exam.id).create()
    store.end(exam.id, status, KeptProblem("internal", "x"))

    assert swept(store, NOW + HOUR, tombstone=HOUR) == 1
    assert not store.folder(exam.id).path.exists()
    assert store.unfinished() == []


def test_an_exam_at_work_does_not_expire(store: Store) -> None:
    exam = accepted(store)
    store.start(exam.id)

    assert swept(store, NOW + 9 * HOUR, tombstone=HOUR, at_work={exam.id}) == 0

    found = store.find(exam.id)
    assert found is not None
    assert found.status is Status.RUNNING


def test_an_exam_is_erased_also_where_the_log_cannot_be_emptied_now(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = accepted(store)
    failing = sqlite3.OperationalError("disk I/O error")
    failing.sqlite_errorcode = sqlite3.SQLITE_IOERR

    def refuse(*_: object) -> None:
        raise sa.exc.OperationalError("PRAGMA", None, failing)

    monkeypatch.setattr(sa.Connection, "exec_driver_sql", refuse)
    store.erase(exam.id)

    assert store.find(exam.id) is None


def test_an_erased_exam_is_not_in_the_file_either(store: Store, tmp_path: Path) -> None:
    exam = accepted(store)
    store.finish(exam.id, "CANARY" * 50)

    store.erase(exam.id)
    store.close()

    assert b"CANARY" not in b"".join(path.read_bytes() for path in (tmp_path / "data").glob("exams.sqlite*"))


def test_of_an_expired_exams_reviews_opinion_and_scores_stay(store: Store) -> None:
    exam = accepted(store)
    store.reviews.add(exam.id, Opinion.DISAGREE, "CANARY", judged=JUDGED, now=NOW)

    swept(store, NOW + 2 * HOUR, tombstone=HOUR)

    (review,) = store.reviews.every()
    assert (review.exam_id, review.comment) == (None, "")
    assert (review.opinion, review.judged) == (Opinion.DISAGREE, JUDGED)


def test_an_exam_deleted_meanwhile_is_not_reviewed(store: Store) -> None:
    exam = accepted(store)
    store.erase(exam.id)

    assert store.reviews.add(exam.id, Opinion.AGREE, "", judged=JUDGED, now=NOW) is None
    assert store.reviews.every() == []


def test_a_cut_off_upload_is_cleared_away_at_the_next_start(store: Store) -> None:
    kept, lost = store.folder(accepted(store).id), store.folder(new_id())
    kept.create()
    lost.create()

    store.drop_orphans()

    assert kept.path.exists()
    assert not lost.path.exists()


def test_the_schema_has_a_version(store: Store, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'data' / 'exams.sqlite'}")
    with engine.connect() as connection:
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()

    assert version == "0005"


def test_a_full_disk_is_said_to_be_full() -> None:
    with pytest.raises(StorageFull), room():
        raise OSError(errno.ENOSPC, "no space")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES])
def test_a_disk_that_takes_nothing_is_said_to(number: int) -> None:
    with pytest.raises(StorageUnavailable), room():
        raise OSError(number, "no")


def test_another_fault_of_the_disk_is_not_called_full() -> None:
    with pytest.raises(FileNotFoundError), room():
        raise FileNotFoundError(errno.ENOENT, "no")


def test_a_full_database_is_said_to_be_full(store: Store, tmp_path: Path) -> None:
    exam = accepted(store)
    with store._database._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    sa.event.listen(store._database._engine, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}"))

    with pytest.raises(StorageFull):
        store.finish(exam.id, "x" * 10_000_000)


@pytest.fixture
def full(store: Store, monkeypatch: pytest.MonkeyPatch) -> KeptExam:
    """An exam whose files fill the disk: nothing is written while they are there."""
    exam = accepted(store)
    store.folder(exam.id).create()
    write = os.pwrite

    def refuse(opened: int, data: bytes, at: int) -> int:
        if store.folder(exam.id).path.exists():
            raise OSError(errno.ENOSPC, "no space")
        return write(opened, data, at)

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StorageFull):
        accepted(store)
    return exam


def test_what_expires_makes_room_on_a_full_disk(store: Store, full: KeptExam) -> None:
    kept = store.folder(full.id).path

    assert store.expire(NOW, keep=HOUR, tombstone=9 * HOUR) == []
    assert kept.exists()
    assert store.expire(NOW + 2 * HOUR, keep=HOUR, tombstone=9 * HOUR) == [full.id]
    assert not kept.exists()
    assert store.check_audit() is None
    assert accepted(store).status is Status.QUEUED


def test_what_is_deleted_makes_room_on_a_full_disk(store: Store, full: KeptExam) -> None:
    store.erase(full.id)

    assert store.find(full.id) is None
    assert not store.folder(full.id).path.exists()
    assert store.check_audit() is None


def test_originals_come_back_in_order_with_their_names(tmp_path: Path) -> None:
    folder = ExamFolder(tmp_path / "exam")
    folder.create()
    for number, content in enumerate((b"one", b"two"), start=1):
        with folder.new_original(number) as file:
            file.write(content)
    folder.seal(["b.dcm", "a.dcm"], Wish("1.2.3", 7))

    files, wish = folder.request()

    assert [(file.name, file.read()) for file in files] == [("b.dcm", b"one"), ("a.dcm", b"two")]
    assert wish == Wish("1.2.3", 7)


def test_slices_and_maps_come_back_as_they_were(tmp_path: Path) -> None:
    folder, exam = ExamFolder(tmp_path / "exam"), an_exam(slices=4)
    folder.create()
    scores = next(iter(FakeClassifier().score_chunks(exam, [1, 3])))

    folder.keep(exam, scores)
    found = folder.heat(3)

    assert np.array_equal(folder.gray(2), exam.slices[2].gray)  # type: ignore[arg-type]
    assert found is not None
    assert np.array_equal(found[0], scores.heat[1])
    assert found[1] == tuple(scores.boxes[1])
    assert folder.heat(2) is None
    assert folder.gray(4) is None


def test_others_on_the_machine_cannot_look_in(store: Store, tmp_path: Path) -> None:
    folder = store.folder(new_id())
    folder.create()

    for path in (tmp_path / "data", folder.path.parent, folder.originals):
        assert path.stat().st_mode & 0o077 == 0


def test_nothing_kept_can_run_code(tmp_path: Path) -> None:
    folder = ExamFolder(tmp_path / "exam")
    folder.create()
    (folder.path / "gray").mkdir()
    np.save(folder.path / "gray" / "0000.npy", np.array([object()]), allow_pickle=True)

    with pytest.raises(ValueError, match="pickle"):
        folder.gray(0)


def test_nothing_is_said_of_an_exam_that_has_expired(store: Store) -> None:
    exam = accepted(store)
    swept(store, NOW + 2 * HOUR, tombstone=9 * HOUR)

    assert store.reviews.add(exam.id, Opinion.COMMENT, "CANARY", judged=JUDGED, now=NOW) is None
    assert store.reviews.every() == []


def test_a_list_reads_no_reports(store: Store) -> None:
    exam = accepted(store)
    store.finish(exam.id, "{}", ["said"])

    (whole,), (listed,) = store.newest(1), store.newest(1, with_reports=False)

    assert (whole.report, listed.report, listed.said) == ("{}", None, {})
    assert (listed.id, listed.status) == (exam.id, Status.DONE)


def test_at_the_start_no_report_is_read(store: Store) -> None:
    store.finish(accepted(store).id, "{}")
    asked: list[str] = []

    def note(*told: object) -> None:
        asked.append(str(told[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        store.drop_orphans()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    assert asked
    assert not any("report" in statement for statement in asked)
