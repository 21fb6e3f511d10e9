"""Which part each record belongs to: by group, decided from names and a fixed seed, never from the order of records."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from training.records.catalog import PART_NAMES, Catalog, CatalogError, Part, Record
from training.records.rows import in_gap

SEED = 0
VALIDATION_SHARE = 0.15
# Sets that answer "which disease" by patient are few and small, so more of each is held out.
VALIDATION_SHARES = {"drenet": 0.20, "sy575demo": 0.20}
# Data sets that may hold the same patients under other names: they stay on one side when one of them is held out.
FAMILIES = {"sy575demo": "drenet"}

CONFLICT_FLAG = "label-conflict-same-image-in-both-classes"
# From what the network learns to what it is judged on.
_NEARNESS = {Part.TRAIN: 0, Part.VALIDATION: 1, Part.TEST: 2, Part.HOLDOUT: 2, Part.MEASURE: 2}


@dataclass(frozen=True)
class Fold:
    """The one of ``of`` folds, 1 the first, that is the test part."""

    number: int
    of: int

    def __post_init__(self) -> None:
        """Refuse a fold that does not exist."""
        if not (self.of >= 2 and 1 <= self.number <= self.of):
            raise ValueError(f"there is no fold {self.number}/{self.of}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``I/K``.

        Raises:
            CatalogError: it has another form, or I is not one of 1 ... K.
        """
        try:
            number, of = re.fullmatch(r"(\d+)/(\d+)", text.strip()).groups()  # type: ignore[union-attr]
            return cls(int(number), int(of))
        except (AttributeError, ValueError) as error:
            raise CatalogError(f"{text!r} is not a fold such as 2/5, the second of five.") from error

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Dropped:
    """A record left out, and why."""

    record: Record
    why: str


@dataclass(frozen=True)
class Split:
    """A catalog whose every record has a part, what was left out on the way, and which data sets were folded."""

    catalog: Catalog
    dropped: tuple[Dropped, ...]
    folded: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """What decides a record's part, first to last.

    Attributes:
        holdout: data sets held out whole, with their families.
        folded: data sets of which one fold is the test part; their official parts are set aside.
        official: data sets that keep their official parts.
        without_validation: those of them that have none to validate on; groups of their training part do.
        test, validation: groups.
    """

    holdout: Collection[str]
    folded: Collection[str] = frozenset()
    official: Collection[str] = frozenset()
    without_validation: Collection[str] = frozenset()
    test: Collection[str] = frozenset()
    validation: Collection[str] = frozenset()

    def part(self, record: Record) -> Part:
        if record.measure_only or record.is_exam:
            return Part.MEASURE
        if self._aside(record):
            return Part.HOLDOUT
        if not self.parted(record):
            return official_part(record) or Part.TRAIN
        if record.group in self.test and record.dataset in self.folded:
            return Part.TEST
        return Part.VALIDATION if record.group in self.validation else Part.TRAIN

    def parted(self, record: Record) -> bool:
        """Whether its group decides if the record trains or validates, and not its data set."""
        if record.dataset not in self.official:
            return True
        return record.dataset in self.without_validation and official_part(record) is Part.TRAIN

    def drops(self, record: Record) -> bool:
        """Whether the record's data set is a relative of a folded one: its patients may be those of the test fold."""
        relative = FAMILIES.get(record.dataset) in self.folded
        return relative and self.part(record) in (Part.TRAIN, Part.VALIDATION)

    def _aside(self, record: Record) -> bool:
        """Held out, or officially test in a data set whose other parts are not kept."""
        blind = record.dataset not in self.official and official_part(record) is Part.TEST
        return held_out(record, self.holdout) or blind


def split(
    records: Iterable[Record], *, holdout: Collection[str] = (), fold: Fold | None = None, seed: int = SEED
) -> Split:
    """Give every record its part.

    Whole exams and measure-only data are for measuring. A data set (with its family) named in ``holdout`` is held out
    whole. A data set whose records all have an official part, of more than one, keeps them, but gives groups of its
    training part to validation where it has none. Of every other what is officially its test part is held out, and the
    rest is split by group, stratified by data set, label and look (flag ``style=``). Where validation would hold no
    record of a label, it gets a group of each stratum of several. Groups named ``...-block<number>`` are neighbors in a
    row: the slices next to a block that is farther from training are dropped.

    With ``fold`` every data set with both labels is split by group into folds, of which one is part test; its official
    parts are not kept, and data sets of its family are dropped. The rest is split into train and validation as ever.
    """
    everything = tuple(records)
    kept = [r for r in everything if CONFLICT_FLAG not in r.flags]
    dropped = [Dropped(r, CONFLICT_FLAG) for r in everything if CONFLICT_FLAG in r.flags]
    plan = _plan(kept, holdout, fold, seed)
    dropped += [Dropped(r, "relative-of-a-folded-data-set") for r in kept if plan.drops(r)]
    assigned = [replace(r, part=plan.part(r)) for r in kept if not plan.drops(r)]
    gap = in_gap(assigned, nearness)
    dropped += [Dropped(r, "gap-beside-held-out-block") for r in assigned if r.file in gap]
    return Split(Catalog(tuple(r for r in assigned if r.file not in gap)), tuple(dropped), tuple(sorted(plan.folded)))


def official_part(record: Record) -> Part | None:
    """Which part the data set itself says; None where it says nothing, or nothing that is known here."""
    return PART_NAMES.get(record.split.lower())


def nearness(record: Record) -> int:
    """0 for what trains, 1 for what is chosen by, 2 for what is judged on; no patient may have two of them."""
    return _NEARNESS[record.part or Part.TRAIN]


def held_out(record: Record, holdout: Collection[str]) -> bool:
    """Whether the record's data set, or one that may hold the same patients, is among those held out."""
    families = {FAMILIES.get(name, name) for name in holdout}
    return FAMILIES.get(record.dataset, record.dataset) in families


def _plan(records: Sequence[Record], holdout: Collection[str], fold: Fold | None, seed: int) -> _Plan:
    plan = _Plan(holdout)
    if fold is not None:
        plan = replace(plan, folded=_with_both_labels([r for r in records if plan.part(r) is Part.TRAIN]))
        in_folds = [r for r in records if r.dataset in plan.folded and plan.part(r) is Part.TRAIN]
        plan = replace(plan, test=_fold_groups(in_folds, fold, seed))
    parts = _official_parts(records, plan.folded)
    without = frozenset(name for name, found in parts.items() if Part.VALIDATION not in found)
    plan = replace(plan, official=frozenset(parts), without_validation=without)
    fixed = {r.group for r in records if not plan.parted(r)}
    free = [r for r in records if r.dataset not in plan.official or (plan.parted(r) and r.group not in fixed)]
    by_group = [r for r in free if plan.part(r) is Part.TRAIN]
    chosen = _validation_groups(by_group, seed)
    plan = replace(plan, validation=chosen)
    validated = {r.label for r in records if plan.part(r) is Part.VALIDATION and not plan.drops(r)}
    scarce = [r for r in by_group if r.label not in validated]
    return replace(plan, validation=chosen | _validation_groups(scarce, seed, least=1))


def _with_both_labels(records: Iterable[Record]) -> frozenset[str]:
    """Data sets to fold; a relative follows its family and is none of them."""
    labels: dict[str, set[int]] = defaultdict(set)
    for record in records:
        labels[record.dataset].add(record.label)
    both = {name for name, found in labels.items() if len(found) == 2}
    return frozenset(name for name in both if FAMILIES.get(name) not in both)


def _official_parts(records: Iterable[Record], folded: Collection[str]) -> dict[str, set[Part | None]]:
    """The parts of data sets, but for those folded, whose every record has an official part, and not all the same one."""
    parts: dict[str, set[Part | None]] = defaultdict(set)
    for record in records:
        parts[record.dataset].add(official_part(record))
    kept = parts.keys() - frozenset(folded)
    return {name: parts[name] for name in kept if len(parts[name]) > 1 and None not in parts[name]}


def _validation_groups(records: Iterable[Record], seed: int, *, least: int = 0) -> frozenset[str]:
    """Of each stratum the share of groups whose seeded hashes are smallest, ``least`` of them where one more is left."""
    chosen: set[str] = set()
    for (dataset, _), groups in _strata(records).items():
        count = round(VALIDATION_SHARES.get(dataset, VALIDATION_SHARE) * len(groups))
        count = max(count, min(least, len(groups) - 1))
        chosen.update(sorted(groups, key=lambda group: _hash(group, f"{seed}"))[:count])
    return frozenset(chosen)


def _fold_groups(records: Iterable[Record], fold: Fold, seed: int) -> frozenset[str]:
    """Of each data set the groups of one fold: dealt out like cards, stratum after stratum."""
    dealt: dict[str, list[str]] = defaultdict(list)
    for (dataset, _), groups in sorted(_strata(records).items()):
        dealt[dataset] += sorted(groups, key=lambda group: _hash(group, f"{seed}:fold"))
    return frozenset(group for groups in dealt.values() for group in groups[fold.number - 1 :: fold.of])


def _strata(records: Iterable[Record]) -> dict[tuple[str, str], set[str]]:
    """Groups by data set, and by labels and looks."""
    strata: dict[tuple[str, str], set[str]] = defaultdict(set)
    for group, members in _by_group(records).items():
        look = sorted({f"{r.label}" for r in members} | {f for r in members for f in r.flags if f.startswith("style=")})
        strata[min(r.dataset for r in members), ";".join(look)].add(group)
    return strata


def _by_group(records: Iterable[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.group].append(record)
    return groups


def _hash(group: str, seed: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
