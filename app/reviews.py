"""What readers say of diagnoses: agree, disagree, a comment. Beside it stands what the model had said.

A review lives with its exam. When the exam expires, its id and the comment go, for a comment may name somebody; opinion and
scores stay, so that a site can watch its own figures. When the exam is deleted, all of it goes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.ct.diagnosis import Verdict
from app.database import Base, Database
from app.kept import Status

_STATUS = sa.text("SELECT status FROM exams WHERE id = :exam_id")


class Opinion(StrEnum):
    """What a reader makes of a verdict."""

    AGREE = "agree"
    DISAGREE = "disagree"
    COMMENT = "comment"


class _Row(Base):
    __tablename__ = "reviews"
    number: Mapped[int] = mapped_column(primary_key=True)
    exam_id: Mapped[str | None] = mapped_column(sa.ForeignKey("exams.id", ondelete="SET NULL"))
    created_at: Mapped[float]
    opinion: Mapped[str]
    comment: Mapped[str]
    verdict: Mapped[str]
    probability: Mapped[float]
    threshold: Mapped[float]
    model: Mapped[str]
    model_sha256: Mapped[str]
    owner: Mapped[int | None]


@dataclass(frozen=True)
class Judged:
    """What the model had said of the exam.

    Attributes:
        probability: of COVID-19, 0 to 1.
        threshold: what the verdict was judged by.
        model, model_sha256: which model.
    """

    verdict: Verdict
    probability: float
    threshold: float
    model: str
    model_sha256: str


@dataclass(frozen=True)
class Review:
    """One word of a reader.

    Attributes:
        number: grows with every review; newest is highest.
        exam_id: None once the exam has expired.
        comment: empty where there is none, or no longer.
        judged: what the model had said.
    """

    number: int
    exam_id: str | None
    created_at: datetime
    opinion: Opinion
    comment: str
    judged: Judged


class Reviews:
    """The reviews of one database."""

    def __init__(self, database: Database) -> None:
        """Of ``database``, whose schema is up to date."""
        self._session = database.session

    def add(
        self,
        exam_id: str,
        opinion: Opinion,
        comment: str,
        *,
        judged: Judged,
        now: datetime,
        owner: int | None = None,
    ) -> Review | None:
        """Keep a review of an exam that is ``owner``'s; None where the exam has been deleted, or has expired, meanwhile."""
        row = _Row(
            exam_id=exam_id,
            created_at=now.timestamp(),
            opinion=opinion,
            comment=comment,
            verdict=judged.verdict,
            probability=judged.probability,
            threshold=judged.threshold,
            model=judged.model,
            model_sha256=judged.model_sha256,
            owner=owner,
        )
        try:
            with self._session() as session:
                session.add(row)
                session.flush()  # From here on nothing expires until this is kept.
                if session.scalar(_STATUS, {"exam_id": exam_id}) == Status.EXPIRED:
                    session.rollback()
                    return None
        except sa.exc.IntegrityError:
            return None
        return _review(row)

    def of_exam(self, exam_id: str) -> list[Review]:
        """What was said of an exam, oldest first."""
        return self._found(_Row.exam_id == exam_id)

    def every(self, *, owner: int | None = None) -> list[Review]:
        """All reviews there are, oldest first; where ``owner`` is given, those of its exams alone."""
        return self._found(sa.true() if owner is None else _Row.owner == owner)

    @staticmethod
    def erase(session: Session, exam_id: str) -> None:
        """Delete what was said of an exam, within a transaction."""
        session.execute(sa.delete(_Row).where(_Row.exam_id == exam_id))

    @staticmethod
    def anonymize(session: Session, exam_ids: Collection[str]) -> None:
        """Drop ids and comments of exams, within a transaction; opinions and scores stay."""
        session.execute(sa.update(_Row).where(_Row.exam_id.in_(list(exam_ids))).values(exam_id=None, comment=""))

    def _found(self, condition: sa.ColumnElement[bool]) -> list[Review]:
        with self._session() as session:
            return [_review(row) for row in session.scalars(sa.select(_Row).where(condition).order_by(_Row.number))]


def _review(row: _Row) -> Review:
    return Review(
        number=row.number,
        exam_id=row.exam_id,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        opinion=Opinion(row.opinion),
        comment=row.comment,
        judged=Judged(Verdict(row.verdict), row.probability, row.threshold, row.model, row.model_sha256),
    )
