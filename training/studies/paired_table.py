"""Paired tests of compared runs: the rows of ``pairs.csv``, and the table that people read."""

from collections.abc import Mapping, Sequence

from training.markdown import p_value, table, with_interval
from training.metrics.evaluation import Interval
from training.metrics.pairwise import Comparison
from training.run import Figure, RunError

_ENDS = ("", "_low", "_high")
_AUC, _ACCURACY = "auc_difference", "accuracy_difference"
COLUMNS = (
    *("first", "second"),
    *(f"{name}{end}" for name in (_AUC, _ACCURACY) for end in _ENDS),
    *("auc_p", "only_first_right", "only_second_right", "mcnemar_p"),
)


def as_rows(pairs: Sequence[Comparison]) -> list[list[str]]:
    """The rows of ``pairs.csv``, the first of them its columns."""
    rows = [list(COLUMNS)]
    for pair in pairs:
        figures = [_written(value) for f in (pair.auc, pair.accuracy) for value in (f.value, f.low, f.high)]
        counts = [str(pair.only_first), str(pair.only_second)]
        rows.append([pair.first, pair.second, *figures, _written(pair.auc_p), *counts, _written(pair.mcnemar_p)])
    return rows


def of_rows(rows: Sequence[Sequence[str]]) -> list[Comparison]:
    """The pairs of such rows; none of no row.

    Raises:
        RunError: a column is missing, or a figure is no number.
    """
    try:
        return [_pair(dict(zip(rows[0], row, strict=True))) for row in rows[1:]]
    except (KeyError, ValueError) as error:
        raise RunError("pairs.csv is not valid: `covidct-train compare` writes it.") from error


def paired_tests(pairs: Sequence[Comparison]) -> str:
    """All pairs as Markdown, with what the figures are worth before them."""
    rows = [
        [
            f"{p.first} less {p.second}",
            _cell(p.auc),
            p_value(p.auc_p),
            p_value(None if p.auc_p is None else min(1.0, p.auc_p * len(pairs))),
            _cell(p.accuracy),
            f"{p.only_first} : {p.only_second}",
            p_value(p.mcnemar_p),
        ]
        for p in pairs
    ]
    heading = ("runs", "AUC", "p", f"p x {len(pairs)}", "ACC", "right alone", "McNemar p")
    return (
        "Differences on the same slices, groups drawn together; the second p is corrected for the"
        " number of pairs (Bonferroni). McNemar's test takes slices for independent, which those of one patient are not: its p"
        " is too small, and the interval of ACC is to be read before it.\n\n" + table(heading, rows)
    )


def _pair(row: Mapping[str, str]) -> Comparison:
    auc, accuracy = (Interval(*(_read(row[f"{name}{end}"]) for end in _ENDS)) for name in (_AUC, _ACCURACY))
    return Comparison(
        row["first"],
        row["second"],
        auc=auc,
        auc_p=_read(row["auc_p"]),
        accuracy=accuracy,
        only_first=int(row["only_first_right"]),
        only_second=int(row["only_second_right"]),
        mcnemar_p=_read(row["mcnemar_p"]),
    )


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _read(text: str) -> float | None:
    return float(text) if text else None


def _cell(found: Interval) -> str:
    return with_interval(Figure(value=found.value, low=found.low, high=found.high))
