"""What ``prepare`` found and decided, as ``prepare.json`` holds it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.records.catalog import Part, Record
from training.records.leaks import Alike, Look
from training.records.shortcuts import shortcut_figures
from training.records.split import Dropped, official_part


@dataclass(frozen=True, eq=False)
class Prepared:
    """What came out.

    Attributes:
        looks: of the records kept.
        dropped: records left out.
        found: records alike, of those that were read.
        decided: seed, data sets held out, folds.
    """

    looks: tuple[Look, ...]
    dropped: tuple[Dropped, ...]
    found: tuple[Alike, ...]
    decided: Mapping[str, Any]


def as_numbers(prepared: Prepared) -> dict[str, Any]:
    """What ``prepare.json`` holds: names of files stand there and nowhere else."""
    records = [look.record for look in prepared.looks]
    features = np.array([look.features for look in prepared.looks]).reshape(len(records), -1)
    news = [a for a in prepared.found if not a.expected]
    return {
        **prepared.decided,
        "records": len(records),
        "exams": sum(r.is_exam for r in records),
        "counts": part_counts(records),
        "dropped": dict(sorted(Counter(d.why for d in prepared.dropped).items())),
        "dropped_records": [_named(d.record) | {"why": d.why} for d in prepared.dropped],
        "leaks": [_pair(a) for a in news if a.leaks],
        "label_conflicts": [_pair(a) for a in news if a.contradicts],
        "duplicates": [_pair(a) for a in news if not (a.leaks or a.contradicts)],
        "alike": _alike_counts(prepared.found),
        "remarks": _remarks(records, prepared.found),
        "shortcut": shortcut_figures(records, features),
    }


def part_counts(records: Sequence[Record]) -> list[dict[str, str | int]]:
    """Records and groups of each data set, label and part."""
    rows: dict[tuple[str, int, str], list[Record]] = {}
    for record in records:
        rows.setdefault((record.dataset, record.label, str(record.part)), []).append(record)
    return [
        {"dataset": d, "label": label, "part": part, "records": len(rs), "groups": len({r.group for r in rs})}
        for (d, label, part), rs in sorted(rows.items())
    ]


def _alike_counts(found: Iterable[Alike]) -> list[dict[str, Any]]:
    """How many pairs of which data sets are alike, and in what way."""
    rows = Counter((*sorted((a.first.dataset, a.second.dataset)), a.kind, _meaning(a)) for a in found)
    names = ("dataset", "other", "kind", "meaning", "pairs")
    return [dict(zip(names, (*row, count), strict=True)) for row, count in sorted(rows.items())]


def _meaning(alike: Alike) -> str:
    if alike.leaks:
        return "leak and label conflict" if alike.contradicts else "leak"
    if alike.contradicts:
        return "label conflict"
    if alike.merged:
        return "groups merged"
    return "same group" if alike.first.group == alike.second.group else "neighboring blocks"


def without_patients(records: Sequence[Record]) -> list[str]:
    """Data sets that tell of no picture whose it is, by name; with the label where they do so of one label alone."""
    loose = [r for r in records if not r.is_exam]
    there = {(r.dataset, r.label) for r in loose}
    alone = there - {(r.dataset, r.label) for r in loose if not r.is_alone}
    whole = {dataset for dataset, _ in alone} - {dataset for dataset, _ in there - alone}
    return sorted({dataset if dataset in whole else f"{dataset} (label {label})" for dataset, label in alone})


def _remarks(records: Sequence[Record], found: Sequence[Alike]) -> list[str]:
    exams = sum(r.is_exam for r in records)
    alone = without_patients(records)
    strange = {r.dataset for r in records if r.split and official_part(r) is None}
    merged = len({a.first.group for a in found if a.merged})
    parts = {(r.part, r.label) for r in records}
    unjudged = [
        str(label) for label in (0, 1) if (Part.TRAIN, label) in parts and (Part.VALIDATION, label) not in parts
    ]
    beside = {frozenset((a.first.group, a.second.group)) for a in found if a.first.group != a.second.group}
    said = [
        f"{exams} records are whole exams: they are for measuring (part {Part.MEASURE}), never for training."
        if exams
        else "",
        f"What {', '.join(sorted(strange))} call official parts is none of train, val and test, and is not followed."
        if strange
        else "",
        f"No patient or group is known in {', '.join(alone)}: every record counts as a patient of its own, so parts may share "
        "patients unseen and intervals are too narrow. Write a manifest with the column group."
        if alone
        else "",
        f"{merged} times several groups share a picture, so they are one patient under several names: each time they are one "
        "group here."
        if merged
        else "",
        f"{len(beside)} pairs of neighboring blocks share a picture, the patient at their border: what of it lies on both sides "
        "of the split is a leak."
        if beside
        else "",
        f"Part {Part.VALIDATION} holds no record of label {' or '.join(unjudged)}, and no group of it could be spared: there is "
        "nothing to choose a threshold on."
        if unjudged
        else "",
    ]
    return [sentence for sentence in said if sentence]


def _named(record: Record) -> dict[str, Any]:
    return {"file": str(record.file), "dataset": record.dataset, "label": record.label, "part": record.part}


def _pair(alike: Alike) -> dict[str, Any]:
    pair = {"kind": alike.kind, "first": _named(alike.first), "second": _named(alike.second)}
    return pair if alike.correlation is None else pair | {"correlation": alike.correlation}
