"""``covidct-train prepare``: read, check, split, refuse to go on over a leak, and write down what was decided."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.ct.errors import ExamError, Unreadable
from app.ct.words import sentence
from training.records.catalog import CATALOG, Catalog, CatalogError, Record
from training.records.duplicates import Fingerprint
from training.records.files import is_volume
from training.records.leaks import Look, alike, same_pictures, to_drop
from training.records.mask_volumes import MaskVolume
from training.records.masks import read_mask
from training.records.merging import groups_of_patients, merged, whole_patients
from training.records.prepared import Prepared, as_numbers
from training.records.prepared_page import page
from training.records.shortcuts import trivial_features
from training.records.split import SEED, Dropped, Fold, split

REPORT, PAGE = "prepare.json", "prepare.md"
_NAMED = 20
"""Pictures named in a remark; more of them would hide it."""


class LeakError(CatalogError):
    """The same patient or picture in training and in what training is judged on."""

    code = "leak"
    title = "The parts leak into each other"
    advice = "Give those records one group, or run `covidct-train prepare` again with --drop-leaks."


def prepare(
    data: Sequence[Path],
    work: Path,
    *,
    drop_leaks: bool = False,
    holdout: Collection[str] = (),
    fold: Fold | None = None,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Check and split data sets; write ``work/catalog.csv``, ``work/prepare.json`` and, for people, ``work/prepare.md``.

    Args:
        data: folders with a manifest, or of exams.
        work: folder to write into; a catalog of an earlier run is removed first.
        drop_leaks: whether to drop the training side of each leak instead of refusing.
        holdout: data sets that are held out whole.
        fold: the fold of every data set with both labels that becomes the test part.
        seed: of the split.
        progress: told what is going on, in words.

    Returns:
        What ``prepare.json`` holds.

    Raises:
        CatalogError: the data cannot be used.
        LeakError: records leak, and ``drop_leaks`` is not set; the report is written, the catalog is not.
    """
    work.mkdir(parents=True, exist_ok=True)
    (work / CATALOG).unlink(missing_ok=True)
    catalog = Catalog.read(*data)
    _know(holdout, catalog)
    looks, unreadable = _look_at(whole_patients(catalog.records), progress)
    if not looks:
        told = "; ".join(sorted({dropped.why for dropped in unreadable})) or "there is none."
        raise CatalogError(f"No record could be read: {told}")
    progress("looking for duplicates and leaks")
    pictures = list(same_pictures(looks))
    readable = merged([look.record for look in looks], pictures)
    parted = split(readable, holdout=holdout, fold=fold, seed=seed)
    records = parted.catalog.records
    if not records:
        told = ", ".join(sorted({dropped.why for dropped in parted.dropped}))
        raise CatalogError(f"No record is left to split: all that could be read were left out ({told}).")
    found = alike(pictures, records)
    leaks = [a for a in found if a.leaks]
    leaking = to_drop(leaks, records) if drop_leaks else frozenset()
    kept = _of([r for r in records if r.file not in leaking], looks)
    dropped = [*parted.dropped, *unreadable, *(Dropped(r, "leak") for r in records if r.file in leaking)]
    progress("measuring the shortcut baseline")
    decided = {"seed": seed, "holdout": sorted(holdout), "test_fold": str(fold or ""), "folded": list(parted.folded)}
    report = as_numbers(Prepared(kept, tuple(dropped), tuple(found), decided))
    if several := sum(len(groups) > 1 for groups in groups_of_patients(catalog.records)):
        report["remarks"].append(
            f"{several} patients are in several groups of their data set: each time these are one group here."
        )
    masked = {r.file for r in catalog.records if r.mask is not None}
    if lost := [look.record.file.name for look in kept if look.record.mask is None and look.record.file in masked]:
        named = ", ".join([*lost[:_NAMED], "…"] if len(lost) > _NAMED else lost)
        report["remarks"].append(
            f"{len(lost)} masks cannot be read, or do not fit their image or exam, and are not used: of {named}."
        )
    (work / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (work / PAGE).write_text(page(report), encoding="utf-8")
    if leaks and not drop_leaks:
        raise LeakError(f"{len(leaks)} pairs of records leak between the parts; {REPORT} lists them.")
    Catalog(tuple(look.record for look in kept)).write(work / CATALOG)
    return report


def _know(holdout: Collection[str], catalog: Catalog) -> None:
    unknown = set(holdout) - {r.dataset for r in catalog.records}
    if unknown:
        raise CatalogError(f"There is no data set {', '.join(sorted(unknown))} to hold out.")


def _of(records: Iterable[Record], looks: Iterable[Look]) -> tuple[Look, ...]:
    """What was seen of the records, with the groups and parts they have now."""
    seen = {look.record.file: look for look in looks}
    return tuple(replace(seen[record.file], record=record) for record in records)


def _look_at(records: Sequence[Record], progress: Callable[[str], None]) -> tuple[list[Look], list[Dropped]]:
    looks, unreadable = [], []
    for number, record in enumerate(records, start=1):
        try:
            looks.append(_look(record))
        except ExamError as error:
            unreadable.append(Dropped(record, f"{error.code}: {error.message}"))
        if number % 500 == 0 or number == len(records):
            progress(f"read {number} of {len(records)} files")
    return looks, unreadable


def _look(record: Record) -> Look:
    slices = [s.gray for s in record.read().slices]
    if len(slices) > 1 and not record.is_exam:
        raise Unreadable(sentence("One file holds several slices: give it a folder of its own, as an exam."))
    if record.mask is not None and not _has_use(record.mask, slices, of=record.file):
        # The picture is as good without it.
        record = replace(record, mask=None)
    features = trivial_features(slices[len(slices) // 2], record.original_size)
    return Look(record, fingerprints=tuple(Fingerprint.of(gray) for gray in slices), features=features)


def _has_use(mask: Path, slices: Sequence[np.ndarray], *, of: Path) -> bool:
    """Whether a mask can be read, is of the size of the slices of file ``of``, and a volume where there are several."""
    try:
        if is_volume(mask):
            return len(slices) > 1 and MaskVolume.read(mask).lesions[0].shape == slices[0].shape
        read_mask(mask, slices[0].shape, of=of)
    except CatalogError:
        return False
    return len(slices) == 1
