"""The exams of a key, as the page lists them."""

from dataclasses import dataclass
from typing import Self

from app.kept import KeptExam
from app.web.callers import Caller
from app.web.parts import Parts
from app.web.problems import OtherVersion
from app.web.reporting import kept_report
from app.web.schemas import ExamReport

PAGE = 12


@dataclass(frozen=True)
class Listed:
    """One exam; ``report`` is None where it is not diagnosed, or by another version of the service."""

    exam: KeptExam
    report: ExamReport | None

    @classmethod
    def of(cls, exam: KeptExam) -> Self:
        """As far as it can be read."""
        try:
            return cls(exam, None if exam.report is None else kept_report(exam.report))
        except OtherVersion:
            return cls(exam, None)


@dataclass(frozen=True)
class History:
    """A page of exams, newest first; ``next`` leads on where there are older ones."""

    exams: list[Listed]
    next: int | None


def history_of(parts: Parts, caller: Caller, *, before: int | None) -> History | None:
    """The exams of the caller's key; None in a service without keys, where the browser keeps its own list."""
    if caller.owner is None:
        return None
    found = parts.store.newest(PAGE + 1, before=before, owner=caller.owner)
    more = found[PAGE - 1].number if len(found) > PAGE else None
    return History([Listed.of(exam) for exam in found[:PAGE]], more)
