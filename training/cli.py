"""``covidct-train``: arguments only. Results on stdout, progress on stderr, exit code 0 only when the thing is done."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app import NOTICE
from app.ct.errors import CovidCTError
from training.audits.kinds import Audit

commands = typer.Typer(
    help=f"Train, measure and release the models that covidct serves. {NOTICE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[list[Path], typer.Argument(metavar="DATA...", help="Folders with manifest.csv, or of exams.")]
Model = Annotated[Path, typer.Option(help="Folder of a released model.")]
RunBy = Annotated[Literal["auto", "keras", "openvino"], typer.Option(help="What runs the network.")]
Draws = Annotated[int, typer.Option(min=1000, help="Bootstrap samples.")]
Seed = Annotated[int, typer.Option(help="Of the bootstrap.")]
Work = Annotated[Path, typer.Option("-w", "--work", help="Folder that `prepare` wrote.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of this project are told in two lines, without a traceback."""
    try:
        commands(arguments)
    except CovidCTError as error:
        typer.echo(f"{error.in_one_line}\n{error.advice}", err=True)
        sys.exit(1)
    except OSError as error:
        # A folder that cannot be written, a full disk: the operator's to mend. Other faults keep their traceback.
        typer.echo(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.", err=True)
        sys.exit(1)


@commands.command()
def prepare(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write catalog.csv and prepare.json into.")],
    drop_leaks: Annotated[bool, typer.Option("--drop-leaks", help="Drop the training side of each leak.")] = False,
    holdout: Annotated[list[str] | None, typer.Option(help="A data set to hold out whole; may be repeated.")] = None,
    test_fold: Annotated[
        str | None, typer.Option(metavar="I/K", help="Make fold I of K of every two-class data set the part test.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
) -> None:
    """Read, check and split labelled data by group; refuse to go on over a leak."""
    from training.records.prepare import prepare as do
    from training.records.prepared_page import figure
    from training.records.split import Fold

    fold = Fold.parse(test_fold) if test_fold else None
    report = do(data, out, drop_leaks=drop_leaks, holdout=holdout or (), fold=fold, seed=seed, progress=_say)
    for row in report["counts"]:
        typer.echo(
            f"{row['dataset']:12} label {row['label']}  {row['part']:10} {row['records']:6} in {row['groups']} groups"
        )
    for why, count in report["dropped"].items():
        typer.echo(f"dropped {count}: {why}")
    for what in ("leaks", "label_conflicts", "duplicates"):
        typer.echo(f"{what.replace('_', ' ')}: {len(report[what])} pairs")
    for remark in report["remarks"]:
        typer.echo(remark)
    for row in report["shortcut"]:
        if row["features"] == "all":
            where = f"{row['fitted_on']} -> {row['measured_on']}, {row['part']}"
            typer.echo(f"AUC of size, gray level, border and sharpness alone, {where}: {figure(row)}")


@commands.command()
def fit(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe in training/recipes.")],
    work: Work,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RUN", help="Folder of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed run stopped.")] = False,
    backbone_weights: Annotated[
        str, typer.Option(help="A folder of arrays, `imagenet` (downloads) or `none`.")
    ] = "none",
    without: Annotated[list[str] | None, typer.Option(help="A data set to leave out whole; may be repeated.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder to share looks in with runs on other splits.")] = None,
    weights_of: Annotated[
        Path | None, typer.Option(help="A released model of the recipe: keep its weights, and decide anew on them.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=32, help="Rows and columns of the paper's recipes' pictures.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random; the recipe's by default.")] = None,
) -> None:
    """Train a recipe."""
    from training.recipes import at_size, fit_of, recipe_named

    chosen = replace(recipe_named(recipe), without=frozenset(without or ()))
    chosen = chosen if size is None else at_size(chosen, size)
    chosen = chosen if seed is None else replace(chosen, seed=seed)
    fit_of(chosen)(
        chosen,
        work=work,
        out=out,
        resume=resume,
        backbone_weights=backbone_weights,
        cache=cache,
        weights_of_model=weights_of,
        progress=_say,
    )
    typer.echo(out)


@commands.command()
def evaluate(
    data: Data,
    model: Model,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write metrics.json, scores.csv and figures into.")
    ],
    where: Annotated[list[str] | None, typer.Option(help="column=value or column!=value; may be repeated.")] = None,
    by: Annotated[Literal["slice", "patient", "exam"], typer.Option(help="What is one case.")] = "slice",
    positive: Annotated[Literal["COVID-19", "non-COVID-19"], typer.Option(help="The positive class.")] = "COVID-19",
    engine: RunBy = "auto",
    threshold_from: Annotated[
        Path | None, typer.Option(help="metrics.json of this model on validation, to take a threshold from.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="Which one of it, such as specificity_0.90; youden by default.")
    ] = None,
    draws: Draws = 2000,
    seed: Seed = 0,
) -> None:
    """Score labelled data as the service would, and measure it."""
    from app.ct.classifier import Classifier
    from training.measuring.evaluate import evaluate as do
    from training.measuring.operating import ThresholdError
    from training.measuring.scoring import By

    if threshold is not None and threshold_from is None:
        raise ThresholdError(f"{threshold} is one of another evaluation: name it with --threshold-from.")
    report = do(
        Classifier.load(model, engine=engine),
        data,
        out,
        where=where or (),
        by=By(by),
        positive=positive,
        threshold_from=None if threshold_from is None else (threshold_from, threshold or "youden"),
        draws=draws,
        seed=seed,
        progress=_count,
    )
    typer.echo(f"{report['n']} scored by {by}, {report['positives']} positive, {report['groups']} groups")
    typer.echo(f"{report['refused']} the service would refuse, of which {report['unscored']} cannot be read")
    _echo_figures(report["metrics"])
    _echo_figures({k: v for k, v in (report["localization"] or {}).items() if isinstance(v, dict) and "value" in v})


@commands.command()
def audit(
    data: Data,
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write audit.json, audit.md and pictures into.")],
    where: Annotated[list[str] | None, typer.Option(help="column=value or column!=value; may be repeated.")] = None,
    only: Annotated[list[Audit] | None, typer.Option(help="An audit to do; may be repeated. All by default.")] = None,
    engine: RunBy = "auto",
    by: Annotated[Literal["slice", "exam"] | None, typer.Option(help="What is counted; both by default.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Most records of each source and label.")] = None,
    draws: Draws = 2000,
    seed: Annotated[int, typer.Option(help="Of the sample, of noise, of new weights and of the bootstrap.")] = 0,
) -> None:
    """Try what should not matter: blank the lungs or all else, export as JPEG, disturb, forget what was learned."""
    from app.ct.classifier import Classifier
    from training.audits.audit import TABLES
    from training.audits.audit import audit as do
    from training.audits.changes import Bootstrap
    from training.audits.plan import Plan
    from training.measuring.scoring import By

    plan = Plan(
        tuple(data),
        where=tuple(where or ()),
        only=frozenset(only or ()),
        by=None if by is None else By(by),
        sample=sample,
        bootstrap=Bootstrap(draws, seed),
    )
    classifier = Classifier.load(model, engine=engine)
    do(classifier, model, out, plan, progress=lambda name, done, of: _say(f"{name}: {done} of {of}"))
    typer.echo((out / TABLES).read_text(encoding="utf-8"), nl=False)


@commands.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs on one split.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write tables, report and curves into.")],
    draws: Draws = 2000,
    seed: Seed = 0,
) -> None:
    """Make the paper's table of networks from runs, with paired tests, beside the paper's own rows."""
    from training.studies.compare import compare as do

    typer.echo(do(runs, out, draws=draws, seed=seed).read_text(encoding="utf-8"), nl=False)


@commands.command("exam-rules")
def exam_rules(
    work: Work,
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write exam_rules.json and exam_rules.md into.")],
    exam: Annotated[
        list[Path] | None, typer.Option(help="Folder of a whole exam, to judge stability on too; may be repeated.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="A data set to judge on, instead of those fit judges on; may be repeated.")
    ] = None,
    engine: RunBy = "auto",
    draws: Draws = 2000,
    seed: Annotated[int, typer.Option(help="Of draws.")] = 0,
) -> None:
    """Measure how slices may add up to an exam: which rule tells validation patients apart, and is steady."""
    from app.ct.classifier import Classifier
    from training.deciding.decisions import JUDGED_ON
    from training.studies.rule_study import TABLE, study

    scorer, judged_on = Classifier.load(model, engine=engine), dataset or JUDGED_ON
    study(scorer, work, out, datasets=judged_on, exams=exam or (), draws=draws, seed=seed, say=_say)
    typer.echo((out / TABLE).read_text(encoding="utf-8"), nl=False)


@commands.command()
def precision(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    work: Work,
    draws: Draws = 2000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of the slices that int8 is calibrated on.")] = 0,
) -> None:
    """Measure in which precisions the CPU engine may serve the run's weights; writes RUN/precision.json."""
    from training.releasing.card_precision import precisions
    from training.releasing.precision import PrecisionSettings, measure_precision

    report = measure_precision(run, work, settings=PrecisionSettings(draws=draws, seed=seed), progress=_say)
    typer.echo(precisions(report, next(iter(report.allowed()), "none")), nl=False)


@commands.command()
def matrix(
    evaluations: Annotated[
        list[Path],
        typer.Argument(metavar="EVALUATION...", help="Folders of evaluations, or of runs that have been evaluated."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write the table and the figure into.")],
) -> None:
    """Who trained on what, measured on what: leave one source out, row by row."""
    from training.studies.matrix import matrix as do

    typer.echo(do(evaluations, out).read_text(encoding="utf-8"), nl=False)


@commands.command()
def pool(
    evaluations: Annotated[list[Path], typer.Argument(metavar="EVALUATION...", help="Folders, one a fold.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write metrics.json into.")],
    draws: Draws = 2000,
    seed: Seed = 0,
) -> None:
    """Judge the folds of a cross-validation together."""
    from training.studies.pool import pool as do

    report = do(evaluations, out, draws=draws, seed=seed)
    typer.echo(f"{report['n']} scored by {report['by']}, {report['positives']} positive, {report['groups']} groups")
    _echo_figures(report["metrics"])


@commands.command()
def cohort(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="One line a patient: ct, rt_pcr, age, sex ...")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write cohort.json and cohort.md into.")],
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="On the column probability, which then stands in for ct.")
    ] = None,
    reference: Annotated[
        Literal["column", "all"], typer.Option(help="Who has COVID-19: the column reference says, or all do.")
    ] = "column",
) -> None:
    """Describe a cohort, and compare CT with RT-PCR on it."""
    from training.studies.cohort import TABLES
    from training.studies.cohort import cohort as do

    do(table, out, threshold=threshold, reference=reference)
    typer.echo((out / TABLES).read_text(encoding="utf-8"), nl=False)


@commands.command()
def affected(
    work: Work,
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write affected.json and affected.md into.")],
    measure: Annotated[
        list[Path] | None, typer.Option(help="Data set with lesion masks to measure on; may be repeated.")
    ] = None,
    engine: RunBy = "auto",
    draws: Draws = 2000,
    seed: Seed = 0,
) -> None:
    """Measure the share of lung affected, as a model estimates it, on masks and phantoms; and fit it anew beside that."""
    from app.ct.classifier import Classifier
    from training.studies.affected_study import TABLE, study

    study(Classifier.load(model, engine=engine), work, out, measure=measure or (), draws=draws, seed=seed, say=_say)
    typer.echo((out / TABLE).read_text(encoding="utf-8"), nl=False)


@commands.command()
def release(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    name: Annotated[str, typer.Option(help="Of the model.")],
    to: Annotated[Path, typer.Option(help="Folder of models.")] = Path("model_store"),
    precision: Annotated[
        Literal["f32", "bf16", "int8"] | None,
        typer.Option(help="A slower allowed one for the CPU engine; by default the fastest that the run allows."),
    ] = None,
) -> None:
    """Turn a run into a model folder, whole or not at all."""
    from training.releasing.release import release as do

    typer.echo(do(run, name=name, store=to, precision=precision, progress=_say))


@commands.command()
def amend(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a released model.")],
    measured: Annotated[
        Path,
        typer.Argument(metavar="MEASURED", help="Folder with transfers/, cross-validations/ and so on, as a run's."),
    ],
) -> None:
    """Tell in a released model's card what was measured since."""
    from training.releasing.amend import amend as do

    typer.echo(do(model, measured))


def _say(words: str) -> None:
    typer.echo(words, err=True)


def _count(done: int, of: int) -> None:
    typer.echo(f"scored {done} of {of}", err=True)


def _echo_figures(figures: dict[str, Any]) -> None:
    for name, figure in figures.items():
        low, high = figure["low"], figure["high"]
        interval = "" if low is None else f" ({_number(low)} to {_number(high)})"
        typer.echo(f"{name}: {_number(figure['value'])}{interval}")


def _number(value: float | None) -> str:
    return "does not exist" if value is None else f"{value:.3f}"
