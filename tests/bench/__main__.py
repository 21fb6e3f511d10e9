"""``make bench``: arguments only. Tables on stdout, progress on stderr; results and pictures in ``bench/``."""

import signal
import sys
import tempfile
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.ct.errors import CovidCTError
from app.ct.manifest import read_manifest
from app.settings import Settings, model_folder
from tests.bench.extent import FULL, QUICK, Name
from tests.bench.goals import Runs, goals_table
from tests.bench.gpu import gpu_name
from tests.bench.machine import Machine
from tests.bench.parts import Bench, in_order
from tests.bench.process import ROOT, BenchFailed
from tests.bench.report import Report
from tests.bench.stages import precision_of


class EngineName(StrEnum):
    """What runs the network in all parts but ``engines``, which has them all."""

    AUTO = "auto"
    OPENVINO = "openvino"
    KERAS = "keras"

    @property
    def here(self) -> str:
        """With ``auto`` Keras where there is a GPU, else OpenVINO, as the service chooses."""
        if self is EngineName.AUTO:
            return "keras" if gpu_name() else "openvino"
        return str(self)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few rounds and sizes: figures that are less steady.")] = False,
    only: Annotated[list[Name] | None, typer.Option(help="This part alone; may be given several times.")] = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="One model's folder; default: the one in model_store/.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What diagnoses exams.")] = EngineName.AUTO,
    out: Annotated[Path, typer.Option(help="Folder for results.json, results.md and pictures.")] = ROOT / "bench",
) -> None:
    """Measure engines, decoders, exams, clients, start-up, memory and peers on this machine."""
    # Ended from outside, it still stops the servers it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        model = model_dir or model_folder(Settings())
        manifest = read_manifest(model)
        with tempfile.TemporaryDirectory(prefix="covidct-bench-") as work:
            runs = Runs(engine.here, precision_of(manifest, engine.here))
            bench = Bench(model, manifest, runs, QUICK if quick else FULL, Path(work), _tell)
            report = Report(Machine.here(manifest), order=list(Name), judge=partial(goals_table, runs))
            for part in in_order(bench, only or list(Name)):
                report.add(part())
                report.write(out)
    except (CovidCTError, BenchFailed) as error:
        typer.echo(f"{error} {getattr(error, 'advice', '')}".strip(), err=True)
        raise typer.Exit(1) from error
    typer.echo(report.markdown(), nl=False)


def _tell(progress: str) -> None:
    sys.stderr.write(f"{progress}\n")


if __name__ == "__main__":
    typer.run(main)
