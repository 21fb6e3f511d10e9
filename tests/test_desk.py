"""The lines that exams wait in, and what becomes of them there."""

import asyncio
import contextlib
import io
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit import AuditLog
from app.course import Ended
from app.ct.errors import Busy, NotReady, StorageFull, StorageUnavailable
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.ct.reading.files import NamedFile
from app.ct.scores import SliceScores
from app.desk import MAX_ATTEMPTS
from app.diagnosing import utc_now
from app.kept import KeptExam, KeptProblem, Sent, Status, new_id
from app.store import Store
from tests.desks import RunningDesk
from tests.fakes import FakeClassifier
from tests.waiting import until


@pytest.fixture(scope="module")
def chest() -> list[NamedFile]:
    return list(dicom_files(phantom(slices=31, lesions="few", size=128)))


def test_exams_are_diagnosed_one_after_the_other(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier())
    running.desk.start()
    ids = [running.take(chest) for _ in range(3)]

    outcomes = [running.wait_for(one) for one in ids]
    running.close()

    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    assert dict(outcomes[0].timing_s).keys() >= {"receive", "wait", "read", "select", "score", "total"}


class HoldingWholeExams(FakeClassifier):
    """Waits for its gate where an exam has more than one slice."""

    def score_chunks(self, exam: Exam, indices: Sequence[int], **how: Any) -> Iterator[SliceScores]:
        held = replace(self, gate=None if len(exam.slices) == 1 else self.gate)
        return FakeClassifier.score_chunks(held, exam, indices, **how)


@pytest.mark.parametrize(("padding", "small"), [(2**20, {"small_exam_mb": 1}), (0, {"small_exam_files": 8})])
def test_a_single_image_does_not_wait_behind_exams_of_many_bytes_or_files(
    chest: list[NamedFile], tmp_path: Path, padding: int, small: dict[str, float]
) -> None:
    gate = threading.Event()
    limits = {"small_exam_mb": 100, "small_exam_files": 100} | small
    running = RunningDesk(tmp_path, classifier=HoldingWholeExams(gate=gate), **limits)
    running.desk.start()
    large = [NamedFile("padded", chest[0].read() + bytes(padding)), *chest[1:]]
    held = [running.take(large) for _ in range(3)]
    first = running.wait_for(running.take(chest[12:13]))
    ended_before = set(running.ended)
    gate.set()
    outcomes = [running.wait_for(one) for one in held]
    running.close()

    assert ended_before == {first.exam_id}
    assert {one.status for one in (first, *outcomes)} == {Status.DONE}


def test_both_lines_together_are_bounded(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), queue_size=2, small_exam_mb=1)
    running.take(chest)
    running.take([NamedFile("padded", chest[0].read() + bytes(2**20))])

    assert running.desk.waiting == 2
    with pytest.raises(Busy):
        running.take(chest)
    running.store.close()


def test_a_full_line_is_busy(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), queue_size=2)
    running.take(chest)
    running.take(chest)

    with pytest.raises(Busy):
        running.take(chest)
    running.store.close()


def test_with_no_wait_for_the_model_uploads_are_taken_once_it_has_loaded(tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), ready_wait_s=0)
    with pytest.raises(NotReady):
        asyncio.run(running.desk.admit())
    running.desk.start()
    until(lambda: running.desk.classifier is not None)

    with asyncio.run(running.desk.admit()):
        running.close()


def test_an_exam_that_is_erased_gives_up_its_place_in_line(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), queue_size=2)
    first, _ = running.take(chest), running.take(chest)
    course = running.desk.course(first)

    running.desk.erase(first)

    assert (running.desk.waiting, running.desk.course(first)) == (1, None)
    assert course is not None
    assert course.latest == Ended(Status.EXPIRED)
    assert running.take(chest)
    running.store.close()


def test_one_fault_does_not_stop_the_next_exam(chest: list[NamedFile], tmp_path: Path) -> None:
    classifier = FakeClassifier(fault=RuntimeError("x"))
    running = RunningDesk(tmp_path, classifier=classifier)
    running.desk.start()
    failed = running.wait_for(running.take(chest))
    classifier.fault = None

    done = running.wait_for(running.take(chest))
    running.close()

    assert (failed.status, failed.code, done.status) == (Status.FAILED, "internal", Status.DONE)


def test_a_restart_takes_up_what_was_accepted(chest: list[NamedFile], tmp_path: Path) -> None:
    before = RunningDesk(tmp_path, classifier=FakeClassifier())
    waiting, begun = before.take(chest), before.take(chest)
    before.store.start(begun)
    before.store.close()

    after = RunningDesk(tmp_path, classifier=FakeClassifier())
    after.desk.start()
    outcomes = [after.wait_for(one) for one in (waiting, begun)]
    after.close()

    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.DONE]


def test_an_exam_that_keeps_interrupting_the_service_is_given_up(chest: list[NamedFile], tmp_path: Path) -> None:
    before = RunningDesk(tmp_path, classifier=FakeClassifier())
    exam_id = before.take(chest)
    for _ in range(MAX_ATTEMPTS):
        before.store.start(exam_id)
    before.store.close()

    after = RunningDesk(tmp_path, classifier=FakeClassifier())
    after.desk.start()
    outcome = after.wait_for(exam_id)
    after.close()

    assert outcome.status is Status.FAILED


def test_stopping_leaves_the_line_for_the_next_start(chest: list[NamedFile], tmp_path: Path) -> None:
    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate))
    running.desk.start()
    first, second = running.take(chest), running.take(chest)
    until(lambda: running.desk.waiting <= 1)

    def let_go() -> None:
        until(lambda: running.desk.is_stopping)
        gate.set()

    letting_go = threading.Thread(target=let_go)
    letting_go.start()

    running.desk.stop()
    letting_go.join()

    assert running.ended[first].status is Status.DONE
    assert [exam.id for exam in running.store.unfinished()] == [second]
    running.store.close()


def test_a_log_that_cannot_be_written_stops_nothing(chest: list[NamedFile], tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    running = RunningDesk(tmp_path, classifier=FakeClassifier(fault=RuntimeError("x")))
    running.desk.start()
    with contextlib.redirect_stdout(closed), contextlib.redirect_stderr(closed):
        outcome = running.wait_for(running.take(chest))
    running.close()

    assert outcome.status is Status.FAILED


class FullStore(Store):
    """Has no room left for how exams end."""

    is_full = True

    def finish(self, exam_id: str, report: str, said: Iterable[str] = ()) -> bool:
        if self.is_full:
            raise StorageFull
        return super().finish(exam_id, report, said)

    def end(self, exam_id: str, status: Status, problem: KeptProblem) -> bool:
        if self.is_full:
            raise StorageFull
        return super().end(exam_id, status, problem)


class LockedStore(Store):
    """Cannot be read once an exam is in."""

    def find(self, exam_id: str) -> KeptExam | None:
        raise OSError(f"locked: {exam_id}")


def test_a_full_store_costs_an_exam_but_not_the_next(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=FullStore, storage_wait_s=0)
    running.desk.start()
    running.wait_until_left(running.take(chest))
    running.store.is_full = False  # type: ignore[attr-defined]

    outcome = running.wait_for(running.take(chest))
    running.close()

    assert outcome.status is Status.DONE


@pytest.mark.parametrize("kind", [FullStore, LockedStore])
def test_a_failing_store_leaves_nothing_of_what_was_sent(
    chest: list[NamedFile], tmp_path: Path, kind: type[Store]
) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=kind, storage_wait_s=0)
    running.desk.start()
    lost = running.take(chest)
    running.wait_until_left(lost)
    running.close()

    assert [path for path in running.store.folder(lost).path.rglob("*") if path.is_file()] == []


def test_a_refused_exam_leaves_nothing_of_what_was_sent(tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier())
    running.desk.start()
    refused = running.take([NamedFile("a", b"no slice")])
    running.wait_for(refused)
    running.close()

    assert not running.store.folder(refused).path.exists()


def test_an_abandoned_exam_is_said_to_have_failed_once_the_store_can(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=FullStore, storage_wait_s=0)
    running.desk.start()
    lost = running.take(chest)
    running.wait_until_left(lost)
    running.store.is_full = False  # type: ignore[attr-defined]

    running.desk.sweep()

    found = running.store.find(lost)
    running.close()
    assert found is not None
    assert (found.status, found.problem) == (Status.FAILED, KeptProblem("storage-full", StorageFull().message))
    assert (running.ended[lost].status, running.ended[lost].code) == (Status.FAILED, "storage-full")


def test_an_exam_expires_in_line_but_not_at_work(chest: list[NamedFile], tmp_path: Path) -> None:
    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate), retention_h=1e-9)
    running.desk.start()
    at_work, in_line = running.take(chest), running.take(chest)
    until(lambda: running.desk.waiting <= 1)

    erased = running.desk.sweep()
    gate.set()
    done = running.wait_for(at_work)
    running.wait_until_left(in_line)

    assert (erased, done.status, running.ended[in_line].status) == (1, Status.DONE, Status.EXPIRED)
    assert not running.store.folder(in_line).path.exists()
    assert running.desk.sweep() == 1
    running.close()


def test_sweeping_erases_what_has_expired(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier())
    old = utc_now() - timedelta(days=2)
    exam = running.store.accept(new_id(), Sent(1, 0.0), now=old, keep=timedelta(hours=24))
    running.store.finish(exam.id, "{}")

    assert running.desk.sweep() == 1
    running.store.close()


def test_a_shorter_retention_takes_effect_with_the_next_sweep(tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), retention_h=1)
    old = utc_now() - timedelta(hours=48)
    exam = running.store.accept(new_id(), Sent(1, 0.0), now=old, keep=timedelta(hours=720))
    running.store.finish(exam.id, "{}")

    assert running.desk.sweep() == 1
    running.store.close()


class Gone(FakeClassifier):
    """Finds the exam's files gone once its gate opens."""

    def score_chunks(self, *_: Any, **_how: Any) -> Iterator[SliceScores]:
        assert self.gate is not None
        self.gate.wait()
        raise FileNotFoundError


def test_an_exam_erased_at_work_is_no_failure(chest: list[NamedFile], tmp_path: Path) -> None:
    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=Gone(gate=gate))
    running.desk.start()
    exam_id = running.take(chest)
    until(lambda: not running.desk.waiting)

    running.desk.erase(exam_id)
    gate.set()

    assert running.wait_for(exam_id).status is Status.EXPIRED
    running.close()


class ErasedLast(Store):
    """Has an exam erased when its report is about to be kept."""

    def finish(self, exam_id: str, report: str, said: Iterable[str] = ()) -> bool:
        self.erase(exam_id)
        return super().finish(exam_id, report, said)


def test_an_exam_erased_before_its_report_is_kept_was_not_diagnosed(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=ErasedLast)
    running.desk.start()
    exam_id = running.take(chest)

    assert running.wait_for(exam_id).status is Status.EXPIRED
    assert not running.store.folder(exam_id).path.exists()
    running.close()


def test_an_exam_that_cannot_be_erased_goes_on(
    chest: list[NamedFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StorageUnavailable

    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate))
    running.desk.start()
    exam_id = running.take(chest)
    until(lambda: not running.desk.waiting)

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "append", refuse)
        with pytest.raises(StorageUnavailable):
            running.desk.erase(exam_id)
    gate.set()

    assert running.wait_for(exam_id).status is Status.DONE
    assert running.store.folder(exam_id).maps()
    running.close()


def test_what_expired_is_erased_though_the_store_then_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier())
    exam = running.store.accept(new_id(), Sent(1, 0.0), now=utc_now() - timedelta(hours=48), keep=timedelta(hours=1))
    running.store.finish(exam.id, "{}")
    path = running.store.folder(exam.id).path
    path.mkdir()

    def refuse(_: Store) -> list[KeptExam]:
        raise StorageUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(Store, "unfinished", refuse)
        with pytest.raises(StorageUnavailable):
            running.desk.sweep()
    running.desk.sweep()

    assert not path.exists()
    running.store.close()


def test_what_is_erased_or_expires_in_line_is_told_as_expired(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), retention_h=1e-9)
    erased, expired = running.take(chest), running.take(chest)

    running.desk.erase(erased)
    running.desk.sweep()
    running.desk.start()
    running.wait_until_left(expired)

    assert {running.ended[one].status for one in (erased, expired)} == {Status.EXPIRED}
    running.close()


def test_files_go_with_what_expired_also_where_an_end_cannot_be_noted(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=FullStore)
    old, abandoned = (
        running.store.accept(running.spool(chest), Sent(1, 0.0), now=utc_now(), keep=timedelta(seconds=keep)).id
        for keep in (-1, 3600)
    )
    assert running.store.folder(old).path.exists()

    with pytest.raises(StorageFull):
        running.desk.sweep()

    assert running.store.find(abandoned)
    assert not running.store.folder(old).path.exists()
    running.store.close()


def test_an_end_is_noted_once(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier())
    exam_id = running.take(chest)
    running.store.finish(exam_id, "{}")

    assert not running.store.end(exam_id, Status.FAILED, KeptProblem("internal", "x"))
    found = running.store.find(exam_id)
    assert found is not None
    assert (found.status, found.report) == (Status.DONE, "{}")
    running.store.close()


def test_while_files_are_erased_exams_are_taken(chest: list[NamedFile], tmp_path: Path) -> None:
    class Slow(Store):
        def erase_folders(self, ids: Iterable[str]) -> None:
            taking = threading.Thread(target=lambda: taken.append(running.take(chest)), daemon=True)
            taking.start()
            taking.join(10)
            meanwhile.extend(taken)
            super().erase_folders(ids)

    taken: list[str] = []
    meanwhile: list[str] = []
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=Slow)

    running.desk.sweep()

    assert len(meanwhile) == 1
    running.store.close()
