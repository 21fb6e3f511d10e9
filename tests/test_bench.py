"""The bench measures what it says: with fakes, a clock of its own and no limit on any time."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.bench.fakes import Clock, a_contender
from tests.bench.figures import Figure
from tests.bench.gpu import names_of
from tests.bench.machine import Machine
from tests.bench.memory import Memory, descendants, watched
from tests.bench.process import BenchFailed, serving, started
from tests.bench.report import Part, Report
from tests.bench.rounds import Contender, Work, alternate, by_turns
from tests.bench.startup import Startup, startup_figures, startup_table
from tests.bench.tables import Table, figure, middle
from tests.fakes import a_manifest
from tests.waiting import until


def some_images(count: int = 4) -> np.ndarray:
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1)


def a_report(*, order: Sequence[str]) -> Report:
    return Report(
        Machine.here(a_manifest()), order, judge=lambda figures: Table("Goals", ("a",), ((", ".join(figures),),))
    )


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


def test_any_work_is_timed_by_turns() -> None:
    clock = Clock()

    def work(seconds: float) -> Work:
        return Work(4, lambda: setattr(clock, "now", clock.now + seconds))

    assert by_turns([work(2.0), work(1.0)], rounds=2, clock=clock) == [(500.0, 500.0), (250.0, 250.0)]


def test_a_process_knows_its_memory() -> None:
    memory = Memory.of(os.getpid())

    assert memory.peak_mb >= memory.alone_peak_mb > 1
    assert memory.resting_mb > 1


def test_the_memory_of_workers_counts() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        family = descendants(os.getpid())
        memory = Memory.of(os.getpid())

    assert {os.getpid(), child.pid} <= set(family)
    assert memory.peak_mb > memory.alone_peak_mb


def test_memory_that_comes_and_goes_is_seen() -> None:
    taking = "taken = b'x' * 80_000_000; input(); del taken; input()"
    command = [sys.executable, "-c", taking]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as child, watched(child.pid) as seen:
        assert child.stdin is not None
        until(lambda: seen.most_mb > 80)
        print(file=child.stdin, flush=True)
        until(lambda: seen.seen_mb[-1] < 60)

    assert seen.most_mb > 80


def test_a_process_that_ended_has_no_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()

    assert Memory.of(child.pid) == Memory(0, 0, 0)


def test_a_server_that_does_not_start_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match=r"(?s)exit code 1.*manifest"), serving(tmp_path, engine="openvino"):
        pass


def test_a_server_is_stopped_whatever_happens() -> None:
    code = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]))"
    seen: list[Path] = []

    def fail() -> None:
        with started(lambda port: ["-c", code, str(port)], live="/", ready="/") as server:
            seen.append(Path(f"/proc/{server.pid}"))
            assert seen[0].exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not seen[0].exists()


def test_without_a_gpu_the_machine_says_so() -> None:
    assert names_of("") == ""
    assert names_of("NVIDIA T4, 15360 MiB\n") == "NVIDIA T4, 15360 MiB"


def test_steps_of_a_start_have_a_row_each() -> None:
    starts = [Startup({"python alone": 0.02}, listening=1.5, ready=2.5), Startup({"python alone": 0.04}, 1.7, 2.7)]

    table = startup_table(starts, engine="fake")

    assert [row[1].split()[0] for row in table.rows] == ["0.03", "1.60", "2.60"]


def test_whether_tensorflow_was_imported_is_said() -> None:
    starts = [Startup({}, 1.0, 2.0), Startup({}, 1.0, 2.0, with_tensorflow=True)]

    assert startup_table(starts[:1], engine="fake").notes[-1] == "TensorFlow is not imported."
    assert [f.rounds for f in startup_figures(starts)] == [(1.0, 1.0), (2.0, 2.0), (0.0, 1.0)]


def test_a_report_is_written_as_tables_and_as_figures(tmp_path: Path) -> None:
    report = a_report(order=["first", "second"])
    report.add(Part("second", [Startup({}, 2.0, 3.0)], [Table("Later", ("a",), ())], [Figure("ready", "s", (3.0,))]))
    report.add(Part("first", [], [Table("Sooner", ("a",), ())], pictures={"line.svg": b"<svg/>"}))

    report.write(tmp_path / "bench")

    shown = (tmp_path / "bench" / "results.md").read_text()
    figures = json.loads((tmp_path / "bench" / "results.json").read_text())
    assert shown.index("## Machine") < shown.index("## Sooner") < shown.index("## Later") < shown.index("## Goals")
    assert figures["second"][0]["listening"] == 2.0
    assert figures["figures"] == {"ready": {"unit": "s", "rounds": [3.0]}}
    assert (tmp_path / "bench" / "line.svg").read_bytes() == b"<svg/>"
    assert {"processor", "cores", "versions", "date"} <= figures["machine"].keys()
