"""Exams by kind and size, sent to one server: the full answer, and the first running probability."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import httpx

from tests.bench.client import Form, first_probability, send
from tests.bench.codings import JPEG, RAW, Coded
from tests.bench.figures import Figure
from tests.bench.lines import Course
from tests.bench.tables import Table, figure, middle

SIZES = (1, 16, 60, 120, 300, 600)
ALL, SOME = "all", "64"
_SCORED_WHOLE = (RAW, JPEG)
"""Kinds that are also sent to have every slice scored: what the line of cost over slices is drawn through."""


@dataclass(frozen=True)
class Sent:
    """One exam of one kind and size, with what was asked for.

    Attributes:
        coding, slices, asked: its kind, its size, "64" or "all" slices.
        scored: slices that were.
        megabytes: sent.
        answer_s: last byte to full answer, one a round.
        first_s: last byte to first running probability, one a round.
    """

    coding: str
    slices: int
    asked: str
    scored: int
    megabytes: float
    answer_s: tuple[float, ...]
    first_s: tuple[float, ...]


@dataclass(frozen=True)
class _Once:
    scored: int
    megabytes: float
    answer_s: float
    first_s: float


def measure_exams(
    client: httpx.Client,
    exams: Iterable[Coded],
    *,
    sizes: Sequence[int],
    rounds: int,
    on_exam: Callable[[str], None],
) -> list[Sent]:
    """Send every kind in every size ``rounds`` times, and once more untimed before all.

    Args:
        client: of a server that is ready.
        exams: the largest of each kind; smaller ones are made of every so many-th file.
        sizes: in slices.
        rounds: at least 1.
        on_exam: told what is sent.

    Raises:
        BenchFailed: an exam is not diagnosed.
    """
    largest = list(exams)
    send(client, Form.of(largest[0].thinned(min(sizes)).files))
    found: dict[tuple[str, int, str], list[_Once]] = {}
    for number in range(1, rounds + 1):
        for exam in largest:
            for slices, asked in _wishes(exam.coding, sizes):
                on_exam(f"exams, round {number} of {rounds}: {slices} x {exam.coding}, {asked} scored")
                found.setdefault((exam.coding, slices, asked), []).append(_once(client, exam.thinned(slices), asked))
    return [_sent(key, rounds_of) for key, rounds_of in found.items()]


def _wishes(coding: str, sizes: Sequence[int]) -> Iterator[tuple[int, str]]:
    for slices in sizes:
        yield slices, SOME
        if coding in _SCORED_WHOLE and slices > int(SOME):
            yield slices, ALL


def _once(client: httpx.Client, exam: Coded, asked: str) -> _Once:
    form = Form.of(exam.files)
    answer = send(client, form, slices=asked)
    return _Once(answer.scored, form.megabytes, answer.from_last_byte_s, first_probability(client, form, slices=asked))


def _sent(key: tuple[str, int, str], rounds: Sequence[_Once]) -> Sent:
    first = rounds[0]
    answers, firsts = tuple(r.answer_s for r in rounds), tuple(r.first_s for r in rounds)
    return Sent(*key, first.scored, first.megabytes, answers, firsts)


def exams_table(found: Sequence[Sent], *, engine: str) -> Table:
    """A row per kind, size and number of slices asked for."""
    rows = tuple(
        (
            s.coding,
            str(s.slices),
            s.asked,
            str(s.scored),
            figure(s.megabytes),
            middle(s.answer_s),
            middle(s.first_s),
        )
        for s in found
    )
    notes = (
        "Seconds from the last byte sent: to the full answer; to the first running probability on the event stream, of another "
        "request of the same exam.",
        "The client shares the cores. Smaller exams are every so many-th slice of the largest.",
    )
    columns = ("kind", "slices", "asked", "scored", "MB", "full answer", "first probability")
    return Table(f"Exams by kind and size: seconds ({engine} engine)", columns, rows, notes)


def exam_figures(found: Sequence[Sent]) -> list[Figure]:
    """Three for each row of the table."""
    return [one for s in found for one in _figures(s)]


def _figures(s: Sent) -> Iterator[Figure]:
    yield Figure(answer_name(s.coding, s.slices, s.asked), "s", s.answer_s)
    yield Figure(first_name(s.coding, s.slices, s.asked), "s", s.first_s)
    yield Figure(scored_name(s.coding, s.slices, s.asked), "slices", (s.scored,) * len(s.answer_s))


def answer_name(coding: str, slices: int, asked: str) -> str:
    """Of the figure for a full answer."""
    return f"exam: {slices} x {coding}, {asked} scored, last byte to full answer"


def first_name(coding: str, slices: int, asked: str) -> str:
    """Of the figure for a first probability."""
    return f"exam: {slices} x {coding}, {asked} scored, last byte to first probability"


def scored_name(coding: str, slices: int, asked: str) -> str:
    """Of the figure for how many slices were scored."""
    return f"exam: {slices} x {coding}, {asked} scored, slices"


def courses_over_slices(found: Sequence[Sent]) -> list[Course]:
    """Seconds over slices of the kinds whose every slice was scored, where there are three sizes."""
    courses = []
    for coding in _SCORED_WHOLE:
        whole = [s for s in found if s.coding == coding and (s.asked == ALL or s.slices <= int(SOME))]
        seconds = tuple(statistics.median(s.answer_s) for s in whole)
        if len(whole) >= 3:
            courses.append(Course(f"{coding}, all scored", "slices", tuple(s.slices for s in whole), seconds))
    return courses
