"""Exams kept for a while: rows in an SQLite file, one folder per exam beside it."""

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import defer

from app.audit import AuditLog, Break, Entry, Head, first_break, head_of, who
from app.ct.errors import StorageFull
from app.data_folder import AUDIT_FILE, EXAMS, hold, keep_private
from app.database import FILE, Database
from app.durable import sync
from app.exam_folder import ExamFolder, deleted
from app.exam_rows import TOMBSTONE, Row, kept_of
from app.kept import KeptExam, KeptProblem, Sent, Status
from app.keys import Keys
from app.logs import complain
from app.reviews import Reviews
from app.said import to_keep

Noted = TypeVar("Noted")


class Store:
    """The exams under one data folder.

    Every method may be called from any thread; none but ``folder`` and ``close`` may be called on the event loop.
    """

    def __init__(self, data_dir: Path, *, busy_s: float = 30.0) -> None:
        """Open or create the store and bring its schema up to date.

        Args:
            data_dir: where it is.
            busy_s: how long another program's lock on the database is waited for.

        Raises:
            BrokenStore, StoreInUse: it cannot be used.
            PartedStore: its database is not that of its log and folders; nothing is deleted.
            OSError: the folder cannot be made or written.
        """
        self._folders = data_dir / EXAMS
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folders.mkdir(mode=0o700, exist_ok=True)
        for kept in (self._folders, data_dir / AUDIT_FILE):
            keep_private(kept)
        sync(data_dir)
        self._left = set[Path]()
        self._lock = hold(data_dir)
        self._audit = AuditLog(data_dir / AUDIT_FILE)
        with ExitStack() as undone:
            undone.callback(os.close, self._lock)
            self._database = Database(data_dir / FILE, busy_s=busy_s)
            undone.callback(self._database.close)
            self._audit.cut_uncounted(self._head())
            undone.pop_all()
        self._session = self._database.session
        self.reviews = Reviews(self._database)
        self.keys = Keys(self._database)

    def close(self) -> None:
        """Close every connection, and let another service have the store."""
        self._database.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def folder(self, exam_id: str) -> ExamFolder:
        """The files of an exam. ``exam_id`` must come from this store, never from a request."""
        return ExamFolder(self._folders / exam_id, self._keep_left)

    def accept(
        self,
        exam_id: str,
        sent: Sent,
        *,
        now: datetime,
        keep: timedelta,
        key_hash: str | None = None,
        owner: int | None = None,
    ) -> KeptExam:
        """Enter a received exam as queued; where ``key_hash`` is known already, the exam it belongs to.

        Once this returns, the exam is on the disk.
        """
        row = Row(
            id=exam_id,
            status=Status.QUEUED,
            created_at=now.timestamp(),
            expires_at=(now + keep).timestamp(),
            files=sent.files,
            receive_s=sent.receive_s,
            attempts=0,
            key_hash=key_hash,
            owner=owner,
            input_sha256=sent.input_sha256,
            request_sha256=sent.request_sha256,
            stuck=0,
        )
        try:
            with self._session() as session:
                session.add(row)
                session.flush()
                self._audit.append(session, Entry("sent", exam_id, Status.QUEUED, who(owner)))
        except sa.exc.IntegrityError:
            known = self.find_by_key(key_hash) if key_hash else None
            if known is None:
                raise
            return known
        return kept_of(row)

    def find(self, exam_id: str) -> KeptExam | None:
        """The exam of that id, expired or not."""
        return self._first(Row.id == exam_id)

    def find_by_key(self, key_hash: str) -> KeptExam | None:
        """The exam that was sent under an idempotency key."""
        return self._first(Row.key_hash == key_hash)

    def start(self, exam_id: str) -> None:
        """Note that a diagnosis begins."""
        self._update(exam_id, status=Status.RUNNING, attempts=Row.attempts + 1)

    def put_back(self, exam_id: str) -> None:
        """Note that a diagnosis was broken off in order, to begin again later: it does not count as an attempt."""
        self._update(exam_id, status=Status.QUEUED, attempts=sa.func.max(0, Row.attempts - 1))

    def mark_stuck(self, exam_id: str) -> int:
        """Note that a running diagnosis does not end; returns how often that was so, 0 where it has ended after all."""
        stuck = sa.and_(Row.id == exam_id, Row.status == Status.RUNNING)
        with self._session() as session:
            marked = sa.update(Row).where(stuck).values(status=Status.QUEUED, stuck=Row.stuck + 1)
            count = session.scalars(marked.returning(Row.stuck)).first()
            if count is None:
                return 0
            self._audit.append(session, Entry("stuck", exam_id, Status.QUEUED))
        return count

    def finish(self, exam_id: str, report: str, said: Iterable[str] = ()) -> bool:
        """Keep the report, and what it says; whether the exam had not ended before, nor been erased."""
        return self._end(exam_id, Status.DONE, status=Status.DONE, report=report, said=to_keep(said))

    def end(self, exam_id: str, status: Status, problem: KeptProblem) -> bool:
        """Note that the exam was refused or failed, and why; whether it had not ended before.

        What failed was not for its files: sent again under the same idempotency key, it is another exam.
        """
        kept = f"{problem.code}\n{problem.message}"
        freed = {"key_hash": None} if status is Status.FAILED else {}
        return self._end(exam_id, problem.code, status=status, problem=kept, said=to_keep([problem.message]), **freed)

    def unfinished(self) -> list[KeptExam]:
        """Exams that were accepted but not ended, oldest first."""
        waiting = sa.select(Row).where(Row.status.in_([Status.QUEUED, Status.RUNNING])).order_by(Row.number)
        with self._session() as session:
            return [kept_of(row) for row in session.scalars(waiting)]

    def newest(
        self, limit: int, *, before: int | None = None, owner: int | None = None, with_reports: bool = True
    ) -> list[KeptExam]:
        """Exams that have not expired, newest first.

        Args:
            limit: how many at most.
            before: numbered below it.
            owner: only this one's.
            with_reports: whether reports are read, of half a megabyte each, and what else the exam came to.
        """
        listed = sa.select(Row).where(Row.status != Status.EXPIRED).order_by(Row.number.desc()).limit(limit)
        if before is not None:
            listed = listed.where(Row.number < before)
        if owner is not None:
            listed = listed.where(Row.owner == owner)
        if not with_reports:
            listed = listed.options(*(defer(column, raiseload=True) for column in (Row.report, Row.said, Row.problem)))
        with self._session() as session:
            return [kept_of(row, is_whole=with_reports) for row in session.scalars(listed)]

    def erase(self, exam_id: str, *, owner: int | None = None, noted: Callable[[], None] | None = None) -> None:
        """Delete an exam that has not expired: its row, what readers said of it, and its files; also on a full disk.

        Args:
            exam_id: of the exam.
            owner: the key that asked for it.
            noted: called once its row is gone, before its files go.
        """
        living = sa.and_(Row.id == exam_id, Row.status != Status.EXPIRED)

        def note() -> None:
            with self._session() as session:
                self.reviews.erase(session, exam_id)  # While they still say of which exam they are.
                if session.execute(sa.delete(Row).where(living).returning(Row.id)).all():
                    self._audit.append(session, Entry("erased", exam_id, "erased", who(owner)))

        self._make_room_for(note, living)
        if noted is not None:
            noted()
        self.folder(exam_id).erase()
        self._database.forget()

    def check_audit(self) -> Break | None:
        """The first broken line of the audit log."""
        return first_break(self._audit.path, self._head())

    def expire(
        self, now: datetime, *, keep: timedelta, tombstone: timedelta, at_work: Collection[str] = ()
    ) -> list[str]:
        """Erase what has expired, whatever became of it, leaving its id for a while; forget ids older than ``tombstone``.

        A full disk is given room by what is erased.

        Args:
            now: the time.
            keep: how long exams are kept now; those that were promised longer expire with it, none is kept longer than promised.
            tombstone: how long after its end an exam is still known to have expired.
            at_work: exams being diagnosed, which stay for now.

        Returns:
            Ids of the exams that were erased but for their folders, which are to be erased by ``erase_folders``.
        """
        past = sa.or_(Row.expires_at <= now.timestamp(), Row.created_at <= (now - keep).timestamp())
        over = sa.and_(past, Row.status != Status.EXPIRED, Row.id.not_in(list(at_work)))
        ended_at = sa.func.min(Row.expires_at, now.timestamp())
        forgotten = sa.and_(Row.expires_at <= (now - tombstone).timestamp(), Row.status == Status.EXPIRED)

        def note() -> list[str]:
            with self._session() as session:
                ended = sa.update(Row).where(over).values(expires_at=ended_at, **TOMBSTONE).returning(Row.id)
                ids = list(session.scalars(ended))
                self.reviews.anonymize(session, ids)
                session.execute(sa.delete(Row).where(forgotten))
                if ids:
                    self._audit.append(session, *(Entry("expired", exam_id, Status.EXPIRED) for exam_id in ids))
            return ids

        return self._make_room_for(note, over)

    def erase_folders(self, ids: Iterable[str]) -> None:
        """Delete the files of exams that have expired, and what could not be deleted before, of whatever exam.

        This may take a while; a kill meanwhile leaves them to the next start.
        """
        for path in list(self._left):
            if deleted(path):
                self._left.discard(path)
        for exam_id in ids:
            self.folder(exam_id).erase()
        self._database.forget()

    def drop_orphans(self) -> None:
        """Delete folders without a living row, such as uploads that a crash cut off, and what was sent with exams that
        have ended. Only before uploads are taken.
        """
        with self._session() as session:
            living = session.execute(sa.select(Row.id, Row.status).where(Row.status != Status.EXPIRED))
            known = {exam_id: Status(status) for exam_id, status in living}
        for path in self._folders.iterdir():
            if path.name in known and known[path.name].is_final:
                self.folder(path.name).drop_originals()
            elif path.name not in known and path.is_dir():
                self.folder(path.name).erase()

    def _make_room_for(self, note: Callable[[], Noted], which: sa.ColumnElement[bool]) -> Noted:
        """Note an erasure; where the disk is too full for it, once more when the folders of the exams are deleted.

        Only then: a kill between the two, or StorageFull once more, leaves a report without pictures until it is erased again.
        """
        try:
            return note()
        except StorageFull:
            with self._session() as session:
                ids = session.scalars(sa.select(Row.id).where(which)).all()
            for exam_id in ids:
                self.folder(exam_id).erase()
            return note()

    def _keep_left(self, path: Path) -> None:
        """Complain of what could not be deleted, once, and keep it for the next sweep."""
        if path not in self._left:
            complain("not erased", exam_id=path.relative_to(self._folders).parts[0])
        self._left.add(path)

    def _head(self) -> Head:
        with self._database.session() as session:
            return head_of(session)

    def _first(self, condition: sa.ColumnElement[bool]) -> KeptExam | None:
        with self._session() as session:
            row = session.scalars(sa.select(Row).where(condition)).first()
        return None if row is None else kept_of(row)

    def _end(self, exam_id: str, outcome: str, **values: object) -> bool:
        """Note an end, once: an exam that is no longer there has none, and one that has ended no other; whether it was noted."""
        living = sa.and_(Row.id == exam_id, Row.status.in_([Status.QUEUED, Status.RUNNING]))
        with self._session() as session:
            ended = session.execute(sa.update(Row).where(living).values(**values).returning(Row.id)).all()
            if ended:
                self._audit.append(session, Entry("ended", exam_id, outcome))
        return bool(ended)

    def _update(self, exam_id: str, **values: object) -> None:
        with self._session() as session:
            session.execute(sa.update(Row).where(Row.id == exam_id).values(**values))
