"""What one client does: send an exam, wait for the whole answer, or for the first probability on the event stream."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx

from app.ct.reading.files import NamedFile
from tests.bench.process import BenchFailed, Running

EXAMS = "/api/v1/exams"
STAGES = ("receive", "wait", "read", "select", "score", "total")
_BLOCK_BYTES = 256 * 1024
_ANSWER_LIMIT_S = 300.0


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
        scored: slices that were scored.
        instances: DICOM's instance numbers of these, or their places in the exam where there are none.
    """

    sent_as: str
    is_first: bool
    megabytes: float
    from_first_byte_s: float
    from_last_byte_s: float
    stages: dict[str, float]
    picture_s: float
    scored: int
    instances: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Form:
    """An upload made ready, so that sending it costs the client next to nothing; ``on_sent`` is told when all of it has left."""

    body: bytes
    content_type: str
    on_sent: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, files: Sequence[NamedFile]) -> "Form":
        """The files as a multipart form."""
        parts = [("files", (f.name, f.read(), "application/octet-stream")) for f in files]
        request = httpx.Request("POST", "http://127.0.0.1/", files=parts)
        return cls(request.read(), request.headers["Content-Type"])

    @property
    def headers(self) -> dict[str, str]:
        """What to send it with."""
        return {"Content-Type": self.content_type, "Content-Length": str(len(self.body))}

    @property
    def megabytes(self) -> float:
        """Millions of bytes."""
        return round(len(self.body) / 1e6, 3)


@dataclass
class Marks:
    """When the first byte of a body left, and when the last one had."""

    first: float = 0.0
    last: float = 0.0

    def blocks(self, form: Form) -> Iterator[bytes]:
        """The body, piece by piece."""
        self.first = time.perf_counter()
        for start in range(0, len(form.body), _BLOCK_BYTES):
            yield form.body[start : start + _BLOCK_BYTES]
        self.last = time.perf_counter()
        form.on_sent()


def client_of(server: Running) -> httpx.Client:
    """Patient, and without proxies."""
    return httpx.Client(base_url=server.address, timeout=_ANSWER_LIMIT_S, trust_env=False)


def send(
    client: httpx.Client, form: Form, *, sent_as: str = "files", is_first: bool = False, slices: str | None = None
) -> Answer:
    """Send one exam, look at its picture, erase it.

    Args:
        client: of the server.
        form: the exam.
        sent_as, is_first: for the record.
        slices: how many to score, a number or "all"; None leaves it to the service.

    Raises:
        BenchFailed: it was not diagnosed.
    """
    marks, query = Marks(), {} if slices is None else {"slices": slices}
    answer = client.post(EXAMS, content=marks.blocks(form), headers=form.headers, params=query)
    end = time.perf_counter()
    if answer.status_code != 201:
        raise BenchFailed(f"An exam was answered with {answer.status_code}: {answer.text[:300]}")
    report = answer.json()
    picture = client.get(report["heatmap"])
    picture_s = time.perf_counter() - end
    if picture.status_code != 200:
        raise BenchFailed(f"A picture was answered with {picture.status_code}.")
    erase(client, report["id"])
    instances = _instances(report)
    return Answer(
        sent_as,
        is_first,
        megabytes=form.megabytes,
        from_first_byte_s=end - marks.first,
        from_last_byte_s=end - marks.last,
        stages={stage: report["timing_s"][stage] for stage in STAGES},
        picture_s=picture_s,
        scored=len(instances),
        instances=instances,
    )


def _instances(report: dict[str, object]) -> tuple[int, ...]:
    slices = report["slices"]
    if not isinstance(slices, list):
        raise BenchFailed("A report has no slices.")
    numbers = [s.get("instance_number") for s in slices if s["scored"]]
    places = [s["index"] for s in slices if s["scored"]]
    return tuple(place if number is None else number for number, place in zip(numbers, places, strict=True))


def first_probability(client: httpx.Client, form: Form, *, slices: str | None = None) -> float:
    """Seconds from the last byte sent to the first running probability on the event stream; the exam is erased then.

    Raises:
        BenchFailed: there was none.
    """
    marks, query = Marks(), {} if slices is None else {"slices": slices}
    headers = {**form.headers, "Prefer": "respond-async"}
    answer = client.post(EXAMS, content=marks.blocks(form), headers=headers, params=query)
    if answer.status_code != 202:
        raise BenchFailed(f"An exam was answered with {answer.status_code}: {answer.text[:300]}")
    place = answer.headers["Location"]
    try:
        with client.stream("GET", f"{place}/events") as stream:
            for told in events(stream.iter_lines()):
                if told.get("probability") is not None:
                    return time.perf_counter() - marks.last
    finally:
        client.delete(place)
    raise BenchFailed("An exam ended without a running probability.")


def events(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    """What server-sent events carry, one after the other."""
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def erase(client: httpx.Client, exam_id: str) -> None:
    """Erase an exam, so that none fills the disk."""
    client.delete(f"{EXAMS}/{exam_id}").raise_for_status()
