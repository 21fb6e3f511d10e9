"""Records that are alike: what leaks between the parts, what contradicts itself, what is merely there twice."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.catalog import Record
from training.duplicates import Fingerprint, pairs
from training.rows import same_patient
from training.split import nearness


@dataclass(frozen=True, eq=False)
class Look:
    """One record as read: fingerprints of its pictures (several for an exam) and its trivial features."""

    record: Record
    fingerprints: tuple[Fingerprint, ...]
    features: np.ndarray


@dataclass(frozen=True)
class Alike:
    """Two records that hold the same picture, nearly, or are of one group that two parts share.

    Attributes:
        first, second: in the order of the catalog.
        kind: as ``duplicates.Pair`` has it, or ``group``.
        correlation: of the pictures most alike; None for ``group``.
    """

    first: Record
    second: Record
    kind: str
    correlation: float | None = None

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
        return self.first.group == self.second.group and not (self.leaks or self.contradicts or self.kind == "exact")

    @property
    def nearer_to_training(self) -> Record:
        """The record to drop so that the leak is closed."""
        return min(self.first, self.second, key=nearness)


def alike(looks: Sequence[Look]) -> list[Alike]:
    """All records that are alike, by their pictures and by their groups; two exams once, by the pictures most alike."""
    return [*_alike_pictures(looks), *_split_groups(looks)]


def to_drop(leaks: Sequence[Alike], records: Sequence[Record]) -> frozenset[Path]:
    """Files whose loss closes the leaks.

    Two groups that share a picture are one patient under two names: with the record nearer to training goes what must be of
    its patient on its side of the split, its group or, in a row of blocks, its neighbors.
    """
    files = set()
    for record in {leak.nearer_to_training.file: leak.nearer_to_training for leak in leaks}.values():
        files |= {r.file for r in same_patient(record, records) if nearness(r) == nearness(record)}
    return frozenset(files)


def _alike_pictures(looks: Sequence[Look]) -> Iterator[Alike]:
    owners = [number for number, look in enumerate(looks) for _ in look.fingerprints]
    best: dict[tuple[int, int], Alike] = {}
    for pair in pairs([f for look in looks for f in look.fingerprints]):
        first, second = owners[pair.first], owners[pair.second]
        found = Alike(looks[first].record, looks[second].record, kind=pair.kind, correlation=pair.correlation)
        known = best.get((first, second))
        if first != second and (known is None or pair.correlation > (known.correlation or 0.0)):
            best[first, second] = found
    yield from best.values()


def _split_groups(looks: Sequence[Look]) -> Iterator[Alike]:
    """Every record that is nearer to training than another of its group, with that other."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for look in looks:
        groups[look.record.group].append(look.record)
    for members in groups.values():
        farthest = max(members, key=nearness)
        yield from (Alike(r, farthest, kind="group") for r in members if nearness(r) < nearness(farthest))
