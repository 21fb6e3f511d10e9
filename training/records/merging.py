"""Groups of one patient, and groups that share a picture, are one: they are merged before anything is split."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.records.catalog import Record
from training.records.leaks import Alike
from training.records.rows import next_to_each_other


def merged(records: Sequence[Record], found: Sequence[Alike]) -> list[Record]:
    """The records, groups that share a picture under the first of their names.

    Blocks that are next to each other in a row are not merged for the patient at their border, or the whole row would become
    one group: of them the gap keeps apart what belongs together (``rows``). A record keeps its place in a row.

    Args:
        records: all of a catalog.
        found: pairs of them that show the same picture.
    """
    beside = next_to_each_other(records)
    linked = {frozenset((pair.first.group, pair.second.group)) for pair in found}
    return _joined(records, [sorted(pair) for pair in linked - beside if len(pair) == 2])


def whole_patients(records: Sequence[Record]) -> list[Record]:
    """The records, groups of one patient of a data set under the first of their names; an unknown patient joins none."""
    linked = [pair for groups in groups_of_patients(records) for pair in pairwise(groups)]
    return _joined(records, linked)


def groups_of_patients(records: Iterable[Record]) -> list[list[str]]:
    """The groups of each patient of each data set, by name; patients that are known."""
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        if record.patient:
            groups[record.dataset, record.patient].add(record.group)
    return [sorted(names) for names in groups.values()]


def _joined(records: Sequence[Record], linked: Sequence[Sequence[str]]) -> list[Record]:
    """The records, groups that are linked under the first of their names."""
    names = _first_names(linked)
    return [_renamed(record, names[record.group]) if record.group in names else record for record in records]


def _first_names(pairs: Sequence[Sequence[str]]) -> dict[str, str]:
    """Group -> the first by name of those it is linked with, over any number of steps."""
    groups = sorted({group for pair in pairs for group in pair})
    if not groups:
        return {}
    number = {group: k for k, group in enumerate(groups)}
    ends = np.array([[number[a], number[b]] for a, b in pairs]).T
    graph = coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape=(len(groups), len(groups)))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return {group: groups[first[part]] for group, part in zip(groups, component, strict=True)}


def _renamed(record: Record, group: str) -> Record:
    if record.group == group:
        return record
    return replace(record, group=group, former_group=record.row)
