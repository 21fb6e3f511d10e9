"""The bench measures what it says: with fakes, a clock of its own and no limit on any time."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.ct.classifier import Classifier
from app.ct.engines import NetworkOutput
from app.ct.manifest import Manifest
from app.ct.precision import Precision
from app.exam_folder import Wish
from app.service import DiagnosisService
from app.uploads import Limits
from tests.bench.engines import Absent, Entrant, engines_table, keras_entrants, network_inputs, openvino_entrants
from tests.bench.machine import Machine
from tests.bench.over_http import FILES, ZIP, Answer, ExamOverHttp, Form, answers_table, goals_table, memory_table, send
from tests.bench.process import BenchFailed, Memory, serving
from tests.bench.report import Part, Report
from tests.bench.rounds import Contender, Turns, alternate
from tests.bench.sent import RAW, SINGLE, SentExam, supply
from tests.bench.stages import StageSeconds, TimedEngine, diagnose_once, measure_stages, stages_table
from tests.bench.startup import Startup, startup_table
from tests.bench.tables import Table, figure, middle
from tests.builders import files
from tests.fakes import a_manifest, some_training_slices

Entrants = Callable[[Path, Manifest], list[Entrant]]


class FakeEngine:
    """Says the same of every slice."""

    name, on_gpu = "fake", False
    precision: Precision = "f32"

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        maps = np.zeros((len(images), 4, 4), np.float32)
        return NetworkOutput(np.zeros(len(images), np.float32), maps, maps, maps[:, 0])


class Clock:
    """Stands still until it is moved on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_contender(clock: Clock, *, name: str = "one", batch: int = 2, seconds: float = 0.5) -> Contender:
    def run(images: np.ndarray) -> np.ndarray:
        clock.now += seconds
        return images.reshape(len(images), -1)[:, 0].astype(float)

    return Contender(name, batch, run)


def some_images(count: int = 4) -> np.ndarray:
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1)


def turns(name: str, ms: float, *, logit: float = 0.0) -> list[Turns]:
    return [Turns(name, batch, (ms, ms), (logit,) * batch) for batch in (1, 8, 16)]


def some_stages(**changes: float) -> StageSeconds:
    return StageSeconds(**{**dict.fromkeys(StageSeconds.__dataclass_fields__, 1.0), **changes})


def an_answer(sent_as: str = FILES, *, is_first: bool = False, seconds: float = 2.0) -> Answer:
    stages = dict.fromkeys(("receive", "wait", "read", "select", "score", "total"), 0.5)
    return Answer(sent_as, is_first, 33.0, seconds, seconds - 1, stages, 0.03)


def an_exam_over_http(
    *, exam: str = RAW, is_real: bool = False, seconds: float = 2.0, peak_mb: float = 500
) -> ExamOverHttp:
    answers = (an_answer(is_first=True, seconds=seconds), an_answer(ZIP), an_answer())
    return ExamOverHttp(exam, is_real, answers, Memory(300, 300), Memory(400, 350), Memory(peak_mb, 350))


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> tuple[SentExam, ...]:
    work = tmp_path_factory.mktemp("work")
    return supply(work, real=work / "absent", raw_slices=6, size=128).exams


def test_a_table_is_markdown_with_figures_on_the_right() -> None:
    table = Table("Speed", ("engine", "ms"), (("a|b", "1.00"),), ("Fast.",))

    assert table.markdown() == "## Speed\n\n| engine | ms |\n| --- | ---: |\n| a\\|b | 1.00 |\n\n- Fast."


def test_a_table_with_a_ragged_row_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells"):
        Table("Speed", ("engine", "ms"), (("a",),))


@pytest.mark.parametrize(("value", "shown"), [(0.041, "0.04"), (67.94, "67.9"), (1430.2, "1430")])
def test_figures_have_about_three_digits(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_several_values_are_shown_by_their_median_and_range() -> None:
    assert middle([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert middle([3.0]) == "3.00"


def test_time_is_counted_by_the_slice() -> None:
    clock = Clock()

    (one,) = alternate([a_contender(clock, batch=2, seconds=0.5)], some_images(), rounds=3, clock=clock)

    assert one.ms_per_slice == pytest.approx((250.0,) * 3)
    assert one.logits == (0.0, 1.0)


def test_short_calls_are_repeated_until_a_clock_can_tell() -> None:
    clock = Clock()
    calls: list[int] = []

    def run(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        clock.now += 0.1
        return np.zeros(len(images))

    (one,) = alternate([Contender("short", 1, run)], some_images(), rounds=1, clock=clock)

    # Two calls to warm up, one to settle, then as many as fill the turn.
    assert len(calls) > 4
    assert one.median_ms == pytest.approx(100.0)


def test_contenders_take_turns_in_changing_order() -> None:
    clock = Clock()
    order: list[str] = []

    def contender(name: str) -> Contender:
        def run(images: np.ndarray) -> np.ndarray:
            clock.now += 1.0
            order.append(name)
            return np.zeros(len(images))

        return Contender(name, 1, run)

    alternate([contender(name) for name in "abc"], some_images(), rounds=6, clock=clock)

    # Two calls a turn; before the rounds two to warm each one up.
    by_round = [order[6 + 6 * k : 12 + 6 * k : 2] for k in range(6)]
    assert all(sorted(names) == ["a", "b", "c"] for names in by_round)
    assert len({tuple(names) for names in by_round}) > 1


def test_engines_are_compared_with_predict_of_the_same_run() -> None:
    found = [*turns("fast", 20, logit=1.0), *turns("Keras `predict()`", 80)]

    table = engines_table(found, [Absent("other", "not installed")])

    fast, baseline, other = table.rows
    assert fast[1:3] == ("20.0 (20.0 to 20.0)", "4.00")
    assert (fast[-1], baseline[-1]) == ("0.23106", "0.00000")
    assert other[:2] == ("other", "not installed")


def test_without_the_baseline_there_is_nothing_to_compare_with() -> None:
    (row,) = engines_table(turns("alone", 20), []).rows

    assert (row[2], row[-1]) == ("", "")


@pytest.mark.parametrize(
    ("package", "module", "entrants"),
    [("keras", "app.ct.engines.keras", keras_entrants), ("openvino", "app.ct.engines.openvino", openvino_entrants)],
)
def test_an_engine_that_is_not_installed_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, module: str, entrants: Entrants
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)

    found = entrants(tmp_path, a_manifest())

    assert found == [Absent(entrant.name, "not installed") for entrant in found if isinstance(entrant, Absent)]
    assert found


def test_engines_get_what_serving_would_give_them() -> None:
    images = network_inputs(a_manifest())

    assert (images.shape, images.dtype.name) == ((16, 299, 299), "uint8")


def test_real_exams_that_are_absent_are_named(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "real" / "P002").mkdir(parents=True)
    (tmp_path / "real" / "P002" / "a.dcm").write_bytes(b"a slice")

    found = supply(tmp_path / "work", real=tmp_path / "real", raw_slices=2, size=32)

    assert [exam.name for exam in found.exams] == [RAW, "P002, JPEG lossless DICOM", SINGLE]
    assert [exam.is_real for exam in found.exams] == [False, True, False]
    assert len(found.absent) == 3


def test_a_diagnosis_is_timed_stage_by_stage(exams: tuple[SentExam, ...]) -> None:
    engine = TimedEngine(FakeEngine())
    service = DiagnosisService(Classifier(a_manifest(), engine, some_training_slices()), limits=Limits())

    diagnosed, spent = diagnose_once(exams[0], Wish(slices=0), service, engine)

    assert len(diagnosed.exam.slices) == 6
    assert spent.network == engine.seconds > 0
    assert spent.total == pytest.approx(
        spent.unpack + spent.read + spent.select + spent.preprocess + spent.network + spent.judge + spent.keep
    )


def test_every_exam_is_diagnosed_in_every_round_as_asked(exams: tuple[SentExam, ...]) -> None:
    found = measure_stages(exams, a_manifest(), FakeEngine(), some_training_slices(), rounds=2, on_exam=lambda _: None)

    assert [(e.exam, e.asked, len(e.rounds)) for e in found] == [(RAW, "64", 2), (RAW, "all", 2), (SINGLE, "all", 2)]
    assert len(stages_table(found, engine="fake", absent=()).rows) == 3


def test_a_process_knows_its_memory() -> None:
    memory = Memory.of(os.getpid())

    assert memory.peak_mb >= memory.resting_mb > 1


def test_a_server_that_does_not_start_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match=r"(?s)exit code 1.*manifest"), serving(tmp_path, engine="openvino"):
        pass


def a_client(*, status: int = 201) -> tuple[httpx.Client, list[httpx.Request]]:
    """A service that diagnoses nothing, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        stages = dict.fromkeys(("receive", "wait", "read", "select", "score", "total"), 0.5)
        report = {"id": "1", "heatmap": "/picture", "timing_s": stages}
        return httpx.Response(status if request.method == "POST" else 200, json=report)

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://covidct"), asked


def test_an_exam_is_sent_whole_looked_at_and_erased() -> None:
    client, asked = a_client()
    form = Form.of(files(b"one", b"two"))

    answer = send(client, form, sent_as=FILES)

    assert [(r.method, r.url.path) for r in asked] == [
        ("POST", "/api/v1/exams"),
        ("GET", "/picture"),
        ("DELETE", "/api/v1/exams/1"),
    ]
    assert asked[0].content == form.body
    assert asked[0].headers["Content-Length"] == str(len(form.body))
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

    assert row[1:] == ("300", "400", "515", "350", "3")


@pytest.mark.parametrize(("seconds", "peak_mb", "holds"), [(5.9, 1199, "yes"), (6.1, 1201, "no")])
def test_goals_hold_or_do_not(seconds: float, peak_mb: float, holds: str) -> None:
    real = an_exam_over_http(exam="P002", is_real=True, seconds=seconds, peak_mb=9999)
    raw = an_exam_over_http(peak_mb=peak_mb, seconds=99)

    assert [row[-1] for row in goals_table([real, raw]).rows] == [holds, holds]


def test_steps_of_a_start_have_a_row_each() -> None:
    starts = [Startup({"python alone": 0.02}, listening=1.5, ready=2.5), Startup({"python alone": 0.04}, 1.7, 2.7)]

    table = startup_table(starts, engine="fake")

    assert [row[1].split()[0] for row in table.rows] == ["0.03", "1.60", "2.60"]


def test_a_report_is_written_as_tables_and_as_figures(tmp_path: Path) -> None:
    report = Report(Machine.here(a_manifest()), order=["first", "second"])
    report.add(Part("second", [some_stages(read=2.0)], [Table("Later", ("a",), ())]))
    report.add(Part("first", [], [Table("Sooner", ("a",), ())]))

    report.write(tmp_path / "bench")

    shown = (tmp_path / "bench" / "results.md").read_text()
    figures = json.loads((tmp_path / "bench" / "results.json").read_text())
    assert shown.index("## Machine") < shown.index("## Sooner") < shown.index("## Later")
    assert figures["second"][0]["read"] == 2.0
    assert {"processor", "cores", "versions", "date"} <= figures["machine"].keys()
