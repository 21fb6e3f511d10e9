"""The diagnosis of one exam: from what was sent to an end that is noted, whatever the files, the disk or the model do."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from app.course import Course, Erased, Reading
from app.ct.errors import CovidCTError, ExamError, StorageFull, StorageUnavailable, Stuck
from app.ct.words import sentence
from app.kept import KeptExam, KeptProblem, Status
from app.logs import complain, place_of
from app.outcome import Outcome, Timed
from app.service import Diagnosed, DiagnosisService, SliceClassifier
from app.settings import Settings
from app.storage import room
from app.store import Store

MAX_STUCK = 2
"""Diagnoses of one exam that may not end."""
INTERNAL = KeptProblem("internal", sentence("The diagnosis stopped for a reason inside the service."))

Found = TypeVar("Found")
WriteReport = Callable[[KeptExam, Diagnosed, Timed, SliceClassifier], str]
Observer = Callable[[Outcome], None]


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Diagnosing:
    """Diagnoses exams of one store; may be used by several threads, each with an exam of its own."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        courses: dict[str, Course],
        *,
        write: WriteReport,
        observers: Sequence[Observer],
        stops_within: Callable[[float], bool],
    ) -> None:
        """Take what it works with.

        Args:
            settings: what the operator set.
            store: keeps the exams.
            courses: of the exams that are not ended; an exam leaves it with its end.
            write: makes a report of a diagnosis.
            observers: told how every exam ended.
            stops_within: waits so many seconds; whether the service stops meanwhile, at once where it does.
        """
        self._settings, self._store, self._courses = settings, store, courses
        self._write, self._observers, self._stops_within = write, observers, stops_within
        self._unnoted: dict[str, tuple[Status, KeptProblem]] = {}

    def diagnose(self, service: DiagnosisService, exam_id: str) -> None:
        """Diagnose an exam and note its end; where the store cannot, ``note_unnoted`` does later."""
        try:
            self._diagnose(service, exam_id)
        except Exception as error:  # noqa: BLE001  a store that fails must not end the line
            complain("exam abandoned", exam_id=exam_id, kind=type(error).__name__, at=place_of(error))
            self._abandon(exam_id)

    def end(
        self, exam: KeptExam, status: Status, *, problem: KeptProblem | None = None, outcome: Outcome | None = None
    ) -> None:
        """Note an exam's end and delete what was sent."""
        folder, course = self._store.folder(exam.id), self._courses[exam.id]
        # Before the end is noted: what a patient sent goes even if the store cannot note it, and makes room for that.
        if status is Status.DONE and not course.is_cancelled:
            folder.drop_originals()
        else:
            folder.erase()
        if problem is not None:
            self._unnoted[exam.id] = status, problem
            self._store.end(exam.id, status, problem)
            self._unnoted.pop(exam.id, None)
        self.tell(outcome or Outcome(exam.id, status, problem.code if problem else None, exam.files))
        del self._courses[exam.id]
        course.end(status)

    def note_unnoted(self, exams: Iterable[KeptExam]) -> None:
        """Note the end of exams that were abandoned."""
        for exam in exams:
            status, problem = self._unnoted.get(exam.id, (Status.FAILED, INTERNAL))
            if self._store.end(exam.id, status, problem):
                self.tell(Outcome(exam.id, status, problem.code, exam.files))
            self._unnoted.pop(exam.id, None)

    def note_stuck(self, exam_id: str) -> None:
        """Note that a diagnosis does not end; the second time it is not tried again."""
        complain("diagnosis stuck", exam_id=exam_id)
        try:
            if self._store.mark_stuck(exam_id) >= MAX_STUCK:
                self._store.folder(exam_id).erase()
                self._store.end(exam_id, Status.REFUSED, KeptProblem.of(Stuck()))
                exam = self._store.find(exam_id)
                self.tell(Outcome(exam_id, Status.REFUSED, Stuck.code, exam.files if exam else 0))
        except Exception as error:  # noqa: BLE001  whatever the store cannot note, the line must not stand still
            complain("not noted", exam_id=exam_id, kind=type(error).__name__)

    def tell(self, outcome: Outcome) -> None:
        """Tell the observers of an end."""
        for observe in self._observers:
            observe(outcome)

    def _diagnose(self, service: DiagnosisService, exam_id: str) -> None:
        exam = self._patiently(exam_id, self._store.find)
        if exam is None or exam.status is Status.EXPIRED:
            self.tell(Outcome(exam_id, Status.EXPIRED, None, exam.files if exam else 0))
            self._courses.pop(exam_id).end(Status.EXPIRED)
            return
        try:
            self._patiently(exam_id, self._store.start)
            self._patiently(exam_id, lambda _: self._complete(service, exam))
        except Erased:
            self.end(exam, Status.EXPIRED)
        except Exception as error:  # noqa: BLE001  one exam must not take the worker with it
            if self._courses[exam_id].is_cancelled:  # Its folder may have gone under the work.
                self.end(exam, Status.EXPIRED)
            elif self._courses[exam_id].is_interrupted:
                self._put_back(exam)
            else:
                self._end_badly(exam, error)

    def _abandon(self, exam_id: str) -> None:
        """Give up an exam whose end the store could not note; ``note_unnoted`` notes it once the store can.

        Not where the service stops: then it is left as it is for the next start.
        """
        course = self._courses.pop(exam_id, Course())
        if course.is_interrupted:
            course.pause()
            return
        self._store.folder(exam_id).drop_originals()
        course.end(Status.FAILED)

    def _patiently(self, exam_id: str, work: Callable[[str], Found]) -> Found:
        """What comes of work on an exam, begun again for a while where the storage takes nothing."""
        course, deadline = self._courses[exam_id], time.monotonic() + self._settings.storage_wait_s
        while True:
            try:
                return work(exam_id)
            except (StorageFull, StorageUnavailable) as error:
                if time.monotonic() >= deadline:
                    raise
                complain("storage refuses, trying again", exam_id=exam_id, code=error.code)
            self._store.folder(exam_id).drop_kept()
            if self._stops_within(self._settings.retry_after_s):
                course.interrupt()
            course.step(Reading())

    def _put_back(self, exam: KeptExam) -> None:
        """Leave an exam for the next start."""
        self._store.put_back(exam.id)
        self._courses.pop(exam.id).pause()

    def _end_badly(self, exam: KeptExam, error: Exception) -> None:
        match error:
            case ExamError():
                self.end(exam, Status.REFUSED, problem=KeptProblem.of(error))
            case CovidCTError():
                self.end(exam, Status.FAILED, problem=KeptProblem.of(error))
            case _:  # Its text may name a patient.
                complain("diagnosis failed", exam_id=exam.id, kind=type(error).__name__, at=place_of(error))
                self.end(exam, Status.FAILED, problem=INTERNAL)

    def _complete(self, service: DiagnosisService, exam: KeptExam) -> None:
        begun, folder, course = utc_now(), self._store.folder(exam.id), self._courses[exam.id]
        files, wish = folder.request()
        with room():
            diagnosed = service.diagnose(
                files, spool=folder.new_spool(), wish=wish, on_progress=course.step, on_read=self._reading(course)
            )
        folder.keep(diagnosed.exam, diagnosed.scores)
        timed = _timed(exam, begun, diagnosed)
        said = (*diagnosed.said, service.classifier.manifest.exam_rule.in_words)
        if not self._store.finish(exam.id, self._write(exam, diagnosed, timed, service.classifier), said):
            raise Erased
        self.end(exam, Status.DONE, outcome=_outcome(exam, diagnosed, timed))

    def _reading(self, course: Course) -> Callable[[], None]:
        """Told that reading goes on: within a limit it may, else files that are slow to read would hold the line."""
        deadline = time.monotonic() + self._settings.read_limit_s

        def goes_on() -> None:
            course.touch()
            if time.monotonic() > deadline:
                raise Stuck

        return goes_on


def _timed(exam: KeptExam, begun: datetime, diagnosed: Diagnosed) -> Timed:
    spent = diagnosed.timing
    wait = max(0.0, (begun - exam.created_at).total_seconds())
    total = exam.receive_s + max(0.0, (utc_now() - exam.created_at).total_seconds())
    return Timed(exam.receive_s, wait, spent.read, spent.select, spent.score, total)


def _outcome(exam: KeptExam, diagnosed: Diagnosed, timed: Timed) -> Outcome:
    stages = tuple((name, round(getattr(timed, name), 3)) for name in Timed.__dataclass_fields__)
    slices, scores = len(diagnosed.exam.slices), diagnosed.scores
    return Outcome(
        exam.id,
        Status.DONE,
        None,
        exam.files,
        slices,
        len(scores.indices),
        stages,
        positive=len(diagnosed.diagnosis.findings),
        probabilities=tuple(scores.probabilities.tolist()),
        distances=tuple(scores.distance.tolist()),
    )
