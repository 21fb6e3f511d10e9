"""The figures of an earlier run on the reference machine, and what a later run's are to them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.bench.figures import Figure, Figures, by_name
from tests.bench.process import BenchFailed
from tests.bench.tables import Table, figure, middle

BASELINE = Path(__file__).with_name("baseline.json")
NO_DIFFERENCE = "no difference seen"
ONE_ROUND = "one round: cannot be told"
_SAME = ("processor", "cores", "model")
_KEPT = (*_SAME, "date", "load_before", "versions")
_DIGITS = 4
_NOTES = (
    "Ratio: now over baseline, of the medians; in brackets from where to where it may lie, by the ranges of the rounds.",
    f"{NO_DIFFERENCE}: the ranges overlap.",
)


@dataclass(frozen=True)
class Measured:
    """One run as its ``results.json`` tells it.

    Attributes:
        machine: what it says of itself.
        figures: by name.
    """

    machine: dict[str, Any]
    figures: Figures

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file of ``Report.write`` or of ``keep``.

        Raises:
            BenchFailed: it is not there, or is neither.
        """
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            found = [Figure(name, f["unit"], tuple(f["rounds"])) for name, f in said["figures"].items()]
            return cls(dict(said["machine"]), by_name(found))
        except FileNotFoundError as error:
            raise BenchFailed(f"There is no {path.name}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise BenchFailed(f"{path.name} does not hold the figures of a run.") from error

    def keep(self, path: Path) -> None:
        """Write the figures, rounded, and the machine; single measurements stay behind."""
        figures = {
            f.name: {"unit": f.unit, "rounds": [float(f"{value:.{_DIGITS}g}") for value in f.rounds]}
            for f in self.figures.values()
        }
        machine = {key: self.machine.get(key) for key in _KEPT}
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(f)}" for name, f in figures.items())
        path.write_text(f'{{"machine": {json.dumps(machine)},\n "figures": {{\n{lines}\n }}}}\n', encoding="utf-8")


@dataclass(frozen=True)
class Ratio:
    """What a figure is to the same one of the baseline."""

    now: Figure
    before: Figure

    @property
    def median(self) -> float:
        """Of the medians."""
        return _over(self.now.median, self.before.median)

    @property
    def range(self) -> tuple[float, float]:
        """The least over the largest, the largest over the least."""
        (low, high), (least, largest) = self.now.range, self.before.range
        return _over(low, largest), _over(high, least)

    @property
    def seen(self) -> str:
        """In words."""
        if min(len(self.now.rounds), len(self.before.rounds)) < 2:
            return ONE_ROUND
        (low, high), (least, largest) = self.now.range, self.before.range
        if low <= largest and least <= high:
            return NO_DIFFERENCE
        return "lower" if high < least else "higher"


def _over(value: float, other: float) -> float:
    if other == 0:
        return 1.0 if value == 0 else float("inf")
    return value / other


def comparison(now: Measured, before: Measured) -> Table:
    """A row per figure that both have, in the order of this run; the others are named below."""
    rows = tuple(_row(Ratio(f, before.figures[name])) for name, f in now.figures.items() if name in before.figures)
    notes = (*_NOTES, *_differences(now, before), *_alone(now, before))
    columns = ("figure", "unit", "baseline", "now", "ratio", "seen")
    return Table(f"Against the baseline of {before.machine.get('date', 'an unknown date')}", columns, rows, notes)


def _row(ratio: Ratio) -> tuple[str, ...]:
    now, before = ratio.now, ratio.before
    low, high = ratio.range
    shown = f"{figure(ratio.median)} ({figure(low)} to {figure(high)})"
    return (now.name, now.unit, middle(before.rounds), middle(now.rounds), shown, ratio.seen)


def _differences(now: Measured, before: Measured) -> list[str]:
    return [
        f"Not comparable as it stands: {key} is {now.machine.get(key)!r}, in the baseline {before.machine.get(key)!r}."
        for key in _SAME
        if now.machine.get(key) != before.machine.get(key)
    ]


def _alone(now: Measured, before: Measured) -> list[str]:
    new, gone = (
        [name for name in here.figures if name not in there.figures] for here, there in ((now, before), (before, now))
    )
    sentences = (("Only in this run", new), ("Only in the baseline", gone))
    return [f"{said}: {', '.join(names)}." for said, names in sentences if names]
