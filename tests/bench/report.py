"""Everything of one run, as JSON and as Markdown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app import NOTICE
from tests.bench.machine import Machine
from tests.bench.tables import Table


@dataclass(frozen=True)
class Part:
    """One part of the run.

    Attributes:
        name: in the JSON.
        records: dataclasses, every single measurement.
        tables: what they add up to.
    """

    name: str
    records: Sequence[Any]
    tables: Sequence[Table]


@dataclass
class Report:
    """The machine, and the parts measured so far, in the order they are shown."""

    machine: Machine
    order: Sequence[str]
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Take in a part that was measured."""
        self.parts[part.name] = part

    def markdown(self) -> str:
        """All tables."""
        shown = [self.parts[name] for name in self.order if name in self.parts]
        tables = [self.machine.table(), *(table for part in shown for table in part.tables)]
        return "\n\n".join(["# covidct: measured", *(table.markdown() for table in tables), NOTICE]) + "\n"

    def json(self) -> str:
        """Every measurement."""
        parts = {name: [asdict(record) for record in part.records] for name, part in self.parts.items()}
        return json.dumps({"machine": asdict(self.machine), **parts}, indent=1) + "\n"

    def write(self, folder: Path) -> None:
        """``results.json`` and ``results.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(self.json(), encoding="utf-8")
        (folder / "results.md").write_text(self.markdown(), encoding="utf-8")
