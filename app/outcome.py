"""How an exam ended, in counts and seconds."""

from dataclasses import dataclass

from app.kept import Status


@dataclass(frozen=True)
class Outcome:
    """One exam's end, for logs and metrics: counts and seconds, nothing about the patient.

    Attributes:
        exam_id: logged, never a label of a metric.
        positive: scored slices at or above the threshold.
        probabilities, distances: of the scored slices, see ``SliceScores``; for counts over many exams alone.
    """

    exam_id: str
    status: Status
    code: str | None
    files: int
    slices: int = 0
    scored: int = 0
    timing_s: tuple[tuple[str, float], ...] = ()
    positive: int = 0
    probabilities: tuple[float, ...] = ()
    distances: tuple[float, ...] = ()


@dataclass(frozen=True)
class Timed:
    """Seconds of every stage of one exam, the wait for its turn included."""

    receive: float
    wait: float
    read: float
    select: float
    score: float
    total: float
