"""What a change did is told by ratios, and only where the rounds of both runs lie apart."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.bench.baseline import NO_DIFFERENCE, ONE_ROUND, Measured, comparison
from tests.bench.compare import commands
from tests.bench.figures import Figure, by_name, share_of
from tests.bench.process import BenchFailed


def a_run(*figures: Figure, **machine: object) -> Measured:
    return Measured({"processor": "any", "cores": 2, "model": "fake", "date": "today", **machine}, by_name(figures))


def a_figure(*rounds: float, name: str = "scoring") -> Figure:
    return Figure(name, "ms", rounds)


def seen(now: tuple[float, ...], before: tuple[float, ...]) -> str:
    (row,) = comparison(a_run(a_figure(*now)), a_run(a_figure(*before))).rows
    return row[-1]


def test_ranges_that_overlap_show_no_difference() -> None:
    assert seen(now=(9.0, 11.0), before=(10.5, 12.0)) == NO_DIFFERENCE


def test_ranges_that_touch_show_no_difference() -> None:
    assert seen(now=(9.0, 10.5), before=(10.5, 12.0)) == NO_DIFFERENCE


def test_ranges_that_lie_apart_show_where_it_went() -> None:
    assert seen(now=(9.0, 10.0), before=(10.5, 12.0)) == "lower"
    assert seen(now=(13.0, 14.0), before=(10.5, 12.0)) == "higher"


def test_one_round_has_no_range_to_tell_by() -> None:
    assert seen(now=(1.0,), before=(10.0, 11.0)) == ONE_ROUND
    assert seen(now=(1.0, 1.1), before=(10.0,)) == ONE_ROUND


def test_a_ratio_has_the_spread_of_both_runs() -> None:
    (row,) = comparison(a_run(a_figure(4.0, 6.0)), a_run(a_figure(8.0, 12.0))).rows

    assert row[4] == "0.50 (0.33 to 0.75)"


def test_what_only_one_run_has_is_named() -> None:
    table = comparison(a_run(a_figure(1.0, name="new")), a_run(a_figure(1.0, name="gone")))

    assert table.rows == ()
    assert table.notes[-2:] == ("Only in this run: new.", "Only in the baseline: gone.")


def test_another_machine_is_said_to_be_one() -> None:
    table = comparison(a_run(cores=2), a_run(cores=16))

    assert any("cores is 2, in the baseline 16" in note for note in table.notes)


def test_a_figure_of_nothing_compares_with_nothing() -> None:
    (row,) = comparison(a_run(a_figure(0.0, 0.0)), a_run(a_figure(0.0, 0.0))).rows

    assert row[4:] == ("1.00 (1.00 to 1.00)", NO_DIFFERENCE)


def test_a_baseline_is_read_as_it_was_kept(tmp_path: Path) -> None:
    a_run(a_figure(1.23456, 2.0), load_before=0.1).keep(tmp_path / "baseline.json")

    kept = Measured.read(tmp_path / "baseline.json")

    assert kept.figures == {"scoring": a_figure(1.235, 2.0)}
    assert (kept.machine["cores"], kept.machine["load_before"]) == (2, 0.1)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"machine": {}}', '{"machine": {}, "figures": {"a": {"unit": "s", "rounds": []}}}']
)
def test_what_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)

    with pytest.raises(BenchFailed, match=r"results\.json"):
        Measured.read(tmp_path / "results.json")


def test_the_commands_keep_and_compare(tmp_path: Path) -> None:
    results, baseline = tmp_path / "results.json", tmp_path / "baseline.json"
    results.write_text(json.dumps({"machine": {}, "figures": {"scoring": {"unit": "ms", "rounds": [1, 2]}}}))
    paths = ["--results", str(results), "--baseline", str(baseline)]

    without = CliRunner().invoke(commands, ["show", *paths])
    kept = CliRunner().invoke(commands, ["keep", *paths])
    shown = CliRunner().invoke(commands, ["show", *paths])

    assert (without.exit_code, kept.exit_code, shown.exit_code) == (1, 0, 0)
    assert NO_DIFFERENCE in shown.stdout
    assert (tmp_path / "compare.md").read_text() == shown.stdout


def test_two_figures_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="scoring"):
        by_name([a_figure(1.0), a_figure(2.0)])


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_occurred(share: float, value: int) -> None:
    assert share_of(range(100, 0, -1), share) == value


def test_of_few_values_a_high_percentile_is_the_largest() -> None:
    assert share_of([1.0, 3.0, 2.0], 0.95) == 3.0
