"""Records that are alike: what leaks between the parts, what contradicts itself, what is merely there twice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.records.catalog import Record
from training.records.duplicates import Fingerprint, pairs
from training.records.rows import same_patient
from training.records.split import nearness


@dataclass(frozen=True, eq=False)
class Look:
    """One record as read: fingerprints of its pictures (several for an exam) and its trivial features."""

    record: Record
    fingerprints: tuple[Fingerprint, ...]
    features: np.ndarray


@dataclass(frozen=True)
class Alike:
    """Two records that hold the same picture, nearly, or are of one group or patient that two parts share.

    Attributes:
        first, second: in the order of the catalog.
        kind: as ``duplicates.Pair`` has it, or ``group``.
        correlation: of the pictures most alike; None for ``group``.
        merged: whether their groups were two before they were seen to share a picture.
    """

    first: Record
    second: Record
    kind: str
    correlation: float | None = None
    merged: bool = False

    @property
    def leaks(self) -> bool:
        """Whether the two are in parts of which one is judged by the other."""
        return nearness(self.first) != nearness(self.second)

    @property
    def contradicts(self) -> bool:
        """Whether the two are one picture under two labels."""
        return self.kind != "group" and self.first.label != self.second.label

    @property
    def expected(self) -> bool:
        """Whether it is no news: two slices of one group, on one side, that are not the very same picture."""
        news = self.merged or self.leaks or self.contradicts or self.kind == "exact"
        return self.first.group == self.second.group and not news

    @property
    def nearer_to_training(self) -> Record:
        """The record to drop so that the leak is closed."""
        return min(self.first, self.second, key=nearness)


def alike(pictures: Iterable[Alike], records: Iterable[Record]) -> list[Alike]:
    """All of the records that are alike: those that ``same_pictures`` found before the split, and groups that are split.

    A patient of a data set is such a group too, whatever groups the records are in.
    """
    kept = {record.file: record for record in records}
    shown = list(_as_split(pictures, kept))
    told = {_files(pair) for pair in shown}
    split = {_files(pair): pair for pair in _split_groups(kept.values())}
    return [*shown, *(pair for files, pair in split.items() if files not in told)]


def to_drop(leaks: Sequence[Alike], records: Sequence[Record]) -> frozenset[Path]:
    """Files whose loss closes the leaks.

    Two groups that share a picture are one patient under two names: with the record nearer to training goes what must be of
    its patient on its side of the split, its group or, in a row of blocks, its neighbors.
    """
    of_patient = same_patient(records)
    files = set()
    for record in {leak.nearer_to_training.file: leak.nearer_to_training for leak in leaks}.values():
        files |= {r.file for r in of_patient(record) if nearness(r) == nearness(record)}
    return frozenset(files)


def same_pictures(looks: Sequence[Look]) -> Iterator[Alike]:
    """Records that hold the same picture; two exams once, by the pictures most alike."""
    owners = [number for number, look in enumerate(looks) for _ in look.fingerprints]
    best: dict[tuple[int, int], Alike] = {}
    for pair in pairs([f for look in looks for f in look.fingerprints]):
        first, second = owners[pair.first], owners[pair.second]
        found = Alike(looks[first].record, looks[second].record, kind=pair.kind, correlation=pair.correlation)
        known = best.get((first, second))
        if first != second and (known is None or pair.correlation > (known.correlation or 0.0)):
            best[first, second] = found
    yield from best.values()


def _as_split(pictures: Iterable[Alike], kept: Mapping[Path, Record]) -> Iterator[Alike]:
    for found in pictures:
        if found.first.file in kept and found.second.file in kept:
            first, second = kept[found.first.file], kept[found.second.file]
            merged = first.group == second.group and found.first.group != found.second.group
            yield replace(found, first=first, second=second, merged=merged)


def _files(pair: Alike) -> frozenset[Path]:
    return frozenset((pair.first.file, pair.second.file))


def _split_groups(records: Iterable[Record]) -> Iterator[Alike]:
    """Every record that is nearer to training than another of its group, or of its patient, with that other."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.group,].append(record)
        if record.patient:
            groups[record.dataset, record.patient].append(record)
    for members in groups.values():
        farthest = max(members, key=nearness)
        yield from (Alike(r, farthest, kind="group") for r in members if nearness(r) < nearness(farthest))
