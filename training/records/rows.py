"""Records that stand in a row: groups named ``...-block<number>``, in which neighboring numbers are one patient's slices."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from training.records.catalog import Record

# Slices left out beside a block that is held out. In soares the thumbnails (`duplicates`) of two slices correlate by .76 at
# 1 number apart, .63 at 5 and .56 at 10, and as strangers do (.46 to .56) from 15 to 20 on. Single pictures of one patient
# are still recognized (`overlaps`) up to 28 numbers apart, and again some hundred numbers on, where a patient was exported
# twice: no gap helps against those, `prepare` finds them by what they show.
GAP = 10

_BLOCK = re.compile(r"(?P<row>.+)-block(?P<number>\d+)$")


def rows_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The rows, each in order; records of other groups are left out."""
    rows: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if block := _BLOCK.match(record.row):
            rows[record.dataset, block["row"]].append(record)
    for members in rows.values():
        yield sorted(members, key=_place)


def next_to_each_other(records: Iterable[Record]) -> frozenset[frozenset[str]]:
    """Pairs of groups of which one begins in a row where the other ends."""
    return frozenset(frozenset((a.group, b.group)) for row in rows_of(records) for a, b in pairwise(row))


def in_gap(records: Iterable[Record], nearness: Callable[[Record], int]) -> frozenset[Path]:
    """Files of records within ``GAP`` places of one that is farther from training."""
    near: set[Path] = set()
    for row in rows_of(records):
        for record, around in _with_neighbors(row):
            if any(nearness(record) < nearness(other) for other in around):
                near.add(record.file)
    return frozenset(near)


def same_patient(records: Sequence[Record]) -> Callable[[Record], Sequence[Record]]:
    """Of each of the records, those that must be of its patient too: its group or, in a row, what lies within ``GAP`` places."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.group].append(record)
    in_rows = {record.file: around for row in rows_of(records) for record, around in _with_neighbors(row)}
    return lambda record: in_rows.get(record.file) or groups[record.group]


def _with_neighbors(row: Sequence[Record]) -> Iterator[tuple[Record, Sequence[Record]]]:
    for i, record in enumerate(row):
        yield record, row[max(0, i - GAP) : i + GAP + 1]


def _place(record: Record) -> tuple[int, int, str]:
    block = _BLOCK.match(record.row)
    number = re.findall(r"\d+", record.file.stem)
    return int(block["number"]) if block else 0, int(number[-1]) if number else 0, record.file.name
