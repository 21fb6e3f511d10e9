"""How an exam stands in the database."""

from datetime import UTC, datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.kept import KeptExam, KeptProblem, Status
from app.said import as_kept


class Row(Base):
    """An exam, from its acceptance until its id is forgotten."""

    __tablename__ = "exams"
    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[float]
    expires_at: Mapped[float]
    files: Mapped[int]
    receive_s: Mapped[float]
    attempts: Mapped[int]
    key_hash: Mapped[str | None]
    report: Mapped[str | None]
    problem: Mapped[str | None]
    said: Mapped[str | None]
    owner: Mapped[int | None]
    input_sha256: Mapped[str | None]
    request_sha256: Mapped[str | None]
    stuck: Mapped[int]


TOMBSTONE = {
    "status": Status.EXPIRED,
    "files": 0,
    "receive_s": 0.0,
    "attempts": 0,
    "key_hash": None,
    "report": None,
    "problem": None,
    "said": None,
    "input_sha256": None,
    "request_sha256": None,
}
"""What an exam that has expired no longer tells."""


def kept_of(row: Row, *, is_whole: bool = True) -> KeptExam:
    """What a row says; ``is_whole``: with report and problem, which are not read otherwise."""
    report, problem, told = (row.report, row.problem, row.said) if is_whole else (None, None, None)
    code, _, message = (problem or "").partition("\n")
    said = as_kept(told)
    return KeptExam(
        number=row.number,
        id=row.id,
        status=Status(row.status),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        expires_at=datetime.fromtimestamp(row.expires_at, UTC),
        files=row.files,
        receive_s=row.receive_s,
        attempts=row.attempts,
        report=report,
        problem=KeptProblem(code, said.get(message, message)) if problem else None,
        said=said,
        owner=row.owner,
        input_sha256=row.input_sha256,
        request_sha256=row.request_sha256,
        stuck=row.stuck,
    )
