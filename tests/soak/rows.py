"""What a part of the soak is given, and what it answers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Length:
    """How long a part may take.

    Attributes:
        minutes: as asked for; None leaves it to the part.
        short: the form that runs among the tests: seconds, and outcomes only.
    """

    minutes: float | None = None
    short: bool = False

    def seconds(self, *, whole: float, short: float) -> float:
        """The time of a part that takes ``whole`` or ``short`` seconds where nobody asked for another."""
        if self.minutes is not None:
            return self.minutes * 60
        return short if self.short else whole


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        test: what was done.
        seen: what came of it, with units.
        goal: what was wanted.
        met: whether it came to that.
        of_machine: whether the figure is of time or memory, which differ between machines; short forms look past it.
    """

    test: str
    seen: str
    goal: str
    met: bool
    of_machine: bool = False


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = ["| test | seen | goal | met |", "|---|---|---|---|"]
    lines += [f"| {row.test} | {row.seen} | {row.goal} | {'yes' if row.met else '**no**'} |" for row in rows]
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> str:
    """The rows for programs, on one line."""
    return json.dumps([asdict(row) for row in rows])
