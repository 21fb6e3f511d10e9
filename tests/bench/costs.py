"""Cost against what grows: the line, its straightness, the picture."""

from collections.abc import Sequence
from dataclasses import replace

from tests.bench.figures import Figure
from tests.bench.lines import STRAIGHT, Course, plot
from tests.bench.report import Part
from tests.bench.tables import Table, figure

OVER = {over: f"cost: R squared over {over}" for over in ("slices", "clients")}


def with_courses(part: Part, courses: Sequence[Course]) -> Part:
    """The part with a table, a figure and a picture of the courses; as it is where there are none."""
    if not courses:
        return part
    over = courses[0].over
    straightness = Figure(OVER[over], "R²", (min(course.line.r_squared for course in courses),))
    return replace(
        part,
        tables=[*part.tables, courses_table(courses)],
        figures=[*part.figures, straightness],
        pictures={f"cost-over-{over}.svg": plot(courses, f"Cost over {over}")},
    )


def courses_table(courses: Sequence[Course]) -> Table:
    """A row per course."""
    over = courses[0].over
    rows = tuple(
        (
            c.name,
            ", ".join(map(str, c.sizes)),
            figure(c.line.start),
            figure(1000 * c.line.slope),
            f"{c.line.r_squared:.4f}",
            f"{100 * c.line.largest_miss:.0f} %",
            "yes" if c.line.is_straight else "no",
        )
        for c in courses
    )
    columns = ("cost", over, "start, s", f"ms for one more of the {over}", "R²", "largest miss", "straight")
    notes = (
        f"A line of least squares through the medians; straight: R² of {STRAIGHT} or more. Largest miss: as a share of the "
        f"largest cost. Drawn in `cost-over-{over}.svg`.",
    )
    return Table(f"Cost over {over}", columns, rows, notes)
