"""Measured quantities by name: what goals are held against, and what a later run is compared with."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Figures = Mapping[str, "Figure"]
"""By name."""


@dataclass(frozen=True)
class Figure:
    """One quantity, measured once a round.

    Attributes:
        name: unique in a run, the same in every run.
        unit: of the values; "x" for a ratio.
        rounds: at least one value.
    """

    name: str
    unit: str
    rounds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.rounds:
            raise ValueError(f"{self.name!r} was not measured.")

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest."""
        return min(self.rounds), max(self.rounds)


def by_name(figures: Iterable[Figure]) -> dict[str, Figure]:
    """All of them.

    Raises:
        ValueError: two have one name.
    """
    found: dict[str, Figure] = {}
    for figure in figures:
        if figure.name in found:
            raise ValueError(f"Two figures are called {figure.name!r}.")
        found[figure.name] = figure
    return found


def share_of(values: Iterable[float], share: float) -> float:
    """The least value that at least ``share`` (0..1) of all values do not exceed: with 1 the largest.

    Nothing is interpolated, so that it is a value somebody waited for.
    """
    ordered = sorted(values)
    return next(v for k, v in enumerate(ordered, start=1) if k >= share * len(ordered))
