"""Figures and tables as Markdown; everywhere the same number of digits, and a dash for what does not exist."""

import math
from collections.abc import Sequence

from training.run import Figure


def number(value: float | None) -> str:
    """Three digits behind the point."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"


def p_value(value: float | None) -> str:
    """A probability by chance, which is never none."""
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def with_interval(figure: Figure | None) -> str:
    """The figure with its interval in brackets, where it has one."""
    if figure is None or figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return number(figure.value)
    return f"{number(figure.value)} ({number(figure.low)} to {number(figure.high)})"


def bullets(sentences: Sequence[str]) -> str:
    """A list."""
    return "".join(f"- {sentence}\n" for sentence in sentences)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; what would end a cell or a line is replaced."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in line) + " |\n" for line in lines
    )
