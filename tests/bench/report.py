"""Everything of one run, as JSON and as Markdown."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app import NOTICE
from tests.bench.figures import Figure, Figures, by_name
from tests.bench.machine import Machine
from tests.bench.tables import Table

RESULTS = "results.json"


@dataclass(frozen=True)
class Part:
    """One part of the run.

    Attributes:
        name: in the JSON.
        records: dataclasses, every single measurement.
        tables: what they add up to.
        figures: those that a goal or a later run is about.
        pictures: more files to write, by name.
    """

    name: str
    records: Sequence[Any]
    tables: Sequence[Table]
    figures: Sequence[Figure] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class Report:
    """The machine, the parts measured so far in the order they are shown, and what these say of the goals."""

    machine: Machine
    order: Sequence[str]
    judge: Callable[[Figures], Table]
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Take in a part that was measured."""
        self.parts[part.name] = part

    @property
    def figures(self) -> Figures:
        """Of all parts."""
        return by_name(figure for part in self._shown() for figure in part.figures)

    def markdown(self) -> str:
        """All tables, the goals last."""
        tables = [self.machine.table(), *(table for part in self._shown() for table in part.tables)]
        tables.append(self.judge(self.figures))
        return "\n\n".join(["# covidct: measured", *(table.markdown() for table in tables), NOTICE]) + "\n"

    def json(self) -> str:
        """Every measurement."""
        parts = {name: [asdict(record) for record in part.records] for name, part in self.parts.items()}
        figures = {f.name: {"unit": f.unit, "rounds": f.rounds} for f in self.figures.values()}
        return json.dumps({"machine": asdict(self.machine), "figures": figures, **parts}, indent=1) + "\n"

    def write(self, folder: Path) -> None:
        """``results.json``, ``results.md`` and pictures."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULTS).write_text(self.json(), encoding="utf-8")
        (folder / "results.md").write_text(self.markdown(), encoding="utf-8")
        for part in self._shown():
            for name, content in part.pictures.items():
                (folder / name).write_bytes(content)

    def _shown(self) -> list[Part]:
        return [self.parts[name] for name in self.order if name in self.parts]
