"""Tables as Markdown."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A titled table, its first column text and the others figures.

    Attributes:
        title: what it shows, with the unit.
        columns: heads.
        rows: as many cells each as there are columns.
        notes: sentences to read it by.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"A row of {self.title!r} has not {len(self.columns)} cells.")

    def markdown(self) -> str:
        """The table under its title, the notes below; ends without a newline."""
        ruler = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [_line(row) for row in (self.columns, ruler, *self.rows)]
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([f"## {self.title}", "", *lines, *notes])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def figure(value: float) -> str:
    """Three digits or so: 0.04, 6.51, 67.9, 1430."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def middle(values: Iterable[float]) -> str:
    """The median, and from where to where the values lie where there are several."""
    found = list(values)
    if len(found) == 1:
        return figure(found[0])
    return f"{figure(statistics.median(found))} ({figure(min(found))} to {figure(max(found))})"
