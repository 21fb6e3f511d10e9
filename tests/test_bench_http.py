"""Exams over HTTP: sent whole, by kind and size, and looked at from outside."""

from pathlib import Path

import pytest

from app.ct.phantom import phantom
from tests.bench import codings
from tests.bench.client import Answer, Form, events, first_probability, send
from tests.bench.exams import ALL, SOME, Sent, courses_over_slices, exam_figures, exams_table, measure_exams
from tests.bench.fakes import a_client
from tests.bench.memory import Memory
from tests.bench.over_http import FILES, ZIP, ExamOverHttp, answers_table, memory_table, over_http_figures
from tests.bench.process import BenchFailed
from tests.bench.sent import RAW
from tests.builders import files


def an_answer(sent_as: str = FILES, *, is_first: bool = False, seconds: float = 2.0) -> Answer:
    stages = dict.fromkeys(("receive", "wait", "read", "select", "score", "total"), 0.5)
    return Answer(sent_as, is_first, 33.0, seconds, seconds - 1, stages, 0.03, scored=64)


def an_exam_over_http(*, exam: str = RAW, seconds: float = 2.0, peak_mb: float = 500) -> ExamOverHttp:
    answers = (an_answer(is_first=True, seconds=seconds), an_answer(ZIP), an_answer())
    peaks = (Memory(300, 300, 300), Memory(400, 350, 380), Memory(peak_mb, 350, 480))
    return ExamOverHttp(exam, False, answers, *peaks, at_once_mb=430)


def a_sent(slices: int, asked: str, *, seconds: float = 1.0, coding: str = codings.RAW) -> Sent:
    return Sent(coding, slices, asked, min(slices, 64), 1.0, (seconds, seconds + 0.5), (0.3, 0.4))


def test_an_exam_is_sent_whole_looked_at_and_erased() -> None:
    client, asked = a_client()
    form = Form.of(files(b"one", b"two"))

    answer = send(client, form, sent_as=FILES, slices="64")

    assert [(r.method, r.url.path) for r in asked] == [
        ("POST", "/api/v1/exams"),
        ("GET", "/picture"),
        ("DELETE", "/api/v1/exams/1"),
    ]
    assert asked[0].content == form.body
    assert asked[0].headers["Content-Length"] == str(len(form.body))
    assert asked[0].url.params["slices"] == "64"
    assert answer.from_first_byte_s >= answer.from_last_byte_s > 0


def test_an_exam_that_is_refused_ends_the_measurement() -> None:
    client, _ = a_client(status=422)

    with pytest.raises(BenchFailed, match="422"):
        send(client, Form.of(files(b"one")), sent_as=FILES)


def test_the_first_request_has_a_row_of_its_own() -> None:
    table = answers_table([an_exam_over_http(seconds=5)], engine="fake", absent=())

    assert [row[1:4] for row in table.rows] == [
        ("files, first request", "33.0", "5.00"),
        ("files", "33.0", "2.00"),
        ("ZIP", "33.0", "2.00"),
    ]


def test_memory_is_shown_as_it_grows() -> None:
    (row,) = memory_table([an_exam_over_http(peak_mb=515)], engine="fake").rows

    assert row[1:] == ("300", "400", "515", "480", "430", "350", "3")


def test_an_exam_over_http_has_four_figures() -> None:
    figures = over_http_figures([an_exam_over_http(seconds=5, peak_mb=515)])

    assert [figure.rounds for figure in figures] == [(5.0,), (1.0,), (515,), (430,)]


def test_slices_are_known_by_their_instance_number_or_their_place() -> None:
    client, _ = a_client()

    answer = send(client, Form.of(files(b"one")))

    assert (answer.scored, answer.instances) == (2, (7, 1))


def test_the_first_probability_is_waited_for_and_the_exam_erased() -> None:
    client, asked = a_client()

    seconds = first_probability(client, Form.of(files(b"one")))

    assert seconds > 0
    assert asked[0].headers["Prefer"] == "respond-async"
    assert [(r.method, r.url.path) for r in asked[1:]] == [
        ("GET", "/api/v1/exams/1/events"),
        ("DELETE", "/api/v1/exams/1"),
    ]


def test_an_exam_without_any_probability_ends_the_measurement() -> None:
    told = iter(["event: reading", 'data: {"id": "1"}', "", 'data: {"status": "refused"}'])

    assert [e.get("probability") for e in events(told)] == [None, None]


def test_every_kind_is_sent_in_every_size_as_often_as_asked(tmp_path: Path) -> None:
    client, asked = a_client()
    chest = phantom(slices=4, size=32)
    kinds = [codings.coded(chest, kind, tmp_path / kind) for kind in (codings.RAW, codings.JPEG_LARGE)]

    found = measure_exams(client, kinds, sizes=(1, 2), rounds=2, on_exam=lambda _: None)

    expected = [(kind.coding, slices, SOME) for kind in kinds for slices in (1, 2)]
    assert [(s.coding, s.slices, s.asked) for s in found] == expected
    assert {(len(s.answer_s), len(s.first_s)) for s in found} == {(2, 2)}
    # Each time one answer and one first probability; before all, one that is not counted.
    assert sum(r.method == "POST" for r in asked) == 2 * 2 * 4 + 1


def test_large_exams_of_some_kinds_are_also_scored_whole(tmp_path: Path) -> None:
    client, _ = a_client()
    raw = codings.coded(phantom(slices=66, size=8), codings.RAW, tmp_path / "raw")

    found = measure_exams(client, [raw], sizes=(2, 66), rounds=1, on_exam=lambda _: None)

    assert [(s.slices, s.asked) for s in found] == [(2, SOME), (66, SOME), (66, ALL)]


def test_kinds_and_sizes_have_a_row_each() -> None:
    table = exams_table([a_sent(300, SOME), a_sent(300, ALL, seconds=5.0)], engine="fake")

    assert [row[:4] for row in table.rows] == [
        (codings.RAW, "300", "64", "64"),
        (codings.RAW, "300", "all", "64"),
    ]
    assert table.rows[1][5:] == ("5.25 (5.00 to 5.50)", "0.35 (0.30 to 0.40)")


def test_figures_of_exams_are_named_apart() -> None:
    names = [f.name for f in exam_figures([a_sent(300, SOME), a_sent(300, ALL), a_sent(60, SOME)])]

    assert len(set(names)) == 9


def test_the_line_over_slices_takes_exams_that_were_scored_whole() -> None:
    found = [a_sent(1, SOME), a_sent(60, SOME), a_sent(300, SOME), a_sent(300, ALL, seconds=5.0)]

    (course,) = courses_over_slices(found)

    assert (course.sizes, course.seconds) == ((1, 60, 300), (1.25, 1.25, 5.25))
