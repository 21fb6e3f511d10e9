"""From files to a diagnosis, and the line before it."""

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.course import Course, Ended, Erased, Reading, Scoring
from app.ct.diagnosis import HeldBack, JudgedBy, Verdict
from app.ct.errors import Busy, NoFiles, NoLung, NotChest, StorageFull, UnlikeTraining
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.ct.precision import Precision
from app.ct.reading.files import NamedFile
from app.ct.scores import SliceScores
from app.ct.workers import ON_THE_SPOT, Workers
from app.desk import MAX_ATTEMPTS, Desk
from app.diagnosing import utc_now
from app.exam_folder import Wish
from app.kept import KeptExam, KeptProblem, Sent, Status, new_id
from app.outcome import Outcome
from app.service import Diagnosed, DiagnosisService
from app.settings import Settings
from app.store import Store
from app.uploads import Limits
from tests.builders import a_dicom_exam, a_png, files
from tests.fakes import FakeClassifier, a_manifest


@pytest.fixture(scope="module")
def chest() -> list[NamedFile]:
    return list(dicom_files(phantom(slices=31, lesions="few", size=128)))


def diagnosed(
    files: list[NamedFile],
    spool: Path,
    *,
    classifier: FakeClassifier | None = None,
    wish: Wish | None = None,
    on_progress: Callable[[Reading | Scoring], None] = lambda _: None,
) -> Diagnosed:
    service = DiagnosisService(classifier or FakeClassifier(), limits=Limits())
    return service.diagnose(files, spool=spool, wish=wish or Wish(), on_progress=on_progress)


def test_files_become_a_diagnosis(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest, tmp_path)

    assert found.diagnosis.verdict is Verdict.COVID_19
    assert len(found.exam.slices) == 31
    assert 0 < len(found.scores.indices) <= 31
    assert found.timing.read > 0


def test_the_order_of_the_upload_does_not_matter(chest: list[NamedFile], tmp_path: Path) -> None:
    assert diagnosed(chest[::-1], tmp_path).diagnosis == diagnosed(chest, tmp_path).diagnosis


def test_progress_ends_at_the_probability_of_the_diagnosis(chest: list[NamedFile], tmp_path: Path) -> None:
    told: list[Reading | Scoring] = []

    found = diagnosed(chest, tmp_path, on_progress=told.append)

    last = told[-1]
    assert told[0] == Reading()
    assert told[1] == Scoring(0, len(found.scores.indices))
    assert isinstance(last, Scoring)
    assert last.scored == last.to_score
    assert last.probability == pytest.approx(found.diagnosis.probability)


@pytest.mark.parametrize(("on_gpu", "slices", "most"), [(False, 5, 5), (True, 5, 5), (True, 0, 31), (False, None, 31)])
def test_as_many_slices_are_scored_as_wished(
    chest: list[NamedFile], tmp_path: Path, on_gpu: bool, slices: int | None, most: int
) -> None:
    found = diagnosed(chest, tmp_path, classifier=FakeClassifier(on_gpu=on_gpu), wish=Wish(slices=slices))

    assert len(found.scores.indices) <= most
    assert len(found.scores.indices) >= min(5, most)


def test_one_scored_slice_of_an_exam_is_judged_by_the_exam_rule(chest: list[NamedFile], tmp_path: Path) -> None:
    of_many = diagnosed(chest, tmp_path, wish=Wish(slices=1))
    (tmp_path / "one").mkdir()
    alone = diagnosed(chest[12:13], tmp_path / "one")

    assert len(of_many.scores.indices) == len(alone.scores.indices) == 1
    assert of_many.diagnosis.judged_by is JudgedBy.EXAM_RULE
    assert alone.diagnosis.judged_by is JudgedBy.IMAGE_THRESHOLD


def test_scored_slices_without_lungs_are_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest, tmp_path, classifier=FakeClassifier(lungs_lost=13))
    lost, scored = sum(index < 13 for index in found.scores.indices), len(found.scores.indices)

    assert 0 < lost < scored
    assert found.warnings == (f"On {lost} of {scored} scored slices the lungs were not found; they were scored whole.",)


def test_where_all_lungs_were_found_nothing_is_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    assert diagnosed(chest, tmp_path).warnings == ()


def test_a_gap_within_the_lungs_leaves_a_verdict_inconclusive_and_is_warned_of(
    chest: list[NamedFile], tmp_path: Path
) -> None:
    found = diagnosed(chest[:15] + chest[17:], tmp_path)

    assert (found.diagnosis.verdict, found.diagnosis.held_back) == (Verdict.INCONCLUSIVE, HeldBack.GAP_IN_LUNGS)
    assert found.diagnosis.probability > found.diagnosis.band[1]
    assert found.warnings[-1].startswith("Slices are missing within the lungs: neighboring slices lie up to 30.0 mm")


def test_a_gap_beside_the_lungs_changes_no_verdict(chest: list[NamedFile], tmp_path: Path) -> None:
    by_number = sorted(chest, key=lambda file: file.name)
    found = diagnosed([by_number[0], *by_number[3:]], tmp_path)

    assert (found.diagnosis.verdict, found.diagnosis.held_back) == (Verdict.COVID_19, None)


def test_lungs_that_go_on_beyond_the_exam_are_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    by_number = sorted(chest, key=lambda file: file.name)

    assert any("may not show the whole lungs" in warning for warning in diagnosed(by_number[:16], tmp_path).warnings)


def test_of_a_single_image_nobody_expects_the_whole_lungs(chest: list[NamedFile], tmp_path: Path) -> None:
    middle = sorted(chest, key=lambda file: file.name)[15]

    assert diagnosed([middle], tmp_path).warnings == ()


@pytest.mark.parametrize("unlike", [range(24), range(11, 24), range(15)])
def test_an_exam_unlike_training_is_refused_and_no_probability_is_told_once_a_slice_is_far(
    chest: list[NamedFile], tmp_path: Path, unlike: range
) -> None:
    told: list[Reading | Scoring] = []

    with pytest.raises(UnlikeTraining):
        diagnosed(chest, tmp_path, classifier=FakeClassifier(unlike=unlike), on_progress=told.append)

    steps = [step for step in told if isinstance(step, Scoring)]
    assert {step.probability for step in steps if step.scored > unlike.start} <= {None}
    assert steps[-1].scored < steps[-1].to_score


def test_an_exam_is_no_longer_scored_once_it_is_certain_to_be_refused(chest: list[NamedFile], tmp_path: Path) -> None:
    told: list[Reading | Scoring] = []
    wish = Wish(slices=10)

    with pytest.raises(UnlikeTraining):
        diagnosed(chest, tmp_path, classifier=FakeClassifier(unlike=range(24)), wish=wish, on_progress=told.append)

    assert [step.scored for step in told if isinstance(step, Scoring)] == [0]


def test_a_few_slices_unlike_training_are_warned_of(chest: list[NamedFile], tmp_path: Path) -> None:
    found = diagnosed(chest, tmp_path, classifier=FakeClassifier(unlike=range(8)))
    far = sum(index < 8 for index in found.scores.indices)

    assert far > 0
    assert any(warning.startswith(f"{far} of {len(found.scores.indices)} scored") for warning in found.warnings)


def test_an_exam_that_shows_less_lung_than_the_model_wants_is_refused(chest: list[NamedFile], tmp_path: Path) -> None:
    classifier = FakeClassifier(manifest=a_manifest(least_lung_area=0.9))

    with pytest.raises(NoLung):
        diagnosed(chest, tmp_path, classifier=classifier)


def test_an_exam_without_lung_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoLung):
        diagnosed(files(*a_dicom_exam()), tmp_path)


def test_an_upload_without_slices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFiles):
        diagnosed([], tmp_path)


def test_an_exam_that_names_another_body_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotChest):
        diagnosed(files(*a_dicom_exam(BodyPartExamined="HEAD")), tmp_path)


def test_a_cancelled_course_stops_the_diagnosis(chest: list[NamedFile], tmp_path: Path) -> None:
    course = Course()
    course.cancel()

    with pytest.raises(Erased):
        diagnosed(chest, tmp_path, on_progress=course.step)


class RunningDesk:
    """A desk on a store of its own, and what became of its exams."""

    def __init__(
        self,
        data_dir: Path,
        *,
        classifier: FakeClassifier,
        kind: type[Store] = Store,
        on_stuck: Callable[[], None] = lambda: None,
        workers: Workers = ON_THE_SPOT,
        **settings: float,
    ) -> None:
        self.store, self.ended = kind(data_dir), dict[str, Outcome]()
        self.desk = Desk(
            Settings.model_validate({"data_dir": data_dir, **settings}),
            self.store,
            load=lambda: DiagnosisService(classifier, limits=Limits(), workers=workers),
            write=lambda *_: "{}",
            observers=[lambda outcome: self.ended.update({outcome.exam_id: outcome})],
            on_stuck=on_stuck,
        )

    def spool(self, files: list[NamedFile]) -> str:
        exam_id = new_id()
        folder = self.store.folder(exam_id)
        folder.create()
        for number, file in enumerate(files, start=1):
            with folder.new_original(number) as original:
                original.write(file.read())
        folder.seal([file.name for file in files], Wish())
        return exam_id

    def take(self, files: list[NamedFile]) -> str:
        return self.desk.take(self.spool(files), Sent(len(files), 0.0), key_hash=None).id

    def wait_until_left(self, exam_id: str) -> None:
        """Return once the desk has nothing more to do with an exam, however it ended."""
        for _ in range(1000):
            if self.desk.course(exam_id) is None:
                return
            time.sleep(0.01)
        raise AssertionError("not left")

    def wait_for(self, exam_id: str) -> Outcome:
        for _ in range(1000):
            if exam_id in self.ended:
                return self.ended[exam_id]
            time.sleep(0.01)
        raise AssertionError("not ended")

    def close(self) -> None:
        self.desk.stop()
        self.store.close()


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


def test_a_single_image_does_not_wait_behind_whole_exams(chest: list[NamedFile], tmp_path: Path) -> None:
    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=HoldingWholeExams(gate=gate), small_exam_mb=1)
    running.desk.start()
    large = [NamedFile("padded", chest[0].read() + bytes(2**20)), *chest[1:]]
    held = [running.take(large) for _ in range(3)]
    first = running.wait_for(running.take(chest[12:13]))
    ended_before = set(running.ended)
    gate.set()
    outcomes = [running.wait_for(one) for one in held]
    running.close()

    assert ended_before == {first.exam_id}
    assert {one.status for one in (first, *outcomes)} == {Status.DONE}


def test_nor_behind_exams_of_many_light_slices(chest: list[NamedFile], tmp_path: Path) -> None:
    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=HoldingWholeExams(gate=gate), small_exam_files=8)
    running.desk.start()
    held = [running.take(chest) for _ in range(2)]
    first = running.wait_for(running.take(chest[12:13]))
    ended_before = set(running.ended)
    gate.set()
    outcomes = [running.wait_for(one) for one in held]
    running.close()

    assert ended_before == {first.exam_id}
    assert {one.status for one in outcomes} == {Status.DONE}


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
    while running.desk.waiting > 1:
        time.sleep(0.01)
    threading.Timer(0.1, gate.set).start()

    running.desk.stop()

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

    def finish(self, exam_id: str, report: str, said: Iterable[str] = ()) -> None:
        if self.is_full:
            raise StorageFull
        super().finish(exam_id, report, said)

    def end(self, exam_id: str, status: Status, problem: KeptProblem) -> None:
        if self.is_full:
            raise StorageFull
        super().end(exam_id, status, problem)


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


def test_an_exam_expires_in_line_but_not_at_work(chest: list[NamedFile], tmp_path: Path) -> None:
    gate = threading.Event()
    running = RunningDesk(tmp_path, classifier=FakeClassifier(gate=gate), retention_h=1e-9)
    running.desk.start()
    at_work, in_line = running.take(chest), running.take(chest)
    while running.desk.waiting > 1:
        time.sleep(0.01)

    erased = running.desk.sweep()
    gate.set()
    done = running.wait_for(at_work)
    running.wait_until_left(in_line)

    assert (erased, done.status, in_line in running.ended) == (1, Status.DONE, False)
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


@pytest.mark.parametrize(("precision", "most"), [("f32", 32), ("bf16", 64)])
def test_a_slow_machine_scores_fewer_slices_where_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision, most: int
) -> None:
    monkeypatch.setattr("app.service.cpus", lambda: 2)
    slices = list(dicom_files(phantom(slices=100, size=128)))

    found = diagnosed(slices, tmp_path, classifier=FakeClassifier(precision=precision))

    assert len(found.scores.indices) == most


def test_writing_beside_the_body_is_warned_of(tmp_path: Path) -> None:
    grays = [np.asarray(one.gray) for one in phantom(slices=12, lesions="few", size=256).exam().slices]
    named = [NamedFile(f"{n:02}.png", a_png(drawn(gray, "DOE^JOHN 1961"))) for n, gray in enumerate(grays)]

    assert any(
        "written beside the body, on 12 of 12 slices" in warning for warning in diagnosed(named, tmp_path).warnings
    )


def drawn(gray: np.ndarray, text: str) -> np.ndarray:
    image = Image.fromarray(gray)
    ImageDraw.Draw(image).text((4, 4), text, fill=255, font=ImageFont.load_default(12))
    return np.asarray(image)
