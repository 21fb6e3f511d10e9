"""The service beside what a user would write: the same exam, the same slices, by turns, each in a process of its own."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from app.ct.reading.files import NamedFile
from tests.bench.client import Form, Marks, client_of, send
from tests.bench.figures import Figure
from tests.bench.memory import Memory
from tests.bench.process import BenchFailed, Running, serving, started
from tests.bench.sent import SentExam
from tests.bench.tables import Table, figure, middle

SLICES = "64"
PAPER_MS, PAPER_ON = 9.857, "NVIDIA GTX 1070, as the paper reports it; ResNet50"
OURS, NAIVE = "the service", "what a user would write"


@dataclass(frozen=True)
class Peered:
    """One exam, answered by both.

    Attributes:
        exam: its name.
        scored: slices that both scored.
        ours_s, naive_s: last byte to full answer, one a round.
        ours_mb, naive_mb: peak memory of each, all its processes, after all rounds of all exams so far.
    """

    exam: str
    scored: int
    ours_s: tuple[float, ...]
    naive_s: tuple[float, ...]
    ours_mb: float
    naive_mb: float


def measure_peers(
    exams: Sequence[SentExam], model: Path, *, engine: str, rounds: int, on_exam: Callable[[str], None]
) -> list[Peered]:
    """Send every exam to both, ``rounds`` times after one untimed time; both are up all the while.

    Raises:
        BenchFailed: a server does not start or does not answer, or they scored different slices.
    """
    found = []
    for exam in exams:
        on_exam(f"peers: {exam.name}")
        with serving(model, engine=engine) as ours, started(partial(_naive, model), ready="/livez") as naive:
            found.append(_measure(exam, ours, naive, rounds=rounds))
    return found


def _naive(model: Path, port: int) -> list[str]:
    return ["-m", "tests.bench.naive", str(model.resolve()), str(port)]


def _measure(exam: SentExam, ours: Running, naive: Running, *, rounds: int) -> Peered:
    form, ours_s, naive_s = Form.of(exam.files), [], []
    with client_of(ours) as client, client_of(naive) as other:
        instances = send(client, form, slices=SLICES).instances
        theirs = naive_form(exam.files, instances)
        send_naive(other, theirs, instances)
        for _ in range(rounds):
            ours_s.append(send(client, form, slices=SLICES).from_last_byte_s)
            naive_s.append(send_naive(other, theirs, instances))
    peaks = (Memory.of(ours.pid).peak_mb, Memory.of(naive.pid).peak_mb)
    return Peered(exam.name, len(instances), tuple(ours_s), tuple(naive_s), *peaks)


def naive_form(files: Sequence[NamedFile], instances: Sequence[int]) -> Form:
    """The same files, with the slices to score by number."""
    parts = [("files", (f.name, f.read(), "application/octet-stream")) for f in files]
    wanted = {"wanted": ",".join(map(str, instances))}
    request = httpx.Request("POST", "http://127.0.0.1/", files=parts, data=wanted)
    return Form(request.read(), request.headers["Content-Type"])


def send_naive(client: httpx.Client, form: Form, instances: Sequence[int]) -> float:
    """Seconds from the last byte to the full answer.

    Raises:
        BenchFailed: it answered with something else, or scored other slices.
    """
    marks = Marks()
    answer = client.post("/predict", content=marks.blocks(form), headers=form.headers)
    seconds = time.perf_counter() - marks.last
    if answer.status_code != 200:
        raise BenchFailed(f"{NAIVE}: answered with {answer.status_code}: {answer.text[:300]}")
    scored = [s["number"] for s in answer.json()["slices"]]
    if sorted(scored) != sorted(instances):
        raise BenchFailed(f"{NAIVE}: scored {len(scored)} slices that are not the service's {len(instances)}.")
    return seconds


def peers_table(found: Sequence[Peered], *, engine: str) -> Table:
    """Two rows per exam, then the paper's."""
    rows = [row for p in found for row in _rows(p)]
    rows.append(("the paper", f"a slice, the network alone ({PAPER_ON})", "", "", f"{PAPER_MS}", "", "", ""))
    notes = (
        f"The service ({engine} engine) beside one FastAPI file that decodes with pydicom and Pillow, resizes, and calls "
        "`model.predict()` and a Grad-CAM with a gradient tape (`tests/bench/naive.py`): same machine, exam, slices, weights.",
        "Seconds from the last byte to the full answer, after one untimed request each. x: how many times as fast, and how many "
        "times as little memory (of the service with its workers, at most; see memory).",
    )
    columns = ("by", "exam", "scored", "seconds", "ms per slice", "x", "peak MB", "x")
    return Table("Beside what one would use instead", columns, tuple(rows), notes)


def _rows(p: Peered) -> list[tuple[str, ...]]:
    ours, naive = statistics.median(p.ours_s), statistics.median(p.naive_s)
    per_slice = [figure(1000 * seconds / p.scored) for seconds in (ours, naive)]
    times, less = figure(naive / ours), figure(p.naive_mb / p.ours_mb)
    return [
        (OURS, p.exam, str(p.scored), middle(p.ours_s), per_slice[0], times, figure(p.ours_mb), less),
        (NAIVE, p.exam, str(p.scored), middle(p.naive_s), per_slice[1], "", figure(p.naive_mb), ""),
    ]


def peer_figures(found: Sequence[Peered]) -> list[Figure]:
    """Ratios, and what they are made of."""
    return [one for p in found for one in _figures(p)]


def _figures(p: Peered) -> list[Figure]:
    ratios = tuple(theirs / ours for ours, theirs in zip(p.ours_s, p.naive_s, strict=True))
    return [
        Figure(f"peers: {p.exam}, {OURS}", "s", p.ours_s),
        Figure(f"peers: {p.exam}, {NAIVE}", "s", p.naive_s),
        Figure(faster_name(p.exam), "x", ratios),
        Figure(leaner_name(p.exam), "x", (p.naive_mb / p.ours_mb,)),
    ]


def faster_name(exam: str) -> str:
    """Of the figure for how many times as fast."""
    return f"peers: {exam}, times as fast"


def leaner_name(exam: str) -> str:
    """Of the figure for how many times as little memory."""
    return f"peers: {exam}, times as little memory"
