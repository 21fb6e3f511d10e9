"""Pictures of an evaluation. Matplotlib is imported only when one is drawn."""

from pathlib import Path
from typing import Any

import numpy as np

from app import NOTICE
from training.evaluation import Sample, auc, operating_points

_BINS = 10


def draw_roc(sample: Sample, path: Path) -> None:
    """ROC curve; nothing is drawn for one class."""
    if len(set(sample.labels.tolist())) < 2:
        return
    _, sensitivity, specificity = operating_points(sample.labels, sample.probabilities)
    figure, axes = _square(x="1 - specificity", y="sensitivity")
    axes.step(1 - specificity, sensitivity, where="post")
    axes.set_title(f"AUC {auc(sample.labels, sample.probabilities):.3f}, {len(sample.labels)} cases", fontsize=10)
    figure.savefig(path, dpi=120)


def draw_reliability(sample: Sample, path: Path) -> None:
    """Share of positives against the probability given, in ten equal bins; the larger the dot, the more cases."""
    place = np.minimum((sample.probabilities * _BINS).astype(int), _BINS - 1)
    filled = [k for k in range(_BINS) if (place == k).any()]
    given = [float(sample.probabilities[place == k].mean()) for k in filled]
    true = [float(sample.labels[place == k].mean()) for k in filled]
    sizes = [20 + 280 * float((place == k).mean()) for k in filled]
    figure, axes = _square(x="probability given", y="share that is positive")
    axes.plot(given, true, linewidth=1)
    axes.scatter(given, true, s=sizes)
    figure.savefig(path, dpi=120)


def _square(*, x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="0.8", linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"{x}\n{NOTICE}", ylabel=y)
    return figure, axes
