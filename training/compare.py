"""``covidct-train compare``: the evaluations of several runs side by side."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.run import Evaluation, Figure, RunError, read_evaluations

TABLE = "compare.csv"
_METRICS = ("accuracy", "sensitivity", "specificity", "iou", "f1", "auc")


def compare(runs: Sequence[Path], out: Path) -> Path:
    """Write ``out/compare.csv``: a line for each run and evaluation, the paper's six metrics with their intervals.

    Args:
        runs: folders of runs.
        out: folder to write into.

    Returns:
        The table's path.

    Raises:
        RunError: a run has no evaluation, or one that is not valid.
    """
    lines = [line for run in runs for line in _lines(run)]
    out.mkdir(parents=True, exist_ok=True)
    with (out / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        columns = [f"{metric}{end}" for metric in _METRICS for end in ("", "_low", "_high")]
        writer.writerow(["run", "evaluation", "where", "by", "n", "positives", "groups", "refused", *columns])
        writer.writerows(lines)
    return out / TABLE


def _lines(run: Path) -> Iterator[list[str]]:
    evaluations = read_evaluations(run)
    if not evaluations:
        raise RunError(f"The run {run.name} has no evaluation.")
    for e in evaluations:
        counts = [str(n) for n in (e.n, e.positives, e.groups, e.refused)]
        yield [run.name, e.title, " ".join(e.where), e.by, *counts, *_figures(e)]


def _figures(evaluation: Evaluation) -> Iterator[str]:
    for metric in _METRICS:
        figure = evaluation.metrics.get(metric, Figure(value=None))
        for number in (figure.value, figure.low, figure.high):
            yield "" if number is None else f"{number:.4f}"
