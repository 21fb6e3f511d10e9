"""Who did what with which exam, when, and how it ended: lines of JSON that are only ever added to.

Every line holds the hash of the one before and its own; the database holds how many lines there are, their length and the
last hash. So a byte that was changed, a line that was taken out and an end that was cut off are all found. Nothing in a line
stands for a patient. Whoever may write to both files can make up a whole new log: keep copies elsewhere where that matters.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.ct.errors import PartedStore
from app.ct.words import sentence
from app.database import Base
from app.durable import sync
from app.storage import room

FIRST = "0" * 64
"""What the first line holds for the hash of the line before it."""
SERVICE = "service"
"""Who did what nobody asked for."""


class _Head(Base):
    __tablename__ = "audit"
    number: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[int]
    bytes: Mapped[int]
    sha256: Mapped[str]


def who(key: int | None) -> str:
    """Who asked: a key by its id, which is no secret, or anyone where requests come without."""
    return "anyone" if key is None else f"key-{key}"


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Attributes:
        what: `sent`, `ended`, `erased`, `expired` or `stuck`.
        exam: its id.
        outcome: the status an exam has after it, or the code it was refused or failed with.
        who: whose request it was.
    """

    what: str
    exam: str
    outcome: str
    who: str = SERVICE


@dataclass(frozen=True)
class Head:
    """What the database knows of the log."""

    lines: int = 0
    bytes: int = 0
    sha256: str = FIRST


@dataclass(frozen=True)
class Break:
    """The first line, from 1, that is not as it was written, and why."""

    line: int
    why: str


class AuditLog:
    """The log at ``path``, counted in the database of the sessions it is written with."""

    def __init__(self, path: Path) -> None:
        """Of a file that may not be there yet."""
        self.path = path

    def append(self, session: Session, *entries: Entry) -> None:
        """Add lines within a transaction: they count once it is committed, and are overwritten if it is not.

        Raises:
            StorageFull, StorageUnavailable: they cannot be written.
        """
        # A write first: from here to the commit SQLite lets no other transaction write, nor another line be added.
        session.execute(sa.update(_Head).values(lines=_Head.lines + len(entries)))
        head = head_of(session)
        written, last = bytearray(), head.sha256
        for number, entry in enumerate(entries, start=head.lines - len(entries) + 1):
            line, last = _line(number, entry, last)
            written += line
        with room():
            end = self._write(bytes(written), at=head.bytes)
        session.execute(sa.update(_Head).values(bytes=end, sha256=last))

    def cut_uncounted(self, head: Head) -> None:
        """Remove what a killed service had begun to add. Only while nothing is added.

        Raises:
            PartedStore: there is more than a kill leaves; nothing is removed.
        """
        check_not_ahead(self.path, head)
        with room():
            if self.path.exists() and self.path.stat().st_size > head.bytes:
                self._write(b"", at=head.bytes)

    def _write(self, written: bytes, *, at: int) -> int:
        """Write at an offset, or at the end of a file that was cut shorter; returns the file's length."""
        is_new = not self.path.exists()
        opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            at = min(at, os.fstat(opened).st_size)
            os.ftruncate(opened, at)
            left = memoryview(written)
            while left:
                left = left[os.pwrite(opened, left, at + len(written) - len(left)) :]
            os.fsync(opened)
        finally:
            os.close(opened)
        if is_new:
            sync(self.path.parent)
        return at + len(written)


def head_of(session: Session) -> Head:
    """What the database knows of the log."""
    row = session.execute(sa.select(_Head.lines, _Head.bytes, _Head.sha256)).one()
    return Head(row.lines, row.bytes, row.sha256)


def check_not_ahead(path: Path, head: Head) -> None:
    """See that the log holds no more uncounted lines than a kill leaves: those of one transaction, the last of them torn.

    One transaction adds one line, or those of a sweep. Whether those are of several sweeps cannot be told; but their exams are
    in the database still, past their time, and expire again.

    Raises:
        PartedStore: it holds more, such as where an older database was restored.
    """
    before, what = head.sha256, None
    for number, line in enumerate(_lines(path, start=head.bytes), start=head.lines + 1):
        is_torn, said = not line.endswith(b"\n"), _parsed(line) or {}
        follows = said.get("n") == number and said.get("before") == before
        of_one_sweep = what == "expired" and (is_torn or said.get("what") == "expired")
        if not ((is_torn or follows) and (what is None or of_one_sweep)):
            raise PartedStore(sentence("exams.sqlite is older than audit.jsonl: it does not count all of its lines."))
        before, what = str(said.get("sha256")), str(said.get("what"))


def first_break(path: Path, head: Head) -> Break | None:
    """The first line that is not as it was written; None where all of them are.

    What lies beyond the counted bytes is not looked at: beside a running service, that is where the next lines are written.
    """
    before, number = FIRST, 0
    for number, line in enumerate(_lines(path, end=head.bytes), start=1):
        if number > head.lines:
            return Break(number, "it is not counted in the database")
        said = _parsed(line)
        if said is None or said.get("n") != number:
            return Break(number, "it was altered")
        if said.get("before") != before:
            return Break(number, "it does not follow the line before it")
        before = str(said["sha256"])
    if number < head.lines:
        return Break(number + 1, f"it is missing: the database counts {head.lines} lines")
    if before != head.sha256:
        return Break(number, "it is not the one that the database knows")
    return None


def _line(number: int, entry: Entry, before: str) -> tuple[bytes, str]:
    said = {"n": number, "at": datetime.now(UTC).isoformat(), **asdict(entry), "before": before}
    body = json.dumps(said, separators=(",", ":"))
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    return _sealed(body, sha256).encode() + b"\n", sha256


def _sealed(body: str, sha256: str) -> str:
    return f'{body[:-1]},"sha256":"{sha256}"}}'


def _parsed(line: bytes) -> dict[str, object] | None:
    """What a line says; None where it is not, byte for byte, what its hash is of."""
    try:
        said = json.loads(line)
        body = json.dumps({name: value for name, value in said.items() if name != "sha256"}, separators=(",", ":"))
    except (ValueError, AttributeError, RecursionError):
        return None
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    return said if line == _sealed(body, sha256).encode() + b"\n" else None


def _lines(path: Path, *, start: int = 0, end: int = sys.maxsize) -> Iterator[bytes]:
    """Lines from one offset to another, which may fall into a line."""
    if path.exists():
        with path.open("rb") as opened:
            at = opened.seek(start)
            while line := opened.readline(end - at):
                at += len(line)
                yield line
