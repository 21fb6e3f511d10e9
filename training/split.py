"""Which part each record belongs to: by group, decided from names and a fixed seed, never from the order of records."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from training.catalog import Catalog, Part, Record

SEED = 0
VALIDATION_SHARE = 0.15
# Sets that answer "which disease" by patient are few and small, so more of each is held out.
VALIDATION_SHARES = {"drenet": 0.20, "sy575demo": 0.20}
# Data sets that may hold the same patients under other names: they stay on one side when one of them is held out.
FAMILIES = {"sy575demo": "drenet"}
# Slices left out of training beside a validation block: neighbouring numbers are neighbouring slices of one patient.
# In soares two slices correlate by .86 at 1 number apart, .69 at 5, .59 at 10, and as strangers do (.55) from 20 on.
GAP = 10

CONFLICT_FLAG = "label-conflict-same-image-in-both-classes"
_OFFICIAL = {"train": Part.TRAIN, "val": Part.VALIDATION, "validation": Part.VALIDATION, "test": Part.TEST}
_BLOCK = re.compile(r"(?P<row>.+)-block(?P<number>\d+)$")


@dataclass(frozen=True)
class Dropped:
    """A record left out, and why."""

    record: Record
    why: str


@dataclass(frozen=True)
class Split:
    """A catalog whose every record has a part, and what was left out on the way."""

    catalog: Catalog
    dropped: tuple[Dropped, ...]


def split(records: Iterable[Record], *, holdout: Collection[str] = (), seed: int = SEED) -> Split:
    """Give every record its part.

    Whole exams and measure-only data are for measuring. A data set (with its family) named in ``holdout`` is held out
    whole. A data set with more than one official part keeps them. Every other is split by group, stratified by data
    set, label and look (flag ``style=``). Groups named ``...-block<number>`` are neighbours in a row: the train slices next
    to a validation block are dropped.
    """
    everything = tuple(records)
    kept = [r for r in everything if CONFLICT_FLAG not in r.flags]
    dropped = [Dropped(r, CONFLICT_FLAG) for r in everything if CONFLICT_FLAG in r.flags]
    official = _sets_with_official_parts(kept)
    validation = _validation_groups([r for r in kept if _splits_by_group(r, official, holdout)], seed)
    assigned = [replace(r, part=_part(r, official, holdout, validation)) for r in kept]
    gap = _gap(assigned)
    dropped += [Dropped(r, "gap-beside-validation-block") for r in assigned if r.file in gap]
    return Split(Catalog(tuple(r for r in assigned if r.file not in gap)), tuple(dropped))


def _part(record: Record, official: Collection[str], holdout: Collection[str], validation: Collection[str]) -> Part:
    if record.measure_only or record.is_exam:
        return Part.MEASURE
    if held_out(record, holdout):
        return Part.HOLDOUT
    if record.dataset in official:
        return _OFFICIAL[record.split]
    return Part.VALIDATION if record.group in validation else Part.TRAIN


def held_out(record: Record, holdout: Collection[str]) -> bool:
    """Whether the record's data set, or one that may hold the same patients, is among those held out."""
    families = {FAMILIES.get(name, name) for name in holdout}
    return FAMILIES.get(record.dataset, record.dataset) in families


def _splits_by_group(record: Record, official: Collection[str], holdout: Collection[str]) -> bool:
    whole = record.measure_only or record.is_exam or held_out(record, holdout)
    return not whole and record.dataset not in official


def _sets_with_official_parts(records: Iterable[Record]) -> frozenset[str]:
    """Data sets whose every record has an official part, and not all the same one."""
    parts: dict[str, set[str]] = defaultdict(set)
    for record in records:
        parts[record.dataset].add(record.split)
    return frozenset(name for name, found in parts.items() if len(found) > 1 and found <= _OFFICIAL.keys())


def _validation_groups(records: Iterable[Record], seed: int) -> frozenset[str]:
    """Of each stratum the share of groups whose seeded hashes are smallest."""
    strata: dict[tuple[str, str], set[str]] = defaultdict(set)
    for group, members in _by_group(records).items():
        look = sorted({f"{r.label}" for r in members} | {f for r in members for f in r.flags if f.startswith("style=")})
        strata[min(r.dataset for r in members), ";".join(look)].add(group)
    chosen: set[str] = set()
    for (dataset, _), groups in strata.items():
        count = round(VALIDATION_SHARES.get(dataset, VALIDATION_SHARE) * len(groups))
        chosen.update(sorted(groups, key=lambda group: _hash(group, seed))[:count])
    return frozenset(chosen)


def _by_group(records: Iterable[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.group].append(record)
    return groups


def _hash(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()


def _gap(records: Iterable[Record]) -> frozenset[object]:
    """Files of train records within ``GAP`` places of a validation record in the same row of blocks."""
    rows: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if block := _BLOCK.match(record.group):
            rows[record.dataset, block["row"]].append(record)
    near: set[object] = set()
    for members in rows.values():
        ordered = sorted(members, key=_place)
        for i, record in enumerate(ordered):
            around = ordered[max(0, i - GAP) : i + GAP + 1]
            if record.part is Part.TRAIN and any(other.part is not Part.TRAIN for other in around):
                near.add(record.file)
    return frozenset(near)


def _place(record: Record) -> tuple[int, int, str]:
    block = _BLOCK.match(record.group)
    number = re.findall(r"\d+", record.file.stem)
    return int(block["number"]) if block else 0, int(number[-1]) if number else 0, record.file.name
