"""``make bench-baseline`` and ``make bench-compare``: arguments only."""

from pathlib import Path
from typing import Annotated

import typer

from tests.bench.baseline import BASELINE, Measured, comparison
from tests.bench.process import ROOT, BenchFailed
from tests.bench.report import RESULTS

commands = typer.Typer(help="The last run of the bench and the baseline.", no_args_is_help=True)
Results = Annotated[Path, typer.Option(help="results.json of a run.")]
Baseline = Annotated[Path, typer.Option(help="The baseline's file.")]


@commands.command()
def keep(results: Results = ROOT / "bench" / RESULTS, baseline: Baseline = BASELINE) -> None:
    """Make the last run the baseline."""
    _read(results).keep(baseline)


@commands.command()
def show(results: Results = ROOT / "bench" / RESULTS, baseline: Baseline = BASELINE) -> None:
    """Show what each figure of the last run is to the baseline's; also written beside the results, as compare.md."""
    if not baseline.is_file():
        typer.echo("There is no baseline yet: `make bench-baseline` makes one.", err=True)
        raise typer.Exit(1)
    shown = comparison(_read(results), _read(baseline)).markdown() + "\n"
    results.with_name("compare.md").write_text(shown, encoding="utf-8")
    typer.echo(shown, nl=False)


def _read(path: Path) -> Measured:
    try:
        return Measured.read(path)
    except BenchFailed as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    commands()
