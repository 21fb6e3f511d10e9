"""What is known of an exam that is kept, whoever keeps it."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from app.ct.errors import CovidCTError
from app.said import Said


class Status(StrEnum):
    """Where an exam stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the exam by itself."""
        return self not in (Status.QUEUED, Status.RUNNING)


@dataclass(frozen=True)
class Sent:
    """What came with an exam.

    Attributes:
        files: how many.
        receive_s: how long the upload took.
        input_sha256: of the SHA-256 digests of the files, one after the other, in the order sent.
        request_sha256: the same with the files' names and the wish.
    """

    files: int
    receive_s: float
    input_sha256: str | None = None
    request_sha256: str | None = None


@dataclass(frozen=True)
class KeptProblem:
    """Why an exam was refused or failed."""

    code: str
    message: str

    @classmethod
    def of(cls, error: CovidCTError) -> Self:
        """What an error says in public."""
        return cls(error.code, error.message)


@dataclass(frozen=True)
class KeptExam:
    """One exam's row.

    Attributes:
        number: grows with every exam; newest is highest.
        id: unguessable name.
        files: how many files were uploaded.
        receive_s: how long the upload took.
        attempts: how often its diagnosis was begun.
        report: the public JSON, once done.
        problem: once refused or failed.
        said: the sentences of report or problem that hold values.
        owner: the id of the key that sent it; None where it came without one.
        input_sha256, request_sha256: see ``Sent``; None once expired, and of exams older than these.
        stuck: how often its diagnosis did not end.
    """

    number: int
    id: str
    status: Status
    created_at: datetime
    expires_at: datetime
    files: int
    receive_s: float
    attempts: int
    report: str | None
    problem: KeptProblem | None
    said: Said = field(default_factory=dict)
    owner: int | None = None
    input_sha256: str | None = None
    request_sha256: str | None = None
    stuck: int = 0


def new_id() -> str:
    """128 random bits."""
    return secrets.token_hex(16)
