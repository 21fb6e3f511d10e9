"""Pictures of an evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.canvas import canvas, save
from training.metrics.benefit import DecisionCurve, PredictiveValues
from training.metrics.curves import Bin, Curve
from training.metrics.evaluation import Interval, Sample

_INK, _OTHER, _PALE = "#1f4e79", "#c0504d", "0.75"
_BAND = "95 % band by group"


def draw_roc(curve: Curve, area: Interval, sample: Sample, path: Path) -> None:
    """ROC curve with its band and the point that the threshold gives."""
    figure, axes = _square(x="1 - specificity", y="sensitivity")
    axes.plot((0, 1), (0, 1), color=_PALE, linewidth=1)
    _plot(axes, curve)
    positive, called = sample.labels == 1, sample.predicted
    axes.plot(called[~positive].mean(), called[positive].mean(), "o", color=_OTHER, label="at the threshold")
    axes.set_title(f"AUC {words(area)}\n{_counts(sample)}", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    save(figure, path)


def draw_precision_recall(curve: Curve, area: Interval, sample: Sample, path: Path) -> None:
    """Precision over recall with its band, and the share of positives, which is what chance gives."""
    figure, axes = _square(x="recall (sensitivity)", y="precision (PPV in this set)")
    prevalence = float(sample.labels.mean())
    axes.axhline(prevalence, color=_PALE, linewidth=1, label=f"by chance {prevalence:.2f}")
    _plot(axes, curve)
    axes.set_title(f"average precision {words(area)}\n{_counts(sample)}", fontsize=10)
    axes.legend(loc="lower left", fontsize=8)
    save(figure, path)


def draw_reliability(bins: Sequence[Bin], slope: Interval, sample: Sample, path: Path) -> None:
    """Share of positives against the probability given, bin by bin, over how often each probability was given."""
    figure, ((axes,), (below,)) = canvas(2, size=(5, 6.5), height_ratios=(4, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is positive")
    axes.plot((0, 1), (0, 1), color=_PALE, linewidth=1, label="perfect")
    given, true = [b.given for b in bins], [b.true.value for b in bins]
    axes.plot(given, true, "o-", color=_INK, linewidth=1, markersize=4, label="bins")
    axes.vlines(
        [b.given for b in bins if b.true.low is not None],
        [b.true.low for b in bins if b.true.low is not None],
        [b.true.high for b in bins if b.true.high is not None],
        color=_INK,
        linewidth=1.5,
        alpha=0.5,
        label="95 % by group",
    )
    axes.legend(loc="upper left", fontsize=8)
    axes.set_title(f"calibration slope {words(slope)}\n{_counts(sample)}", fontsize=10)
    _histogram(below, sample, None)
    save(figure, path)


def draw_probabilities(sample: Sample, threshold: float, path: Path) -> None:
    """How often each probability was given, by class: what there is to see also of one class."""
    figure, ((axes,),) = canvas(size=(6, 3.5))
    _histogram(axes, sample, threshold)
    axes.set_title(_counts(sample), fontsize=10)
    save(figure, path)


def _histogram(axes: Any, sample: Sample, threshold: float | None) -> None:
    parts = [sample.probabilities[sample.labels == label] for label in (1, 0)]
    axes.hist(parts, bins=np.linspace(0, 1, 21), color=(_OTHER, _INK), label=("positive", "negative"))
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"threshold {threshold:.2f}")
    axes.set(xlim=(0, 1), xlabel="probability given", ylabel="cases")
    axes.legend(fontsize=8)


def draw_prevalence(rows: Sequence[PredictiveValues], path: Path) -> None:
    """PPV and NPV at the threshold over how frequent the positive class is."""
    figure, axes = _axes(x="prevalence of the positive class", y="share of calls that are right", size=(6, 4.5))
    at = [row.prevalence for row in rows]
    for name, color in (("PPV", _OTHER), ("NPV", _INK)):
        values = [row.ppv if name == "PPV" else row.npv for row in rows]
        axes.plot(at, [_nan(v.value) for v in values], "o-", color=color, markersize=3, label=name)
        axes.fill_between(
            at, [_nan(v.low) for v in values], [_nan(v.high) for v in values], color=color, alpha=0.2, linewidth=0
        )
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.set_xticks(at, [f"{100 * p:g} %" for p in at], fontsize=8)
    axes.minorticks_off()
    axes.set_title("at the threshold, if sensitivity and specificity carry over; 95 % bands by group", fontsize=9)
    axes.legend(loc="center right", fontsize=8)
    save(figure, path)


def draw_decision(curve: DecisionCurve, sample: Sample, path: Path) -> None:
    """Net benefit of acting on the scores, on everybody and on nobody."""
    figure, axes = _axes(x="probability at which one would act", y="net benefit per case", size=(6, 4.5))
    _plot(axes, curve.by_score, label="act on the score")
    axes.plot(curve.all_treated.x, curve.all_treated.y, color=_OTHER, linewidth=1, label="act on everybody")
    axes.axhline(0, color="0.4", linewidth=1, label="act on nobody")
    prevalence = float(sample.labels.mean())
    axes.set(xlim=(0, 1), ylim=(-0.15, 1.1 * prevalence + 0.02))
    axes.set_title(f"at this set's prevalence, {prevalence:.2f}\n{_counts(sample)}", fontsize=10)
    axes.legend(loc="upper right", fontsize=8)
    save(figure, path)


def draw_forest(figures: Mapping[str, Interval], path: Path, *, x: str, chance: float) -> None:
    """One line a row: a figure and its interval, and what chance gives; rows without the figure are left out."""
    shown = {name: f for name, f in figures.items() if f.value is not None}
    figure, axes = _axes(x=x, y="", size=(7, 1.4 + 0.35 * len(shown)))
    for row, found in enumerate(reversed(shown.values())):
        axes.plot(found.value, row, "o", color=_INK)
        axes.hlines(row, _nan(found.low), _nan(found.high), color=_INK)
        axes.annotate(words(found), (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.axvline(chance, color=_PALE, linewidth=1)
    axes.set(xlim=(0, 1.02), ylim=(-0.6, len(shown) - 0.4))
    axes.set_yticks(range(len(shown)), list(reversed(shown)), fontsize=8)
    save(figure, path)


def words(found: Interval) -> str:
    """A figure with its interval, as people read it."""
    if found.value is None:
        return "does not exist"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _counts(sample: Sample) -> str:
    groups = len(set(sample.groups.tolist()))
    return f"{len(sample.labels)} cases, {int(sample.labels.sum())} positive, {groups} groups"


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _plot(axes: Any, curve: Curve, *, label: str = "curve") -> None:
    axes.plot(curve.x, curve.y, color=_INK, linewidth=1.5, label=label)
    if curve.has_band:
        axes.fill_between(curve.x, curve.low, curve.high, color=_INK, alpha=0.2, linewidth=0, label=_BAND)


def _square(*, x: str, y: str) -> tuple[Any, Any]:
    figure, axes = _axes(x=x, y=y, size=(5, 5.3))
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    return figure, axes


def _axes(*, x: str, y: str, size: tuple[float, float]) -> tuple[Any, Any]:
    figure, ((axes,),) = canvas(size=size)
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def draw_matrix(grid: Mapping[str, Mapping[str, Interval]], seen: set[tuple[str, str]], path: Path, *, x: str) -> None:
    """Figures by row and column as a colored table.

    Args:
        grid: by row, then by column; what was not measured is left out.
        seen: rows and columns to be marked: a data set of that name trained the model.
        path: to write.
        x: what the figure is, 0..1.
    """
    columns = sorted({column for row in grid.values() for column in row})
    values = np.array([[_nan(row[c].value) if c in row else np.nan for c in columns] for row in grid.values()])
    figure, axes = _axes(x=x, y="", size=(3.2 + 1.7 * len(columns), 1.8 + 0.75 * len(grid)))
    axes.imshow(np.ma.masked_invalid(values), cmap="viridis", vmin=0.4, vmax=1.0, aspect="auto")
    for k, (name, row) in enumerate(grid.items()):
        for column, found in row.items():
            marked = " *" if (name, column) in seen else ""
            text = words(found).replace(" (", f"{marked}\n(") if "(" in words(found) else words(found) + marked
            bright = found.value is not None and found.value > 0.75
            place = columns.index(column)
            axes.text(place, k, text, ha="center", va="center", fontsize=8, color="black" if bright else "white")
    axes.set_xticks(range(len(columns)), [c.replace(" (", "\n(").replace(", ", "\n") for c in columns], fontsize=8)
    axes.set_yticks(range(len(grid)), [name.replace(", ", "\n", 1) for name in grid], fontsize=8)
    axes.set_title("* a data set of that name trained the model", fontsize=9)
    save(figure, path)
