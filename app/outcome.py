"""How an exam ended, in counts and seconds."""

from dataclasses import dataclass

from app.store import Status


@dataclass(frozen=True)
class Outcome:
    """One exam's end, for logs and metrics: counts and seconds, nothing about the patient."""

    exam_id: str
    status: Status
    code: str | None
    files: int
    slices: int = 0
    scored: int = 0
    timing_s: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Timed:
    """Seconds of every stage of one exam, the wait for its turn included."""

    receive: float
    wait: float
    read: float
    select: float
    score: float
    total: float
