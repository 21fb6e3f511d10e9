"""What every picture of this package is drawn on and saved by: none leaves without the notice.

Matplotlib is imported only when one is drawn.
"""

from pathlib import Path
from typing import Any

from app import NOTICE

_DPI = 120


def canvas(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float], height_ratios: tuple[float, ...] | None = None
) -> tuple[Any, Any]:
    """An empty figure and its axes, an array (rows, columns).

    Args:
        rows, columns: of panels.
        size: width and height, inches.
        height_ratios: of the rows; alike where not given.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, height_ratios=height_ratios, squeeze=False)


def save(figure: Any, path: Path) -> None:
    """Write a PNG with the notice below the panels, and in its comment, which a crop does not cut off."""
    figure.supxlabel(NOTICE, fontsize=9)
    figure.savefig(path, dpi=_DPI, metadata={"Comment": NOTICE})
