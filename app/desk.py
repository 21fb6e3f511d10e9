"""Takes exams in, has them diagnosed in turn off the event loop, and knows how far each has come."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from app.course import Course, Erased
from app.ct.errors import BrokenModel, Busy, CovidCTError, ExamError, ModelError, NotReady
from app.ct.words import sentence
from app.exam_folder import room
from app.logs import complain
from app.outcome import Outcome, Timed
from app.service import Diagnosed, DiagnosisService, SliceClassifier
from app.settings import Settings
from app.store import KeptExam, KeptProblem, Status, Store

MAX_ATTEMPTS = 2
INTERNAL = KeptProblem("internal", sentence("The diagnosis stopped for a reason inside the service."))
INTERRUPTED = KeptProblem("internal", sentence("The service was interrupted while it diagnosed this exam."))


class _Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


LoadService = Callable[[], DiagnosisService]
WriteReport = Callable[[KeptExam, Diagnosed, Timed, SliceClassifier], str]
Observer = Callable[[Outcome], None]
OnRefusal = Callable[[ModelError], None]


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Desk:
    """Two lines, bounded together, each with a thread that diagnoses one exam after the other; and every exam's course.

    Small exams have a line of their own: a single image is not kept waiting by the exams of hundreds of slices before it. Where
    both lines are at work, the network scores a chunk of either in turn.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        load: LoadService,
        write: WriteReport,
        observers: Sequence[Observer] = (),
        on_refusal: OnRefusal = lambda _: None,
    ) -> None:
        """Nothing runs before ``start``; ``on_refusal`` is told when the model cannot be served."""
        self._settings = settings
        self._store = store
        self._load = load
        self._write = write
        self._observers = observers
        self._on_refusal = on_refusal
        self._loaded: Future[DiagnosisService] = Future()
        self._lines: dict[_Size, deque[str]] = {size: deque() for size in _Size}
        self._courses: dict[str, Course] = {}
        self._turn = threading.Condition()
        self._stopping = False
        self._workers = [
            threading.Thread(target=self._work, args=(size,), name=f"diagnosis-{size}", daemon=True) for size in _Size
        ]

    def start(self) -> None:
        """Take up what an earlier run left unfinished, and load the model in the background."""
        self._store.drop_orphans()
        for exam in self._store.unfinished():
            self._take_up(exam)
        threading.Thread(target=self._load_service, name="loading", daemon=True).start()
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Finish the exams at work, leave the others for the next start."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        for worker in self._workers:
            worker.join()

    @property
    def waiting(self) -> int:
        """Exams in line, without those at work."""
        return sum(map(len, self._lines.values()))

    @property
    def failure(self) -> ModelError | None:
        """Why the model is not served; None while it loads and once it is."""
        error = self._loaded.exception() if self._loaded.done() else None
        return error if isinstance(error, ModelError) else None

    @property
    def classifier(self) -> SliceClassifier | None:
        """The classifier, once it passed its self-test."""
        return self._loaded.result().classifier if self._loaded.done() and self.failure is None else None

    async def admit(self) -> None:
        """Return when an upload may be received; waits a while for the model to load.

        Raises:
            NotReady: the model has not loaded, or cannot be served.
            Busy: the line is full.
        """
        loaded = asyncio.shield(asyncio.wrap_future(self._loaded))
        try:
            await asyncio.wait_for(loaded, self._settings.ready_wait_s)
        except (TimeoutError, ModelError) as error:
            raise NotReady from error
        self._check_line()

    def take(
        self, exam_id: str, *, files: int, receive_s: float, key_hash: str | None, owner: int | None = None
    ) -> KeptExam:
        """Put a received exam in line as ``owner``'s; where its idempotency key is known, the exam it belongs to.

        Raises:
            Busy: the line is full, or the service is stopping.
        """
        keep, size = timedelta(hours=self._settings.retention_h), self._size_of(exam_id)
        with self._turn:
            self._check_line()
            kept = self._store.accept(
                exam_id,
                now=utc_now(),
                keep=keep,
                files=files,
                receive_s=receive_s,
                key_hash=key_hash,
                owner=owner,
            )
            if kept.id == exam_id:
                self._line_up(exam_id, size)
        return kept

    def course(self, exam_id: str) -> Course | None:
        """How far an exam has come; None once it is ended."""
        return self._courses.get(exam_id)

    def erase(self, exam_id: str) -> None:
        """Delete an exam, also while it waits or is diagnosed."""
        course = self._courses.get(exam_id)
        if course is not None:
            course.cancel()
        self._store.erase(exam_id)

    def sweep(self) -> int:
        """Erase what has expired, and note the end of exams that were abandoned; returns how many were erased."""
        tombstone = timedelta(hours=self._settings.tombstone_h)
        with self._turn:
            at_work = set(self._courses).difference(*self._lines.values())
            erased = self._store.sweep(utc_now(), tombstone=tombstone, at_work=at_work)
            for exam in self._store.unfinished():
                if exam.id not in self._courses:
                    self._store.end(exam.id, Status.FAILED, INTERNAL)
        return erased

    def _check_line(self) -> None:
        if self._stopping or self.waiting >= self._settings.queue_size:
            raise Busy

    def _size_of(self, exam_id: str) -> _Size:
        is_small = self._store.folder(exam_id).upload_bytes <= self._settings.small_exam_mb << 20
        return _Size.SMALL if is_small else _Size.LARGE

    def _line_up(self, exam_id: str, size: _Size) -> None:
        self._courses[exam_id] = Course()
        self._lines[size].append(exam_id)
        self._turn.notify_all()

    def _take_up(self, exam: KeptExam) -> None:
        if exam.attempts < MAX_ATTEMPTS and self._store.folder(exam.id).is_sealed():
            size = self._size_of(exam.id)
            with self._turn:
                self._line_up(exam.id, size)
        else:
            self._courses[exam.id] = Course()
            self._end(exam, Status.FAILED, problem=INTERRUPTED)

    def _load_service(self) -> None:
        try:
            service = self._load()
        except ModelError as error:
            self._refuse(error)
            return
        except Exception as error:  # noqa: BLE001  an engine may fail in any way; the service then refuses to start
            self._refuse(BrokenModel(f"The model cannot be loaded ({type(error).__name__})."))
            return
        self._loaded.set_result(service)

    def _work(self, size: _Size) -> None:
        try:
            service = self._loaded.result()
        except ModelError:
            return
        while (exam_id := self._next(self._lines[size])) is not None:
            try:
                self._diagnose(service, exam_id)
            except Exception as error:  # noqa: BLE001  a store that fails must not end the line
                complain("exam abandoned", exam_id=exam_id, kind=type(error).__name__, at=_where(error))
                self._abandon(exam_id)

    def _abandon(self, exam_id: str) -> None:
        """Give up an exam whose end the store could not note; ``sweep`` notes it once the store can."""
        self._store.folder(exam_id).drop_originals()
        self._courses.pop(exam_id, Course()).end(Status.FAILED)

    def _refuse(self, error: ModelError) -> None:
        complain("model refused", code=error.code, detail=error.message)
        self._loaded.set_exception(error)
        self._on_refusal(error)

    def _next(self, line: deque[str]) -> str | None:
        with self._turn:
            self._turn.wait_for(lambda: line or self._stopping)
            return None if self._stopping else line.popleft()

    def _diagnose(self, service: DiagnosisService, exam_id: str) -> None:
        exam = self._store.find(exam_id)
        if exam is None or exam.status is Status.EXPIRED:
            self._courses.pop(exam_id).end(Status.EXPIRED)
            return
        try:
            self._complete(service, exam)
        except Erased:
            self._end(exam, Status.EXPIRED)
        except ExamError as error:
            self._end(exam, Status.REFUSED, problem=KeptProblem.of(error))
        except CovidCTError as error:
            self._end(exam, Status.FAILED, problem=KeptProblem.of(error))
        except Exception as error:  # noqa: BLE001  one exam must not take the worker with it; its text may name a patient
            complain("diagnosis failed", exam_id=exam.id, kind=type(error).__name__, at=_where(error))
            self._end(exam, Status.FAILED, problem=INTERNAL)

    def _complete(self, service: DiagnosisService, exam: KeptExam) -> None:
        begun, folder, course = utc_now(), self._store.folder(exam.id), self._courses[exam.id]
        self._store.start(exam.id)
        files, wish = folder.request()
        with room():
            diagnosed = service.diagnose(files, spool=folder.new_spool(), wish=wish, on_progress=course.step)
        folder.keep(diagnosed.exam, diagnosed.scores)
        timed = _timed(exam, begun, diagnosed)
        said = (*diagnosed.said, service.classifier.manifest.exam_rule.in_words)
        self._store.finish(exam.id, self._write(exam, diagnosed, timed, service.classifier), said)
        self._end(exam, Status.DONE, outcome=_outcome(exam, diagnosed, timed))

    def _end(
        self, exam: KeptExam, status: Status, *, problem: KeptProblem | None = None, outcome: Outcome | None = None
    ) -> None:
        folder, course = self._store.folder(exam.id), self._courses[exam.id]
        # Before the end is noted: what a patient sent goes even if the store cannot note it, and makes room for that.
        if status is Status.DONE and not course.is_cancelled:
            folder.drop_originals()
        else:
            folder.erase()
        if problem is not None:
            self._store.end(exam.id, status, problem)
        code = problem.code if problem else None
        for observe in self._observers:
            observe(outcome or Outcome(exam.id, status, code, exam.files))
        del self._courses[exam.id]
        course.end(status)


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


def _where(error: BaseException) -> str:
    """File and line an exception came from, without its text."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"{at.tb_frame.f_code.co_name}:{at.tb_lineno}"
