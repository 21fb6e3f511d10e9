"""Exams sent to a real server: seconds until the answer, and the server's memory."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.ct.reading.files import NamedFile
from tests.bench.process import BenchFailed, Memory, serving
from tests.bench.sent import RAW, SentExam
from tests.bench.tables import Table, figure

WITHIN_S = 6.0
PEAK_BELOW_MB = 1200.0
FILES, ZIP = "files", "ZIP"
_BLOCK_BYTES = 256 * 1024
_ANSWER_LIMIT_S = 300.0
_STAGES = ("receive", "wait", "read", "select", "score", "total")


@dataclass(frozen=True)
class Answer:
    """One upload and its answer.

    Attributes:
        sent_as: "files" or "ZIP".
        is_first: whether the server had just started.
        megabytes: of the body.
        from_first_byte_s, from_last_byte_s: until the whole answer was there.
        stages: seconds, as the report says.
        picture_s: the strongest slice's overlay, asked for afterwards.
    """

    sent_as: str
    is_first: bool
    megabytes: float
    from_first_byte_s: float
    from_last_byte_s: float
    stages: dict[str, float]
    picture_s: float


@dataclass(frozen=True)
class ExamOverHttp:
    """One exam, sent several times to a server started for it.

    Attributes:
        exam: its name.
        is_real: whether it is of a person.
        answers: in order.
        at_ready, after_first, after_all: the server's memory.
    """

    exam: str
    is_real: bool
    answers: tuple[Answer, ...]
    at_ready: Memory
    after_first: Memory
    after_all: Memory


@dataclass(frozen=True, eq=False)
class Form:
    """An upload made ready, so that sending it costs the client next to nothing."""

    body: bytes
    content_type: str

    @classmethod
    def of(cls, files: Sequence[NamedFile]) -> "Form":
        """The files as a multipart form."""
        parts = [("files", (f.name, f.read(), "application/octet-stream")) for f in files]
        request = httpx.Request("POST", "http://127.0.0.1/", files=parts)
        return cls(request.read(), request.headers["Content-Type"])


@dataclass
class _Marks:
    """When the first byte of a body left, and when the last one had."""

    first: float = field(default=0.0)
    last: float = field(default=0.0)

    def blocks(self, body: bytes) -> Iterator[bytes]:
        self.first = time.perf_counter()
        for start in range(0, len(body), _BLOCK_BYTES):
            yield body[start : start + _BLOCK_BYTES]
        self.last = time.perf_counter()


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
    with (
        serving(model, engine=engine) as server,
        httpx.Client(base_url=server.address, timeout=_ANSWER_LIMIT_S, trust_env=False) as client,
    ):
        at_ready = Memory.of(server.pid)
        answers = [send(client, forms[FILES], sent_as=FILES, is_first=True)]
        after_first = Memory.of(server.pid)
        answers += [send(client, forms[way], sent_as=way) for way in (ZIP, FILES) * rounds]
        return ExamOverHttp(exam.name, exam.is_real, tuple(answers), at_ready, after_first, Memory.of(server.pid))


def send(client: httpx.Client, form: Form, *, sent_as: str, is_first: bool = False) -> Answer:
    """Send one exam, look at its picture, erase it.

    Raises:
        BenchFailed: it was not diagnosed.
    """
    marks = _Marks()
    headers = {"Content-Type": form.content_type, "Content-Length": str(len(form.body))}
    answer = client.post("/api/v1/exams", content=marks.blocks(form.body), headers=headers)
    end = time.perf_counter()
    if answer.status_code != 201:
        raise BenchFailed(f"An exam was answered with {answer.status_code}: {answer.text[:300]}")
    report = answer.json()
    picture = client.get(report["heatmap"])
    picture_s = time.perf_counter() - end
    if picture.status_code != 200:
        raise BenchFailed(f"A picture was answered with {picture.status_code}.")
    client.delete(f"/api/v1/exams/{report['id']}").raise_for_status()
    return Answer(
        sent_as,
        is_first,
        megabytes=round(len(form.body) / 1e6, 1),
        from_first_byte_s=end - marks.first,
        from_last_byte_s=end - marks.last,
        stages={stage: report["timing_s"][stage] for stage in _STAGES},
        picture_s=picture_s,
    )


def answers_table(exams: Sequence[ExamOverHttp], *, engine: str, absent: Sequence[str]) -> Table:
    """A row per exam and way of sending it, the first request apart."""
    rows = [_row(exam.exam, way, found) for exam in exams for way, found in _ways(exam)]
    columns = ("exam", "sent as", "MB", "from first byte", "from last byte", *_STAGES, "picture")
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

    stages = [median(lambda a, stage=stage: a.stages[stage]) for stage in _STAGES]  # type: ignore[misc]
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
    """A row per exam: the memory of the server that was started for it."""
    rows = tuple(
        (
            exam.exam,
            *(figure(m.peak_mb) for m in (exam.at_ready, exam.after_first, exam.after_all)),
            figure(exam.after_all.resting_mb),
            str(len(exam.answers)),
        )
        for exam in exams
    )
    columns = ("exam", "peak when ready", "after the first request", "after all", "resting after all", "requests")
    return Table(f"Resident memory of the server: MB ({engine} engine)", columns, rows, ("1 MB is a million bytes.",))


def goals_table(exams: Sequence[ExamOverHttp]) -> Table:
    """What was promised, and whether it holds here."""
    rows = [
        _goal(f"{exam.exam}: slowest answer from the first byte, s", _slowest(exam), WITHIN_S)
        for exam in exams
        if exam.is_real
    ]
    rows += [
        _goal(f"{exam.exam}: peak memory, MB", exam.after_all.peak_mb, PEAK_BELOW_MB)
        for exam in exams
        if exam.exam == RAW
    ]
    return Table("Goals", ("goal", "at most", "measured", "holds"), tuple(rows))


def _slowest(exam: ExamOverHttp) -> float:
    return max(answer.from_first_byte_s for answer in exam.answers)


def _goal(name: str, measured: float, at_most: float) -> tuple[str, ...]:
    return (name, figure(at_most), figure(measured), "yes" if measured <= at_most else "no")
