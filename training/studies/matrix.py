"""``covidct-train matrix``: who trained on what, measured on what. Leaving one source out, row by row.

Built from ``metrics.json`` files and the runs they lie in, nothing else.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app import NOTICE
from training.markdown import table as markdown_table
from training.measuring.figures import draw_matrix, words
from training.metrics.evaluation import Interval
from training.run import EVALUATIONS, FILE_NAME, METRICS, TRANSFERS, Evaluation, Figure, Run, RunError, Source

TABLE, TEXT, FIGURE = "matrix.csv", "matrix.md", "matrix.png"


@dataclass(frozen=True)
class Row:
    """A model, told by its weights, and what it was trained on.

    Attributes:
        model: its name.
        weights: digest of its weights.
        trained_on: data sets; None where neither the evaluation nor its run says.
    """

    model: str
    weights: str
    trained_on: frozenset[str] | None

    def title(self, everything: frozenset[str]) -> str:
        """The model and what of ``everything`` it did without."""
        if self.trained_on is None:
            return f"{self.model} (training data not said)"
        without = everything - self.trained_on
        named = sorted(without) if len(without) <= len(self.trained_on) else sorted(self.trained_on)
        if not without:
            return f"{self.model}, trained on all"
        return f"{self.model}, trained {'without' if named == sorted(without) else 'on'} {', '.join(named)}"


@dataclass(frozen=True)
class Cell:
    """A row measured on one data set.

    Attributes:
        row: which model.
        column: the data set, which of its records, and what is one case.
        dataset: its name.
        source: what the evaluation says of it.
    """

    row: Row
    column: str
    dataset: str
    source: Source

    @property
    def trained(self) -> str:
        """Whether a data set of this name trained the model: yes, no, or not known."""
        if self.row.trained_on is None:
            return "not known"
        return "yes" if self.dataset in self.row.trained_on else "no"

    def figure(self, metric: str) -> Interval:
        """A metric; one that the evaluation does not have does not exist."""
        found = self.source.metrics.get(metric, Figure(value=None))
        return Interval(found.value, low=found.low, high=found.high)


def matrix(evaluations: Sequence[Path], out: Path) -> Path:
    """Write ``matrix.csv``, ``matrix.md`` and, where there is an AUC, ``matrix.png``.

    Args:
        evaluations: metrics.json files, folders that hold one, or folders of runs, whose evaluations and transfers count.
        out: folder to write into.

    Returns:
        The path of ``matrix.md``.

    Raises:
        RunError: one is not there or not what ``evaluate`` writes, or two measured the same.
    """
    paths = [path for given in evaluations for path in _metrics_files(given)]
    cells = sorted((cell for path in dict.fromkeys(paths) for cell in _cells(path)), key=_place)
    _check_once(cells)
    out.mkdir(parents=True, exist_ok=True)
    _write_csv(cells, out / TABLE)
    (out / TEXT).write_text(_markdown(cells), encoding="utf-8")
    (out / FIGURE).unlink(missing_ok=True)
    if ranked := _with_auc(cells):
        draw_matrix(_grid(ranked, "auc"), _seen(ranked), out / FIGURE, x="AUC")
    return out / TEXT


def _place(cell: Cell) -> tuple[int, str, str]:
    """Who trained on most comes first; columns of a data set stand together."""
    return -len(cell.row.trained_on or ()), cell.row.model, cell.column


def _metrics_files(given: Path) -> list[Path]:
    if (given / FILE_NAME).is_file():
        found = [p.resolve() for kind in (EVALUATIONS, TRANSFERS) for p in sorted((given / kind).glob(f"*/{METRICS}"))]
    else:
        path = given / METRICS if given.is_dir() else given
        found = [path.resolve()] if path.is_file() else []
    if not found:
        raise RunError(f"{given.name} is no evaluation and no run that has been evaluated.")
    return found


def _cells(path: Path) -> list[Cell]:
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"{METRICS} of {path.parent.name} is not valid.") from error
    row = Row(evaluation.model.name, evaluation.model.weights_sha256, evaluation.trained_on or _of_run(path))
    return [Cell(row, _column(name, evaluation), name, source) for name, source in evaluation.per_source.items()]


def _of_run(path: Path) -> frozenset[str] | None:
    """What trained the run that the evaluation lies in; a transfer there is of other weights."""
    if path.parent.parent.name != EVALUATIONS or not (path.parents[2] / FILE_NAME).is_file():
        return None
    return frozenset(c.dataset for c in Run.read(path.parents[2]).data if c.part == "train")


def _column(dataset: str, evaluation: Evaluation) -> str:
    conditions = [text for text in evaluation.where if not text.startswith("dataset=")]
    other = [] if evaluation.positive_class == "COVID-19" else [f"positive: {evaluation.positive_class}"]
    return f"{dataset} ({', '.join([*conditions, f'by {evaluation.by}', *other])})"


def _check_once(cells: Sequence[Cell]) -> None:
    places = [(cell.row, cell.column) for cell in cells]
    if twice := sorted({column for row, column in places if places.count((row, column)) > 1}):
        raise RunError(f"The same model was measured more than once on {', '.join(twice)}: give one evaluation of it.")


def _everything(cells: Iterable[Cell]) -> frozenset[str]:
    return frozenset(name for cell in cells for name in cell.row.trained_on or ())


def _with_auc(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.figure("auc").value is not None]


def _grid(cells: Sequence[Cell], metric: str) -> dict[str, dict[str, Interval]]:
    """Figures by row and column; what was not measured is left out."""
    titles = _titles(cells)
    grid: dict[str, dict[str, Interval]] = {title: {} for title in titles.values()}
    for cell in cells:
        grid[titles[cell.row]][cell.column] = cell.figure(metric)
    return grid


def _titles(cells: Sequence[Cell]) -> dict[Row, str]:
    """One a row; where two would read alike, with their weights' digest."""
    rows = list(dict.fromkeys(cell.row for cell in cells))
    plain = [row.title(_everything(cells)) for row in rows]
    return {
        row: title if plain.count(title) == 1 else f"{title} [{row.weights[:8]}]"
        for row, title in zip(rows, plain, strict=True)
    }


def _seen(cells: Sequence[Cell]) -> set[tuple[str, str]]:
    """Rows and columns where a data set of that name trained the model."""
    titles = _titles(cells)
    return {(titles[cell.row], cell.column) for cell in cells if cell.trained == "yes"}


def _write_csv(cells: Sequence[Cell], path: Path) -> None:
    metrics = ("auc", "sensitivity", "specificity")
    ends = [f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high")]
    counts = ("n", "positives", "groups", "refused")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("model", "weights_sha256", "trained_on", "measured_on", "dataset_trained", *counts, *ends))
        for cell in cells:
            told = " ".join(sorted(cell.row.trained_on or ()))
            figures = [f for metric in metrics for f in _numbers(cell.figure(metric))]
            numbers = [str(getattr(cell.source, count)) for count in counts]
            writer.writerow((cell.row.model, cell.row.weights, told, cell.column, cell.trained, *numbers, *figures))


def _numbers(figure: Interval) -> list[str]:
    return ["" if number is None else f"{number:.4f}" for number in (figure.value, figure.low, figure.high)]


def _markdown(cells: Sequence[Cell]) -> str:
    ranked = _with_auc(cells)
    single = [cell for cell in cells if cell.figure("auc").value is None]
    titles = _titles(cells)
    rates = [
        [titles[cell.row], cell.column, f"{cell.source.n} ({cell.source.positives})", _rate(cell)] for cell in single
    ]
    parts = [f"# Trained on, measured on\n\n**{NOTICE}**\n"]
    if ranked:
        parts.append(f"{_LEGEND}\n\n{_auc_table(ranked)}")
    if rates:
        columns = ["model", "measured on", "scored (positive)", "what can be given"]
        parts.append(f"## Data sets of one class\n\n{markdown_table(columns, rates)}")
    return "\n".join(parts)


_LEGEND = (
    "AUC with its 95 % interval by group. * : a data set of that name trained the model: with other records where the column "
    "says part=validation or part=test, perhaps with these where it does not. Without a star no data set of that name trained "
    "it; the same pictures under another name are not noticed here. ? : it is not said what trained it. Empty: not measured."
)


def _auc_table(cells: Sequence[Cell]) -> str:
    grid, columns = _grid(cells, "auc"), sorted({cell.column for cell in cells})
    marks = {"yes": " *", "no": "", "not known": " ?"}
    titles = _titles(cells)
    mark = {(titles[cell.row], cell.column): marks[cell.trained] for cell in cells}
    rows = [
        [row, *(words(found[c]) + mark[row, c] if c in found else "" for c in columns)] for row, found in grid.items()
    ]
    return markdown_table(["model \\ measured on", *columns], rows)


def _rate(cell: Cell) -> str:
    if cell.source.n == 0:
        return "nothing could be scored"
    if cell.source.positives:
        return f"hit rate {words(cell.figure('sensitivity'))}"
    specificity = cell.figure("specificity")
    if specificity.value is None or specificity.low is None or specificity.high is None:
        return "false-alarm rate -" if specificity.value is None else f"false-alarm rate {1 - specificity.value:.3f}"
    alarms = Interval(1 - specificity.value, low=1 - specificity.high, high=1 - specificity.low)
    return f"false-alarm rate {words(alarms)}"
