"""Where things stand in the page's drawings: numbers for the templates, no markup."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.schemas import SliceReport

CURVE_WIDTH, CURVE_HEIGHT = 1000, 240


@dataclass(frozen=True)
class Scale:
    """A probability on a line, in percent of its length.

    Attributes:
        at, threshold: positions.
        low, band: where the inconclusive band begins, and its length.
    """

    at: float
    threshold: float
    low: float
    band: float


@dataclass(frozen=True)
class Curve:
    """Probability over slices, head on the left, in units of the drawing.

    Attributes:
        line: points of the curve as SVG writes them.
        points: (x, y, slice index) of each scored slice.
        threshold_y: height of the image threshold.
    """

    width: int
    height: int
    line: str
    points: tuple[tuple[float, float, int], ...]
    threshold_y: float


def draw_scale(probability: float, threshold: float, band: tuple[float, float]) -> Scale:
    """Place a probability among threshold and band."""
    low, high = band
    return Scale(*(round(100 * value, 2) for value in (probability, threshold, low, high - low)))


def draw_curve(slices: Sequence[SliceReport], *, threshold: float) -> Curve:
    """Place every scored slice."""
    last = max(1, len(slices) - 1)
    points = tuple(
        (round(one.index / last * CURVE_WIDTH, 1), _height(one.probability), one.index)
        for one in slices
        if one.probability is not None
    )
    line = " ".join(f"{x},{y}" for x, y, _ in points)
    return Curve(CURVE_WIDTH, CURVE_HEIGHT, line, points, _height(threshold))


def _height(probability: float) -> float:
    return round((1.0 - probability) * CURVE_HEIGHT, 1)


def strongest(slices: Sequence[SliceReport], *, most: int) -> list[SliceReport]:
    """The scored slices of highest probability, none next to another, in order of probability."""
    apart = max(1, len(slices) // 40)
    chosen: list[SliceReport] = []
    scored = (one for one in slices if one.probability is not None)
    for one in sorted(scored, key=lambda s: -(s.probability or 0.0)):
        if len(chosen) < most and all(abs(one.index - other.index) > apart for other in chosen):
            chosen.append(one)
    return chosen
