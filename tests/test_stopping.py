"""The desk when the service stops, a diagnosis does not end, or the disk takes nothing."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from app.course import Paused
from app.ct.errors import BrokenModel, ModelError, NotReady, StorageFull
from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files
from app.ct.reading.files import NamedFile
from app.ct.workers import Item, OnTheSpot, Result
from app.desk import Desk
from app.diagnosing import MAX_STUCK
from app.kept import Status
from app.service import DiagnosisService
from app.settings import Settings
from app.store import Store
from tests.desks import RunningDesk
from tests.fakes import FakeClassifier
from tests.waiting import until


@pytest.fixture(scope="module")
def chest() -> list[NamedFile]:
    return list(jpeg_files(phantom(slices=12, lesions="few", size=128)))


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def at_work(running: RunningDesk, exam_id: str) -> None:
    """Return once the exam is being scored."""

    def is_scored() -> bool:
        course = running.desk.course(exam_id)
        return course is not None and course.still_s > 0 and type(course.latest).__name__ == "Scoring"

    until(is_scored)


def test_an_exam_that_is_not_done_in_time_begins_again_with_the_next_start(
    chest: list[NamedFile], tmp_path: Path, gate: threading.Event
) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate), drain_s=0)
    running.desk.start()
    exam_id = running.take(chest)
    at_work(running, exam_id)
    course = running.desk.course(exam_id)
    assert course is not None

    def let_go() -> None:
        until(lambda: course.is_interrupted)
        gate.set()

    letting_go = threading.Thread(target=let_go)
    letting_go.start()

    running.desk.stop()
    letting_go.join()
    running.desk.sweep()

    (left,) = running.store.unfinished()
    assert (left.id, left.status, left.attempts, running.ended) == (exam_id, Status.QUEUED, 0, {})
    assert running.store.folder(exam_id).is_sealed()
    running.store.close()


def test_who_follows_an_exam_in_line_is_told_at_once_and_the_one_at_work_is_finished(
    chest: list[NamedFile], tmp_path: Path, gate: threading.Event
) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate))
    running.desk.start()
    first, second = running.take(chest), running.take(chest)
    at_work(running, first)
    stopping = threading.Thread(target=running.desk.stop)
    stopping.start()
    course = running.desk.course(second)
    assert course is not None
    until(lambda: isinstance(course.latest, Paused))
    ended_before = dict(running.ended)
    with pytest.raises(NotReady):
        running.take(chest)
    gate.set()
    stopping.join()

    assert ended_before == {}
    assert running.ended[first].status is Status.DONE
    assert not running.desk.is_at_work
    running.store.close()


def test_a_diagnosis_that_does_not_end_is_noticed_tried_again_and_then_refused(
    chest: list[NamedFile], tmp_path: Path, gate: threading.Event
) -> None:
    rounds, found, exam_id = [], [], ""
    for _ in range(MAX_STUCK):
        noticed = threading.Event()
        one = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate), stuck_s=0.4, drain_s=0, on_stuck=noticed.set)
        rounds.append(one)
        one.desk.start()
        exam_id = exam_id or one.take(chest)
        assert noticed.wait(20)
        kept = one.store.find(exam_id)
        assert kept is not None
        found.append((kept.status, kept.stuck, kept.problem and kept.problem.code))
        one.store.close()  # As the end of the process would.

    assert found == [(Status.QUEUED, 1, None), (Status.REFUSED, 2, "stuck")]
    after = RunningDesk(tmp_path, classifier=FakeClassifier())
    after.desk.start()
    assert after.wait_for(after.take(chest)).status is Status.DONE
    assert not after.store.folder(exam_id).path.exists()
    after.close()
    gate.set()
    for one in rounds:
        one.close()


def test_a_model_that_loads_is_work_that_stopping_does_not_end(tmp_path: Path, gate: threading.Event) -> None:
    def load() -> DiagnosisService:
        gate.wait()
        raise BrokenModel

    store = Store(tmp_path)
    desk = Desk(Settings(data_dir=tmp_path), store, load=load, write=lambda *_: "{}")
    before = desk.is_at_work
    desk.start()
    desk.stop()
    meanwhile = desk.is_at_work
    gate.set()
    while desk.is_at_work:
        time.sleep(0.01)
    store.close()

    assert (before, meanwhile) == (False, True)


def test_loading_that_breaks_off_while_the_service_stops_is_no_refusal(
    tmp_path: Path, gate: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    def load() -> DiagnosisService:
        gate.wait()
        raise CancelledError

    store, refused = Store(tmp_path), list[ModelError]()
    desk = Desk(Settings(data_dir=tmp_path), store, load=load, write=lambda *_: "{}", on_refusal=refused.append)
    desk.start()
    desk.stop()
    gate.set()
    until(lambda: not desk.is_at_work)
    store.close()

    said = capsys.readouterr()
    assert refused == []
    assert "model refused" not in said.out + said.err


class Slow(OnTheSpot):
    """Takes its time with every item."""

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 1
    ) -> Iterator[Result | Exception]:
        for found in super().map(work, items, at_once=at_once):
            time.sleep(0.1)
            yield found


def test_files_that_are_slow_to_read_are_not_taken_for_a_diagnosis_that_does_not_end(
    chest: list[NamedFile], tmp_path: Path
) -> None:
    stuck: list[bool] = []
    running = RunningDesk(
        tmp_path, classifier=FakeClassifier(), workers=Slow(), stuck_s=2, on_stuck=lambda: stuck.append(True)
    )
    running.desk.start()

    outcome = running.wait_for(running.take(chest))
    running.close()

    assert (outcome.status, stuck) == (Status.DONE, [])
    assert dict(outcome.timing_s)["read"] > 2


def test_files_that_take_too_long_to_read_refuse_their_exam_alone(chest: list[NamedFile], tmp_path: Path) -> None:
    stuck: list[bool] = []
    running = RunningDesk(
        tmp_path, classifier=FakeClassifier(), workers=Slow(), read_limit_s=2, on_stuck=lambda: stuck.append(True)
    )
    running.desk.start()

    slow, quick = running.take(chest), running.take(chest[5:6])
    outcomes = running.wait_for(slow), running.wait_for(quick)
    left = running.store.folder(slow).path.exists()
    running.close()

    assert [(one.status, one.code) for one in outcomes] == [(Status.REFUSED, "stuck"), (Status.DONE, None)]
    assert (stuck, left) == ([], False)


def test_an_exam_that_waits_in_line_is_not_stuck(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), stuck_s=0.01)
    exam_id = running.take(chest)
    time.sleep(0.05)

    course = running.desk.course(exam_id)

    assert course is not None
    assert course.still_s == 0
    running.store.close()


class BrieflyFull(Store):
    """Has no room for a while."""

    refusals = 2

    def finish(self, exam_id: str, report: str, said: Iterable[str] = ()) -> bool:
        if self.refusals:
            self.refusals -= 1
            raise StorageFull
        return super().finish(exam_id, report, said)


def test_an_accepted_exam_outlasts_a_full_disk(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=BrieflyFull, retry_after_s=1)
    running.desk.start()

    exam_id = running.take(chest)
    outcome = running.wait_for(exam_id)
    running.close()

    assert (outcome.status, running.store.refusals) == (Status.DONE, 0)  # type: ignore[attr-defined]


def test_a_service_that_stops_while_the_disk_is_full_keeps_the_exam(chest: list[NamedFile], tmp_path: Path) -> None:
    running = RunningDesk(tmp_path, classifier=FakeClassifier(), kind=BrieflyFull, retry_after_s=60)
    running.desk.start()
    exam_id = running.take(chest)
    while running.store.refusals == 2:  # type: ignore[attr-defined]
        time.sleep(0.01)
    running.desk.stop()

    (left,) = running.store.unfinished()
    assert left.id == exam_id
    assert running.store.folder(exam_id).is_sealed()
    running.store.close()
