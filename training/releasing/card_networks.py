"""The card's tables of networks that were trained on one split, from ``compare.csv`` and ``pairs.csv``."""

from collections.abc import Mapping, Sequence

from training.markdown import table, with_interval
from training.metrics.pairwise import Comparison
from training.run import Figure
from training.studies.paired_table import paired_tests
from training.studies.published import HEADINGS, METRICS

_NOT_THESE = (
    "Not these weights: each row is a network trained anew on the training part of one split, and measured on slices of its data"
    " sets with both classes, called by its own calibration and threshold. Of the part test nothing was used for training or"
    " choosing within a run; the settings of the served recipe were chosen on the validation part of another split, so on some"
    " of these slices. Single data sets are told on test.\n\n"
)
_HEADINGS = dict(zip(METRICS, HEADINGS, strict=True))
_EVERY, _LAST = "all", "test"


def networks(comparison: Sequence[Sequence[str]], pairs: Sequence[Comparison] = ()) -> str:
    """All parts of all data sets together, and test of each; then each pair on test.

    Args:
        comparison: rows of ``compare.csv``, the first of them its columns.
        pairs: of the runs in it.
    """
    columns = comparison[0]
    rows = [dict(zip(columns, row, strict=True)) for row in comparison[1:]]
    told = [name for name in columns if not name.endswith(("_low", "_high"))]
    shown = [row for row in rows if row.get("source", _EVERY) == _EVERY or row.get("part") == _LAST]
    cells = [[_cell(row, name) for name in told] for row in shown]
    paired = f"\nPaired tests on test. {paired_tests(pairs)}" if pairs else ""
    return _NOT_THESE + table([_HEADINGS.get(name, name) for name in told], cells) + paired


def _cell(row: Mapping[str, str], name: str) -> str:
    if name not in _HEADINGS:
        return row[name]
    value, low, high = (float(text) if (text := row.get(f"{name}{end}")) else None for end in ("", "_low", "_high"))
    return with_interval(Figure(value=value, low=low, high=high))
