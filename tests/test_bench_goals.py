"""Goals are held against the figures of a run, and lines are called straight only if they are."""

import pytest

from tests.bench import agreement, codings, costs, crowds, exams, peers, sent, startup
from tests.bench.engines import SERVICE, figure_name
from tests.bench.entrants import ALONE, BASELINE
from tests.bench.figures import Figure, Figures, by_name
from tests.bench.goals import NOT_MEASURED, REAL, Goal, Runs, goals, goals_table
from tests.bench.lines import Course, line_through, plot
from tests.bench.report import Part

BF16, INT8 = Runs("openvino", "bf16"), Runs("openvino", "int8")


def some(**values: float) -> Figures:
    return by_name(Figure(name, "any", (value,)) for name, value in values.items())


def rows(runs: Runs, values: dict[str, float]) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in goals_table(runs, some(**values)).rows}


def a_course(*seconds: float, over: str = "slices") -> Course:
    return Course("any", over, tuple(range(1, len(seconds) + 1)), seconds)


@pytest.mark.parametrize(("value", "reached"), [(2.9, "yes"), (3.0, "yes"), (3.1, "no")])
def test_a_goal_is_reached_at_its_bound(value: float, reached: str) -> None:
    goal = Goal("ready", lambda figures: figures["ready"].median, 3)

    assert goal.row(some(ready=value))[1:] == ("≤ 3", f"{value:.2f}", reached)


def test_a_goal_that_must_be_reached_is_missed_below_its_bound() -> None:
    goal = Goal("faster", lambda figures: figures["faster"].median, 5, is_most=False)

    assert [goal.row(some(faster=value))[-1] for value in (4.9, 5.0)] == ["no", "yes"]


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    table = goals_table(BF16, {})

    assert {row[2:] for row in table.rows} == {(NOT_MEASURED, "")}
    assert len(table.rows) >= 20


def test_int8_has_goals_of_its_own() -> None:
    bounds = [{goal.what: goal.bound for goal in goals(runs, gpu="")} for runs in (BF16, INT8)]

    assert [b["the network against Keras `predict()`, x"] for b in bounds] == [2.5, 4]
    assert [b[f"{REAL}, 64 scored: last byte to answer, s"] for b in bounds] == [2.5, 1.8]


def test_the_network_is_held_against_predict_and_the_service_against_the_engine_alone() -> None:
    found = rows(
        BF16,
        {
            figure_name(BASELINE, 16): 90.0,
            figure_name("OpenVINO engine bf16", 16): 30.0,
            figure_name(SERVICE, 8): 33.0,
            figure_name(ALONE, 8): 30.0,
        },
    )

    assert found["the network against Keras `predict()`, x"] == ("≥ 2.5", "3.00", "yes")
    assert found["a slice in the service against the engine alone, x"] == ("≤ 1.1", "1.1000", "yes")


def test_sixteen_exams_are_held_against_sixteen_times_one() -> None:
    p95 = {crowds.crowd_name(n, crowds.P95): seconds for n, seconds in ((1, 2.0), (16, 40.0))}

    assert rows(BF16, p95)["16 exams at once: p95 against 16 x one, x"] == ("≤ 1.2", "1.25", "no")


def test_a_single_image_waits_in_chunks_of_eight_slices() -> None:
    found = rows(
        BF16,
        {
            crowds.SINGLE_ALONE: 0.1,
            crowds.crowd_name(16, crowds.SINGLE_BEHIND): 0.58,
            figure_name("OpenVINO engine bf16", 8): 20.0,
        },
    )

    assert found["a single image behind 16 exams, beyond alone, in chunks"] == ("≤ 2", "3.00", "no")


def test_of_several_peered_exams_the_worst_counts() -> None:
    found = rows(BF16, {peers.faster_name(sent.RAW): 9.0, peers.faster_name(REAL): 4.0})

    assert found["against what a user would write, x as fast"] == ("≥ 5", "4.00", "no")


def test_a_flip_and_tensorflow_are_allowed_no_time() -> None:
    found = rows(BF16, {agreement.FLIPS: 1.0, startup.TENSORFLOW: 0.0})

    assert found["verdicts that flipped against float32"][-1] == "no"
    assert found["TensorFlow imported"][-1] == "yes"


@pytest.mark.parametrize(("gpu", "reached"), [("", ""), ("NVIDIA T4", "yes")])
def test_without_a_gpu_its_goal_is_not_measured(gpu: str, reached: str) -> None:
    figures = some(**{exams.answer_name(codings.RAW, 300, exams.ALL): 0.4})

    (row,) = [goal.row(figures) for goal in goals(BF16, gpu=gpu) if goal.what.startswith("on a GPU")]

    assert row[-1] == reached


def test_the_keras_engine_is_judged_by_its_own_row() -> None:
    assert Runs("keras", "f32").entrant == "Keras engine as served"


def test_a_straight_line_is_found() -> None:
    line = line_through([1, 2, 4], [3.0, 5.0, 9.0])

    assert (line.slope, line.start, line.r_squared) == pytest.approx((2.0, 1.0, 1.0))
    assert line.is_straight


def test_a_curve_is_not_called_straight() -> None:
    line = line_through([1, 2, 3, 4, 5], [1.0, 4.0, 9.0, 16.0, 36.0])

    assert line.r_squared < 0.99
    assert not line.is_straight
    assert line.largest_miss > 0.05


def test_two_points_make_no_line() -> None:
    with pytest.raises(ValueError, match="three"):
        line_through([1, 2, 2], [1.0, 2.0, 2.0])


def test_a_flat_cost_is_straight() -> None:
    assert line_through([1, 2, 3], [2.0, 2.0, 2.0]).r_squared == 1.0


def test_courses_bring_a_table_a_figure_and_a_picture() -> None:
    part = costs.with_courses(Part("exams", [], []), [a_course(1.0, 2.0, 3.0), a_course(1.0, 4.0, 9.0)])

    (figure,) = part.figures
    assert [row[-1] for row in part.tables[0].rows] == ["yes", "no"]
    assert figure.median == pytest.approx(line_through([1, 2, 3], [1, 4, 9]).r_squared)
    assert list(part.pictures) == ["cost-over-slices.svg"]


def test_without_courses_a_part_stays_as_it_is() -> None:
    part = Part("exams", [], [])

    assert costs.with_courses(part, []) is part


def test_the_picture_names_what_it_shows() -> None:
    picture = plot([a_course(1.0, 2.0, 3.0), a_course(1.0, 2.0, 3.0, over="clients")], "Cost")

    assert picture.startswith(b"<?xml")
    assert b"</svg>" in picture
