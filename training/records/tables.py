"""Rows and paths of tables as people and spreadsheets write them."""

import csv
from collections.abc import Iterator
from pathlib import Path

UNKNOWN = frozenset({"", "na", "n/a", "nan", "none", "unknown"})
"""What tables hold where nothing is known, in small letters: R and pandas write words into empty fields."""


def known(text: str) -> str:
    """What a field says; empty where it says that nothing is known."""
    return "" if text.strip().lower() in UNKNOWN else text


def columns_of(rows: "csv.DictReader[str]") -> frozenset[str]:
    """What a table's columns are called, without blanks around it."""
    return frozenset(name.strip() for name in rows.fieldnames or ())


def filled_rows(rows: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table that hold anything, each with its line; spreadsheets add empty ones.

    Neither names of columns nor fields have blanks around them.
    """
    for row in rows:
        held = {k.strip(): (v or "").strip() for k, v in row.items() if k is not None}
        if any(held.values()):
            yield rows.line_num, held


def as_written(name: str, folder: Path) -> Path:
    """A path in a table, in Windows' writing too."""
    return Path(name.replace("\\", "/") if "\\" in name and not (folder / name).exists() else name)
