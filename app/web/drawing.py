"""Where things stand in the page's drawings: numbers for the templates, no markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

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
        lines: the curve in pieces, each as SVG writes points. It is broken where more slices than usual were not scored:
            what lies there nobody knows.
        dots: a dot for each scored slice, as an SVG path.
        widest_step: neighboring scored slices so far apart, or less, are joined.
        threshold_y: height of the image threshold.
        band: top and height of the image band; None where it is not known.
        here: where the slice that is shown stands, and its height, which only a scored slice has.
    """

    width: int
    height: int
    lines: tuple[str, ...]
    dots: str
    widest_step: int
    threshold_y: float
    band: tuple[float, float] | None
    here: tuple[float, float | None]


def draw_scale(probability: float, threshold: float, band: tuple[float, float]) -> Scale:
    """Place a probability among threshold and band."""
    low, high = band
    return Scale(*(round(100 * value, 2) for value in (probability, threshold, low, high - low)))


def draw_curve(
    slices: Sequence[SliceReport], *, threshold: float, band: tuple[float, float] | None, current: int
) -> Curve:
    """Place every scored slice."""
    last = max(1, len(slices) - 1)

    def place(index: int, probability: float) -> tuple[float, float]:
        return round(index / last * CURVE_WIDTH, 1), _height(probability)

    scored = [(one.index, one.probability) for one in slices if one.probability is not None]
    widest = widest_step([index for index, _ in scored])
    shown = slices[current].probability
    return Curve(
        CURVE_WIDTH,
        CURVE_HEIGHT,
        lines=tuple(" ".join("{},{}".format(*place(*one)) for one in piece) for piece in _pieces(scored, widest)),
        dots="".join("M{} {}h0".format(*place(*one)) for one in scored),
        widest_step=widest,
        threshold_y=_height(threshold),
        band=None if band is None else (_height(band[1]), round((band[1] - band[0]) * CURVE_HEIGHT, 1)),
        here=(place(current, 0.0)[0], None if shown is None else _height(shown)),
    )


def widest_step(scored: Sequence[int]) -> int:
    """How far apart scored slices are joined: twice their usual distance, for an even choice falls now and then one off."""
    steps = [after - before for before, after in pairwise(scored)]
    return 2 * int(median(steps)) if steps else 1


def _pieces(scored: Sequence[tuple[int, float]], widest: int) -> list[list[tuple[int, float]]]:
    pieces: list[list[tuple[int, float]]] = []
    for one in scored:
        if pieces and one[0] - pieces[-1][-1][0] <= widest:
            pieces[-1].append(one)
        else:
            pieces.append([one])
    return pieces


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
