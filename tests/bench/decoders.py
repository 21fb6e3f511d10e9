"""Milliseconds per slice of reading, by coding: through the reader itself, here and in worker processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from app.ct.reading import read_exam
from app.ct.reading.headers import read_headers
from app.ct.reading.kinds import sort_files
from app.ct.workers import ON_THE_SPOT, Workers
from tests.bench.codings import NO_ENCODER, Coded
from tests.bench.figures import Figure
from tests.bench.rounds import Work, by_turns
from tests.bench.tables import Table, figure, middle

HEADERS, HERE, POOL = "headers alone", "one process", "worker processes"


@dataclass(frozen=True)
class Decoding:
    """One coding, read one way.

    Attributes:
        coding: its name.
        way: "headers alone", "one process" or "worker processes".
        kilobytes: of a slice, on average.
        ms_per_slice: one figure a round.
    """

    coding: str
    way: str
    kilobytes: float
    ms_per_slice: tuple[float, ...]


def measure_decoders(
    exams: Sequence[Coded], *, workers: Workers, rounds: int, on_round: Callable[[int], None]
) -> list[Decoding]:
    """Read every exam in every way, by turns.

    Args:
        exams: one of each coding.
        workers: processes.
        rounds: at least 1.
        on_round: told the number of each round as it begins.
    """
    ways = [(exam, way) for exam in exams for way in (HEADERS, HERE, POOL) if exam.is_dicom or way != HEADERS]
    works = [Work(len(exam.files), _reading(exam, way, workers)) for exam, way in ways]
    spent = by_turns(works, rounds=rounds, on_round=on_round)
    return [Decoding(exam.coding, way, _kilobytes(exam), ms) for (exam, way), ms in zip(ways, spent, strict=True)]


def _reading(exam: Coded, way: str, workers: Workers) -> Callable[[], object]:
    if way == HEADERS:
        return partial(_headers, exam)
    return partial(read_exam, exam.files, workers=ON_THE_SPOT if way == HERE else workers)


def _headers(exam: Coded) -> int:
    return sum(len(read_headers(file)) for file in sort_files(exam.files).slices)


def _kilobytes(exam: Coded) -> float:
    return round(sum(file.size for file in exam.files) / len(exam.files) / 1000, 1)


def decoders_table(found: Sequence[Decoding], *, slices: int, processes: int) -> Table:
    """A row per coding."""
    rows = [_row([d for d in found if d.coding == coding]) for coding in dict.fromkeys(d.coding for d in found)]
    rows += [(coding, "", "not measured: no encoder here", "", "", "") for coding in NO_ENCODER]
    notes = (
        f"{slices} slices of a phantom, on disk; read whole: sorted, parsed, decoded, brought to the lung window, put in order.",
        f"Worker processes: {processes}, as the service has them; what goes to and from them is counted. "
        "x: how many times as fast as in one process.",
        "Headers alone: sorted and parsed, in one process; pictures have none to choose by.",
    )
    columns = ("coding", "KB a slice", HEADERS, HERE, POOL, "x")
    return Table("Reading: ms per slice", columns, tuple(rows), notes)


def _row(found: Sequence[Decoding]) -> tuple[str, ...]:
    ms = {d.way: d.ms_per_slice for d in found}
    cells = (middle(ms[way]) if way in ms else "" for way in (HEADERS, HERE, POOL))
    here, pool = (sorted(ms[way])[len(ms[way]) // 2] for way in (HERE, POOL))
    return (found[0].coding, figure(found[0].kilobytes), *cells, figure(here / pool))


def decoder_figures(found: Sequence[Decoding]) -> list[Figure]:
    """One for each coding and way."""
    return [Figure(f"reading: {d.coding}, {d.way}", "ms/slice", d.ms_per_slice) for d in found]
