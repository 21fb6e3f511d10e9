"""How straight cost is: a line of least squares, and a picture of it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRAIGHT = 0.99
"""R squared from which on a line is called straight."""


@dataclass(frozen=True)
class Line:
    """Least squares of cost against size.

    Attributes:
        slope: cost of one more.
        start: cost of none.
        r_squared: share of the variance of cost that the line explains.
        largest_miss: of a measured cost from the line, as a share of the largest cost.
    """

    slope: float
    start: float
    r_squared: float
    largest_miss: float

    @property
    def is_straight(self) -> bool:
        """Whether R squared says so."""
        return self.r_squared >= STRAIGHT


def line_through(sizes: Sequence[float], costs: Sequence[float]) -> Line:
    """The line of least squares.

    Args:
        sizes: at least three different ones.
        costs: as many.

    Raises:
        ValueError: fewer than three sizes, through which any line would go.
    """
    if len(set(sizes)) < 3:
        raise ValueError("A line through fewer than three sizes says nothing.")
    x, y = np.asarray(sizes, dtype=float), np.asarray(costs, dtype=float)
    slope, start = np.polyfit(x, y, 1)
    off = y - (slope * x + start)
    spread = float(((y - y.mean()) ** 2).sum())
    r_squared = 1.0 if spread == 0 else 1 - float((off**2).sum()) / spread
    return Line(float(slope), float(start), r_squared, float(np.abs(off).max() / np.abs(y).max()))


@dataclass(frozen=True)
class Course:
    """One kind of cost over sizes, for a table and a picture.

    Attributes:
        name: what was sent.
        over: what grows, "slices" or "clients".
        sizes: of the measurements.
        seconds: the median at each.
    """

    name: str
    over: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def line(self) -> Line:
        """Through all of it."""
        return line_through(self.sizes, self.seconds)


def plot(courses: Sequence[Course], title: str) -> bytes:
    """SVG: what was measured as points, the lines through it, one panel for each thing that grows."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Sheet

    panels = list(dict.fromkeys(course.over for course in courses))
    sheet = Sheet(figsize=(6.0 * len(panels), 4.2), layout="constrained")
    sheet.suptitle(title)
    for k, over in enumerate(panels, start=1):
        axes = sheet.add_subplot(1, len(panels), k)
        for course in (c for c in courses if c.over == over):
            _draw(axes, course)
        axes.set_xlabel(over)
        axes.set_ylabel("seconds")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize="small")
    picture = io.BytesIO()
    FigureCanvasSVG(sheet).print_svg(picture, metadata={"Date": None})
    return picture.getvalue()


def _draw(axes: object, course: Course) -> None:
    line, ends = course.line, np.array([0, max(course.sizes)])
    (points,) = axes.plot(course.sizes, course.seconds, "o", label=f"{course.name} (R² {line.r_squared:.3f})")  # type: ignore[attr-defined]
    axes.plot(ends, line.start + line.slope * ends, "-", color=points.get_color(), linewidth=1)  # type: ignore[attr-defined]
