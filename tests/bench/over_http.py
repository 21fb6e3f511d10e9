"""Exams sent to a real server: seconds until the answer, and the server's memory."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.ct.selection import CPU_SLICES
from tests.bench.client import STAGES, Answer, Form, client_of, send
from tests.bench.figures import Figure
from tests.bench.memory import EVERY_S, Memory, watched
from tests.bench.process import serving
from tests.bench.sent import SentExam
from tests.bench.tables import Table, figure

FILES, ZIP = "files", "ZIP"
SCORED = f"{CPU_SLICES}"
"""Asked for, as a slow machine scores fewer where nobody asks."""


@dataclass(frozen=True)
class ExamOverHttp:
    """One exam, sent several times to a server started for it.

    Attributes:
        exam: its name.
        is_real: whether it is of a person.
        answers: in order.
        at_ready, after_first, after_all: the server's memory.
        at_once_mb: the most memory seen at one moment of a further request, in which nothing was timed.
    """

    exam: str
    is_real: bool
    answers: tuple[Answer, ...]
    at_ready: Memory
    after_first: Memory
    after_all: Memory
    at_once_mb: float


def measure_over_http(
    exams: Sequence[SentExam], model: Path, *, engine: str, rounds: int, on_exam: Callable[[str], None]
) -> list[ExamOverHttp]:
    """Send every exam to a server of its own: once as files, then ``rounds`` times both ways.

    Raises:
        BenchFailed: the server does not start, or does not diagnose an exam.
    """
    found = []
    for exam in exams:
        on_exam(f"over HTTP: {exam.name}")
        found.append(_measure(exam, model, engine=engine, rounds=rounds))
    return found


def _measure(exam: SentExam, model: Path, *, engine: str, rounds: int) -> ExamOverHttp:
    forms = {FILES: Form.of(exam.files), ZIP: Form.of([exam.archive])}
    with serving(model, engine=engine) as server, client_of(server) as client:
        at_ready = Memory.of(server.pid)
        answers = [send(client, forms[FILES], sent_as=FILES, is_first=True, slices=SCORED)]
        after_first = Memory.of(server.pid)
        answers += [send(client, forms[way], sent_as=way, slices=SCORED) for way in (ZIP, FILES) * rounds]
        after_all = Memory.of(server.pid)
        with watched(server.pid) as seen:
            send(client, forms[FILES], sent_as=FILES, slices=SCORED)
        return ExamOverHttp(
            exam.name, exam.is_real, tuple(answers), at_ready, after_first, after_all, at_once_mb=seen.most_mb
        )


def answers_table(exams: Sequence[ExamOverHttp], *, engine: str, absent: Sequence[str]) -> Table:
    """A row per exam and way of sending it, the first request apart."""
    rows = [_row(exam.exam, way, found) for exam in exams for way, found in _ways(exam)]
    columns = ("exam", "sent as", "MB", "from first byte", "from last byte", *STAGES, "picture")
    notes = (
        "From first byte, from last byte: seconds of the client until the whole answer was there; then the server's own.",
        "Median where there were several requests. The client prepares the body before; it shares the cores.",
    )
    return Table(f"Exams over HTTP: seconds ({engine} engine)", columns, tuple(rows), (*notes, *absent))


def _ways(exam: ExamOverHttp) -> Iterator[tuple[str, list[Answer]]]:
    yield "files, first request", [a for a in exam.answers if a.is_first]
    for way in (FILES, ZIP):
        yield way, [a for a in exam.answers if a.sent_as == way and not a.is_first]


def _row(exam: str, way: str, answers: Sequence[Answer]) -> tuple[str, ...]:
    def median(of: Callable[[Answer], float]) -> str:
        return figure(statistics.median(of(answer) for answer in answers))

    stages = [median(lambda a, stage=stage: a.stages[stage]) for stage in STAGES]  # type: ignore[misc]
    return (
        exam,
        way,
        median(lambda a: a.megabytes),
        median(lambda a: a.from_first_byte_s),
        median(lambda a: a.from_last_byte_s),
        *stages,
        median(lambda a: a.picture_s),
    )


def memory_table(exams: Sequence[ExamOverHttp], *, engine: str) -> Table:
    """A row per exam: the memory of the service that was started for it."""
    rows = tuple(
        (
            exam.exam,
            *(figure(m.peak_mb) for m in (exam.at_ready, exam.after_first, exam.after_all)),
            figure(exam.after_all.alone_peak_mb),
            figure(exam.at_once_mb),
            figure(exam.after_all.resting_mb),
            str(len(exam.answers)),
        )
        for exam in exams
    )
    columns = (
        "exam",
        "peak when ready",
        "after the first request",
        "after all",
        "of it the server alone",
        "most at once",
        "resting",
        "requests",
    )
    notes = (
        "1 MB is a million bytes. Peaks: of the server and of each of its workers, added up; pages that they share are counted "
        "for each, so that it is an upper bound. Resting: after all requests, shared pages counted once.",
        f"Most at once: looked at every {EVERY_S:g} s during one more request, shared pages counted once.",
    )
    return Table(f"Resident memory of the service: MB ({engine} engine)", columns, rows, notes)


def over_http_figures(exams: Sequence[ExamOverHttp]) -> list[Figure]:
    """Seconds from the first and from the last byte, sent as files, and memory, of each exam."""
    return [one for exam in exams for one in _figures(exam)]


def _figures(exam: ExamOverHttp) -> Iterator[Figure]:
    answers = [a for a in exam.answers if a.sent_as == FILES and not a.is_first]
    yield Figure(slowest_name(exam.exam), "s", (max(a.from_first_byte_s for a in exam.answers),))
    yield Figure(answer_name(exam.exam), "s", tuple(a.from_last_byte_s for a in answers))
    yield Figure(memory_name(exam.exam), "MB", (exam.after_all.peak_mb,))
    yield Figure(at_once_name(exam.exam), "MB", (exam.at_once_mb,))


def slowest_name(exam: str) -> str:
    """Of the figure for an exam's slowest answer."""
    return f"sent: {exam}, slowest answer from the first byte"


def answer_name(exam: str) -> str:
    """Of the figure for an exam's answer."""
    return f"sent: {exam}, from the last byte"


def memory_name(exam: str) -> str:
    """Of the figure for the peaks of the service and its workers, added up."""
    return f"memory: {exam}, peak of the service with its workers"


def at_once_name(exam: str) -> str:
    """Of the figure for the most memory of the service and its workers at one moment."""
    return f"memory: {exam}, most at once of the service with its workers"
