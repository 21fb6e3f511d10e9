"""``covidct-train prepare``: read, check, split, refuse to go on over a leak, and write down what was decided."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.ct.errors import ExamError, Unreadable
from training.catalog import CATALOG, Catalog, CatalogError, Part, Record
from training.duplicates import Fingerprint, pairs
from training.shortcuts import shortcut_aucs, trivial_features
from training.split import SEED, Dropped, split

REPORT = "prepare.json"

# From what the network learns to what it is judged on: of a leak, the side nearer to learning is dropped.
_NEARNESS = {Part.TRAIN: 0, Part.VALIDATION: 1, Part.TEST: 2, Part.HOLDOUT: 2, Part.MEASURE: 2}


class LeakError(CatalogError):
    """The same patient or picture in training and in what training is judged on."""

    code = "leak"
    title = "The parts leak into each other"
    advice = "Give those records one group, or run `covidct-train prepare` again with --drop-leaks."


@dataclass(frozen=True, eq=False)
class Look:
    """One record as read: fingerprints of its pictures (several for an exam) and its trivial features."""

    record: Record
    fingerprints: tuple[Fingerprint, ...]
    features: np.ndarray


@dataclass(frozen=True)
class Alike:
    """Two records that hold the same picture, nearly, or are of one group, across parts or labels."""

    first: Record
    second: Record
    kind: str
    correlation: float | None = None

    @property
    def leaks(self) -> bool:
        """Whether the two are in parts of which one is judged by the other."""
        return _nearness(self.first) != _nearness(self.second)

    @property
    def nearer_to_training(self) -> Record:
        """The record to drop so that the leak is closed."""
        return min(self.first, self.second, key=_nearness)


def prepare(
    data: Sequence[Path],
    work: Path,
    *,
    drop_leaks: bool = False,
    holdout: Collection[str] = (),
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Check and split data sets; write ``work/catalog.csv`` and ``work/prepare.json``.

    Args:
        data: folders with a manifest.
        work: folder to write into; a catalog of an earlier run is removed first.
        drop_leaks: whether to drop the training side of each leak instead of refusing.
        holdout: data sets that are held out whole.
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
    parted = split(catalog.records, holdout=holdout, seed=seed)
    looks, unreadable = _look_at(parted.catalog.records, progress)
    progress("looking for duplicates and leaks")
    found = [*_alike_pictures(looks), *_split_groups(looks)]
    leaks = [a for a in found if a.leaks]
    leaking = {a.nearer_to_training.file for a in leaks}
    kept = [look for look in looks if not (drop_leaks and look.record.file in leaking)]
    dropped = [*parted.dropped, *unreadable]
    dropped += [Dropped(look.record, "leak") for look in looks if drop_leaks and look.record.file in leaking]
    report = _report(kept, dropped=dropped, found=found, seed=seed, holdout=holdout)
    (work / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if leaks and not drop_leaks:
        raise LeakError(f"{len(leaks)} pairs of records leak between the parts; {REPORT} lists them.")
    Catalog(tuple(look.record for look in kept)).write(work / CATALOG)
    return report


def _know(holdout: Collection[str], catalog: Catalog) -> None:
    unknown = set(holdout) - {r.dataset for r in catalog.records}
    if unknown:
        raise CatalogError(f"There is no data set {', '.join(sorted(unknown))} to hold out.")


def _look_at(records: Sequence[Record], progress: Callable[[str], None]) -> tuple[list[Look], list[Dropped]]:
    looks, unreadable = [], []
    for number, record in enumerate(records, start=1):
        try:
            looks.append(_look(record))
        except ExamError as error:
            unreadable.append(Dropped(record, f"{error.code}: {error.message}"))
        except (OSError, Image.DecompressionBombError):
            unreadable.append(Dropped(record, "unreadable: The mask cannot be read."))
        if number % 500 == 0 or number == len(records):
            progress(f"read {number} of {len(records)} files")
    return looks, unreadable


def _look(record: Record) -> Look:
    slices = [s.gray for s in record.read().slices]
    if record.mask is not None and _size(record.mask) != slices[0].shape:
        raise Unreadable("The mask has another size than the image.")
    features = trivial_features(slices[len(slices) // 2], record.original_size)
    return Look(record, fingerprints=tuple(Fingerprint.of(gray) for gray in slices), features=features)


def _size(mask: Path) -> tuple[int, int]:
    """Height and width."""
    with Image.open(mask, formats=("PNG", "JPEG")) as picture:
        return picture.height, picture.width


def _alike_pictures(looks: Sequence[Look]) -> Iterator[Alike]:
    owners = [look.record for look in looks for _ in look.fingerprints]
    for pair in pairs([f for look in looks for f in look.fingerprints]):
        first, second = owners[pair.first], owners[pair.second]
        if first.part is not second.part or first.label != second.label:
            yield Alike(first, second, kind=pair.kind, correlation=pair.correlation)


def _split_groups(looks: Sequence[Look]) -> Iterator[Alike]:
    """Every record that is nearer to training than another of its group, with that other."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for look in looks:
        groups[look.record.group].append(look.record)
    for members in groups.values():
        farthest = max(members, key=_nearness)
        yield from (Alike(r, farthest, kind="group") for r in members if _nearness(r) < _nearness(farthest))


def _nearness(record: Record) -> int:
    return _NEARNESS[record.part or Part.TRAIN]


def _report(
    looks: Sequence[Look],
    *,
    dropped: Sequence[Dropped],
    found: Sequence[Alike],
    seed: int,
    holdout: Collection[str],
) -> dict[str, Any]:
    records = [look.record for look in looks]
    features = np.array([look.features for look in looks]).reshape(len(looks), -1)
    return {
        "seed": seed,
        "holdout": sorted(holdout),
        "records": len(records),
        "counts": _counts(records),
        "dropped": dict(sorted(Counter(d.why for d in dropped).items())),
        "dropped_records": [_named(d.record) | {"why": d.why} for d in dropped],
        "leaks": [_pair(a) for a in found if a.leaks],
        "duplicates": [_pair(a) for a in found if not a.leaks],
        "shortcut_auc": shortcut_aucs(records, features),
    }


def _counts(records: Sequence[Record]) -> list[dict[str, str | int]]:
    rows: dict[tuple[str, int, str], list[Record]] = {}
    for record in records:
        rows.setdefault((record.dataset, record.label, str(record.part)), []).append(record)
    return [
        {"dataset": d, "label": label, "part": part, "records": len(rs), "groups": len({r.group for r in rs})}
        for (d, label, part), rs in sorted(rows.items())
    ]


def _named(record: Record) -> dict[str, Any]:
    return {"file": str(record.file), "dataset": record.dataset, "label": record.label, "part": record.part}


def _pair(alike: Alike) -> dict[str, Any]:
    pair = {"kind": alike.kind, "first": _named(alike.first), "second": _named(alike.second)}
    return pair if alike.correlation is None else pair | {"correlation": alike.correlation}
