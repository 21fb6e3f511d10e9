"""One picture an audit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.audits.changes import Row
from training.audits.goals import CHANCE
from training.audits.randomized import Stage
from training.canvas import canvas, save
from training.metrics.evaluation import Interval

_ROW = 0.22
_MOST_SERIES = 10


def draw_aucs(rows: Sequence[Row], path: Path) -> None:
    """AUC of every source untouched and blanked, with intervals; nothing is drawn where no AUC exists."""
    known = [row for row in rows if row.auc.after.value is not None]
    untouched = {f"{row.source}, by {row.by}, untouched": row.auc.before for row in known}
    points = untouched | {f"{row.source}, by {row.by}, {row.alteration}": row.auc.after for row in known}
    if not points:
        return
    figure, axes = _axes(len(points), x="AUC (95 % interval by group)")
    axes.axvline(CHANCE, color="0.7", linewidth=1)
    names = sorted(points)
    for place, name in enumerate(names):
        _whisker(axes, points[name], place)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    save(figure, path)


def draw_moves(rows: Sequence[Row], path: Path, *, goal: float | None = None) -> None:
    """Median and largest change of probability of every alteration, a color for each source; the goal as a line."""
    known = [row for row in rows if row.moves.largest is not None]
    names = list(dict.fromkeys(f"{row.alteration} {row.strength}" for row in known))
    series = list(dict.fromkeys((row.source, row.by) for row in known))[:_MOST_SERIES]
    if not names:
        return
    figure, axes = _axes(len(names), x="change of probability: dot median, cross largest")
    if goal is not None:
        axes.axvline(goal, color="0.7", linewidth=1)
    for number, (source, by) in enumerate(series):
        own = [row for row in known if (row.source, row.by) == (source, by)]
        places = [names.index(f"{row.alteration} {row.strength}") for row in own]
        axes.plot([row.moves.median for row in own], places, "o", color=f"C{number}", label=f"{source}, by {by}")
        axes.plot([row.moves.largest for row in own], places, "x", color=f"C{number}")
    axes.set(xlim=(-0.02, 1.02))
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.legend(fontsize=8, loc="lower right")
    axes.invert_yaxis()
    save(figure, path)


def draw_cascade(stages: Sequence[Stage], path: Path) -> None:
    """Likeness of the maps to the learned ones, and the pointing game beside chance, stage by stage."""
    figure, axes = _axes(len(stages), x="mean (95 % interval by group)")
    shown = (
        ("shares, rank correlation", "share_correlation", -0.15),
        ("heat map, rank correlation", "heat_correlation", -0.05),
        ("evidence map, rank correlation", "evidence_correlation", 0.05),
        ("pointing game", "pointing_game", 0.15),
        ("pointing game by chance", "by_chance", 0.25),
    )
    for number, (label, name, offset) in enumerate(shown):
        for place, stage in enumerate(stages):
            _whisker(axes, getattr(stage, name), place + offset, color=f"C{number}", label=label if not place else None)
    axes.axvline(0, color="0.7", linewidth=1)
    axes.set_yticks(range(len(stages)), [stage.randomized for stage in stages], fontsize=8)
    axes.legend(fontsize=7)
    axes.invert_yaxis()
    save(figure, path)


def _whisker(axes: Any, found: Interval, place: float, *, color: str = "C0", label: str | None = None) -> None:
    if found.value is None:
        return
    axes.plot([found.value], [place], "o", color=color, markersize=4, label=label)
    if found.low is not None and found.high is not None:
        axes.hlines(place, found.low, found.high, color=color, linewidth=1)


def _axes(rows: int, *, x: str) -> tuple[Any, Any]:
    figure, ((axes,),) = canvas(size=(8, 2 + _ROW * max(rows, 8)))
    axes.set(xlabel=x)
    return figure, axes
