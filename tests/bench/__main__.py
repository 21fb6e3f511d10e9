"""``make bench``: arguments only. Tables on stdout, progress on stderr; ``results.json`` and ``results.md`` in ``bench/``."""

import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer

from app.ct.errors import CovidCTError
from app.ct.fitness import TrainingSlices
from app.ct.manifest import Manifest, read_manifest
from app.settings import Settings, model_folder
from tests.bench.engines import engines_table, measure_engines
from tests.bench.machine import Machine
from tests.bench.over_http import answers_table, goals_table, measure_over_http, memory_table
from tests.bench.process import ROOT, BenchFailed
from tests.bench.report import Part, Report
from tests.bench.sent import Supply, supply
from tests.bench.stages import load_engine, measure_stages, stages_table
from tests.bench.startup import measure_startup, startup_table

REAL_EXAMS = ROOT.parent / "shared" / "data" / "exams"


class Name(StrEnum):
    """The parts, in the order they are shown."""

    ENGINES = "engines"
    EXAMS = "exams"
    START = "start"
    MEMORY = "memory"


class EngineName(StrEnum):
    """What runs the network in all parts but ``engines``, which has them all."""

    OPENVINO = "openvino"
    KERAS = "keras"


@dataclass(frozen=True)
class Rounds:
    """How often each thing is measured."""

    engines: int
    exams: int
    start: int
    memory: int


FULL, QUICK = Rounds(engines=5, exams=3, start=3, memory=3), Rounds(engines=2, exams=1, start=1, memory=1)


@dataclass(frozen=True)
class Bench:
    """One run."""

    model: Path
    manifest: Manifest
    engine: str
    rounds: Rounds
    work: Path

    @cached_property
    def sent(self) -> Supply:
        """The exams, drawn when first asked for."""
        _tell("drawing the synthetic exams")
        return supply(self.work, real=REAL_EXAMS)

    def engines(self) -> Part:
        """ms per slice."""
        turns, absent = measure_engines(
            self.model,
            self.manifest,
            rounds=self.rounds.engines,
            on_round=lambda n: _tell(f"engines, round {n} of {self.rounds.engines}"),
        )
        return Part(Name.ENGINES, [*turns, *absent], [engines_table(turns, absent)])

    def exams(self) -> Part:
        """An exam's stages."""
        engine = load_engine(self.model, self.manifest, self.engine)
        training = TrainingSlices.load(self.model / self.manifest.fitness.file)
        found = measure_stages(
            self.sent.exams, self.manifest, engine, training, rounds=self.rounds.exams, on_exam=_tell
        )
        return Part(Name.EXAMS, found, [stages_table(found, engine=self.engine, absent=self.sent.absent)])

    def start(self) -> Part:
        """Start-up."""
        starts = measure_startup(
            self.model,
            engine=self.engine,
            rounds=self.rounds.start,
            on_round=lambda n: _tell(f"start-up, round {n} of {self.rounds.start}"),
        )
        return Part(Name.START, starts, [startup_table(starts, engine=self.engine)])

    def memory(self) -> Part:
        """End to end over HTTP, and memory."""
        found = measure_over_http(
            self.sent.exams, self.model, engine=self.engine, rounds=self.rounds.memory, on_exam=_tell
        )
        tables = [
            answers_table(found, engine=self.engine, absent=self.sent.absent),
            memory_table(found, engine=self.engine),
            goals_table(found),
        ]
        return Part(Name.MEMORY, found, tables)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few rounds: figures that are less steady.")] = False,
    only: Annotated[list[Name] | None, typer.Option(help="This part alone; may be given several times.")] = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="One model's folder; default: the one in model_store/.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What diagnoses exams.")] = EngineName.OPENVINO,
    out: Annotated[Path, typer.Option(help="Folder for results.json and results.md.")] = ROOT / "bench",
) -> None:
    """Measure engines, exams, start-up and memory on this machine."""
    # Ended from outside, it still stops the server it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        model = model_dir or model_folder(Settings())
        manifest = read_manifest(model)
        report = Report(Machine.here(manifest), order=list(Name))
        with tempfile.TemporaryDirectory(prefix="covidct-bench-") as work:
            bench = Bench(model, manifest, engine, QUICK if quick else FULL, Path(work))
            for part in _parts(bench, only or list(Name)):
                report.add(part())
                report.write(out)
    except (CovidCTError, BenchFailed) as error:
        typer.echo(f"{error} {getattr(error, 'advice', '')}".strip(), err=True)
        raise typer.Exit(1) from error
    typer.echo(report.markdown(), nl=False)


def _parts(bench: Bench, names: list[Name]) -> list[Callable[[], Part]]:
    """What to measure; the engines come last, for TensorFlow stays in the process once it is there."""
    parts = {
        Name.START: bench.start,
        Name.MEMORY: bench.memory,
        Name.EXAMS: bench.exams,
        Name.ENGINES: bench.engines,
    }
    return [part for name, part in parts.items() if name in names]


def _tell(progress: str) -> None:
    sys.stderr.write(f"{progress}\n")


if __name__ == "__main__":
    typer.run(main)
