"""Takes exams in, has them diagnosed in turn off the event loop, and knows how far each has come."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from app.course import Course
from app.ct.errors import (
    BrokenModel,
    Busy,
    ModelError,
    NotReady,
)
from app.ct.words import sentence
from app.diagnosing import Diagnosing, Observer, WriteReport, utc_now
from app.kept import KeptExam, KeptProblem, Sent, Status
from app.lines import Lines, Size
from app.logs import complain
from app.outcome import Outcome
from app.service import DiagnosisService, SliceClassifier
from app.settings import Settings
from app.store import Store
from app.watch import Watch

MAX_ATTEMPTS = 5
"""Diagnoses of one exam that the service may not survive: more than chance has it, fewer than would keep others waiting."""
_LEAVE_S = 5.0
"""How long a diagnosis that is interrupted may take to notice it."""
STOPPING = sentence("The service is stopping.")
INTERRUPTED = KeptProblem("internal", sentence("The service was interrupted while it diagnosed this exam."))


LoadService = Callable[[], DiagnosisService]
OnRefusal = Callable[[ModelError], None]
OnStuck = Callable[[], None]


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
        on_stuck: OnStuck = lambda: None,
    ) -> None:
        """Nothing runs before ``start``.

        Args:
            settings: what the operator set.
            store: keeps the exams.
            load: loads what diagnoses.
            write: makes a report of a diagnosis.
            observers: told how every exam ended.
            on_refusal: told when the model cannot be served.
            on_stuck: told when a diagnosis does not end, which is noted already: nothing but the end of the process frees
                the line.
        """
        self._settings = settings
        self._store = store
        self._load = load
        self._on_refusal = on_refusal
        self._loaded: Future[DiagnosisService] = Future()
        self._on_stuck = on_stuck
        self._lines = Lines()
        self._arriving = 0
        self._courses: dict[str, Course] = {}
        self._diagnosing = Diagnosing(
            settings, store, self._courses, write=write, observers=observers, stops_within=self._stops_within
        )
        self._watch = Watch(self._courses, limit_s=settings.stuck_s, on_stuck=self._give_up)
        self._turn = threading.Condition()
        self._stopping = False
        self._loading = threading.Thread(target=self._load_service, name="loading", daemon=True)
        self._workers = [
            threading.Thread(target=self._work, args=(size,), name=f"diagnosis-{size}", daemon=True) for size in Size
        ]

    def start(self) -> None:
        """Take up what an earlier run left unfinished, and load the model in the background."""
        broken = self._store.check_audit()
        if broken is not None:
            complain("audit log broken", line=broken.line, why=broken.why)
        self._store.drop_orphans()
        for exam in self._store.unfinished():
            self._take_up(exam)
        self._loading.start()
        for worker in self._workers:
            worker.start()
        self._watch.start()

    def stop(self) -> None:
        """Take nothing more, finish the exams at work within ``drain_s``, leave the others for the next start.

        Whoever follows one of those is told at once that it is paused.
        """
        with self._turn:
            if self._stopping:
                return
            self._stopping = True
            self._turn.notify_all()
            paused = [self._courses[exam_id] for exam_id in self._lines.ids]
        for course in paused:
            course.pause()
        if self._loaded.done():
            self._join(self._settings.drain_s)
            for course in list(self._courses.values()):
                course.interrupt()
            self._join(_LEAVE_S)
        self._watch.stop()

    def _join(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        for worker in self._workers:
            if worker.ident is not None:
                worker.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_at_work(self) -> bool:
        """Whether the model loads or a diagnosis goes on, also one that ``stop`` could not end."""
        if not self._loaded.done():
            return self._loading.is_alive()
        return any(worker.is_alive() for worker in self._workers)

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is taken."""
        return self._stopping

    @property
    def waiting(self) -> int:
        """Exams in line, without those at work."""
        return len(self._lines)

    @property
    def failure(self) -> ModelError | None:
        """Why the model is not served; None while it loads and once it is."""
        error = self._loaded.exception() if self._loaded.done() else None
        return error if isinstance(error, ModelError) else None

    @property
    def classifier(self) -> SliceClassifier | None:
        """The classifier, once it passed its self-test."""
        return self._loaded.result().classifier if self._loaded.done() and self.failure is None else None

    async def admit(self, *, is_known: bool = False) -> AbstractContextManager[None]:
        """Return when an upload may be received, within what is returned; waits a while for the model to load.

        Args:
            is_known: whether it is expected to be an exam that was taken before, which finds no full line.

        Raises:
            NotReady: the model has not loaded, or cannot be served, or the service stops.
            Busy: the line is full, or too many uploads are being received.
        """
        try:
            await self._wait_until_loaded()
        except (TimeoutError, ModelError) as error:
            raise NotReady from error
        self._check_line(is_known=is_known)
        if self._arriving >= self._settings.max_uploads:
            raise Busy
        return self._receiving()

    async def _wait_until_loaded(self) -> None:
        if self._loaded.done():  # Else a wait of 0 s would end before the loop has noticed.
            self._loaded.result()
            return
        loaded = asyncio.shield(asyncio.wrap_future(self._loaded))
        await asyncio.wait_for(loaded, self._settings.ready_wait_s)

    @contextmanager
    def _receiving(self) -> Iterator[None]:
        # On the event loop alone, so that nothing comes between the check and the count.
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    def take(self, exam_id: str, sent: Sent, *, key_hash: str | None, owner: int | None = None) -> KeptExam:
        """Put a received exam in line as ``owner``'s; where its idempotency key is known, the exam it belongs to.

        Raises:
            Busy: the line is full.
            NotReady: the service is stopping.
        """
        keep, size = timedelta(hours=self._settings.retention_h), self._size_of(exam_id)
        with self._turn:
            known = None if key_hash is None else self._store.find_by_key(key_hash)
            if known is not None:
                return known
            self._check_line()
            kept = self._store.accept(exam_id, sent, now=utc_now(), keep=keep, key_hash=key_hash, owner=owner)
            if kept.id == exam_id:
                self._line_up(exam_id, size)
        return kept

    def course(self, exam_id: str) -> Course | None:
        """How far an exam has come; None once it is ended."""
        return self._courses.get(exam_id)

    def erase(self, exam_id: str, *, owner: int | None = None) -> None:
        """Delete an exam, also while it waits or is diagnosed; where the store cannot, it goes on as if nobody had asked."""
        course, exam = self._courses.get(exam_id), self._store.find(exam_id)
        # Before its files go under the work.
        self._store.erase(exam_id, owner=owner, noted=course.cancel if course else None)
        with self._turn:
            waited = self._courses.pop(exam_id, None) if self._lines.leave(exam_id) else None
        if waited is not None:
            self._diagnosing.tell(Outcome(exam_id, Status.EXPIRED, None, exam.files if exam else 0))
            waited.end(Status.EXPIRED)

    def sweep(self) -> int:
        """Erase what has expired, and note the end of exams that were abandoned; returns how many were erased."""
        keep, tombstone = (timedelta(hours=h) for h in (self._settings.retention_h, self._settings.tombstone_h))
        with self._turn:
            known = set(self._courses)  # Before the store is asked: what ends meanwhile was known.
            unfinished = (
                self._store.unfinished()
            )  # First: once it is noted what expired, nothing may fail before it is erased.
            erased = self._store.expire(utc_now(), keep=keep, tombstone=tombstone, at_work=known - self._lines.ids)
        self._store.erase_folders(erased)  # Uploads and diagnoses need not wait for it.
        if not self._stopping:  # What is put back for the next start has no course either.
            self._diagnosing.note_unnoted(exam for exam in unfinished if exam.id not in known)
        return len(erased)

    def _check_line(self, *, is_known: bool = False) -> None:
        if self._stopping:
            raise NotReady(STOPPING)
        if not is_known and self.waiting >= self._settings.queue_size:
            raise Busy

    def _size_of(self, exam_id: str) -> Size:
        files, megabytes = self._settings.small_exam_files, self._settings.small_exam_mb
        is_small = self._store.folder(exam_id).is_small(files=files, megabytes=megabytes)
        return Size.SMALL if is_small else Size.LARGE

    def _line_up(self, exam_id: str, size: Size) -> None:
        self._courses[exam_id] = Course()
        self._lines.add(exam_id, size)
        self._turn.notify_all()

    def _give_up(self, exam_id: str) -> None:
        self._diagnosing.note_stuck(exam_id)
        self._on_stuck()

    def _stops_within(self, seconds: float) -> bool:
        with self._turn:
            return self._turn.wait_for(lambda: self._stopping, seconds)

    def _take_up(self, exam: KeptExam) -> None:
        if exam.attempts < MAX_ATTEMPTS and self._store.folder(exam.id).is_sealed():
            size = self._size_of(exam.id)
            with self._turn:
                self._line_up(exam.id, size)
        else:
            self._courses[exam.id] = Course()
            self._diagnosing.end(exam, Status.FAILED, problem=INTERRUPTED)

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

    def _work(self, size: Size) -> None:
        try:
            service = self._loaded.result()
        except ModelError:
            return
        while (exam_id := self._next(size)) is not None:
            self._diagnosing.diagnose(service, exam_id)

    def _refuse(self, error: ModelError) -> None:
        # Loading that breaks off because the service stops says nothing of the model.
        if self._stopping:
            self._loaded.set_exception(error)
            return
        complain("model refused", code=error.code, detail=error.message)
        self._loaded.set_exception(error)
        self._on_refusal(error)

    def _next(self, size: Size) -> str | None:
        with self._turn:
            self._turn.wait_for(lambda: self._lines.holds(size) or self._stopping)
            return None if self._stopping else self._lines.next(size)
