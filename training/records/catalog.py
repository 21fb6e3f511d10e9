"""Labelled records: what a data set's ``manifest.csv`` says, parsed and checked once.

``covidct-train prepare`` adds the column ``part`` and writes ``catalog.csv``, which this module reads back.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Self

from app.ct.errors import CovidCTError
from app.ct.exam import Exam
from app.ct.reading import NamedFile, read_exam
from training.records.files import beside_header, files_of, is_archive, is_volume, members
from training.records.labels import label_given
from training.records.tables import as_written, columns_of, filled_rows, known

MANIFEST = "manifest.csv"
CATALOG = "catalog.csv"
COLUMNS = ("file", "dataset", "label", "patient", "group", "split", "flags", "mask", "source")

# Data that is there to try and to measure on: whole exams and the masks that heat maps are measured against.
MEASURE_ONLY = frozenset({"exams", "medseg48"})


class CatalogError(CovidCTError):
    """A data set that cannot be used as it is. Rows are named by their line number, never by a patient."""

    code = "bad-catalog"
    title = "The data set cannot be used"
    advice = (
        "Correct manifest.csv (columns file,dataset,label,patient,group,split,flags,mask,source) and prepare again."
    )


class Part(StrEnum):
    """What a record may be used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    HOLDOUT = "holdout"
    MEASURE = "measure"


PART_NAMES = {"train": Part.TRAIN, "test": Part.TEST} | dict.fromkeys(("val", "valid", "validation"), Part.VALIDATION)
"""What data sets call their official parts, in small letters."""


@dataclass(frozen=True)
class Record:
    """One labelled image, or one labelled exam (a folder).

    Attributes:
        file: an image; or a folder or ZIP of slices, or a volume, which is an exam.
        label: 1 COVID-19, 0 not.
        dataset: the data set's short name; where not given, the folder of the manifest: folders below it are as often parts
            or classes, and a patient in two of them must stay one.
        patient: as the data set names it; empty where unknown.
        group: records that are never split; where not given, the patient, and where that is not known either, the file.
        split: the data set's official part; without that column, a folder of ``file`` named train, val or test; empty where
            it has none.
        flags: traps noted by the data set, such as ``tiny``.
        mask: lesion mask, 0 outside the lesions: of the image's size, or of an exam a volume that lies as it does.
        source: where the data set has it from.
        part: what the record may be used for; None before ``prepare``.
        former_group: before ``prepare`` merged groups, column ``row`` of its catalog; empty where it had no other.
        extra: further columns of the manifest, by name.
    """

    file: Path
    label: int
    dataset: str
    group: str
    patient: str = ""
    split: str = ""
    flags: frozenset[str] = frozenset()
    mask: Path | None = None
    source: str = ""
    part: Part | None = None
    former_group: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a label other than 0 and 1, and any use of measure-only data but measuring."""
        if self.label not in (0, 1):
            raise ValueError(f"label must be 0 or 1, got {self.label}")
        if self.measure_only and self.part not in (None, Part.MEASURE):
            raise ValueError(
                f"a record of {sorted(MEASURE_ONLY)} is there to measure, it can never be part {self.part}"
            )

    @property
    def measure_only(self) -> bool:
        """Whether the data set, or any folder the file lies in, is one that never trains."""
        return self.dataset in MEASURE_ONLY or not MEASURE_ONLY.isdisjoint(self.file.parts)

    @property
    def is_exam(self) -> bool:
        """Whether the record is a folder, a ZIP or a volume, that is a whole exam."""
        return self.file.is_dir() or is_archive(self.file) or is_volume(self.file)

    @property
    def original_size(self) -> tuple[int, int] | None:
        """Width and height before the data set was scaled down, where the manifest gives them."""
        width, height = self.value("orig_width"), self.value("orig_height")
        return (int(width), int(height)) if width.isdigit() and height.isdigit() else None

    @property
    def row(self) -> str:
        """Where the record stands among neighbors: its group, or the one it had before groups were merged. See ``rows``."""
        return self.former_group or self.group

    @property
    def is_alone(self) -> bool:
        """Whether nothing tells whose picture it is: it counts as a patient of its own."""
        return not (self.is_exam or self.patient) and self.row.endswith(self.file.name)

    def read(self) -> Exam:
        """Read the image or the exam as the service would.

        Raises:
            ExamError: it cannot be read.
        """
        if is_archive(self.file):
            return read_exam(members(self.file))
        if self.file.is_dir():
            return read_exam(files_of(self.file))
        return read_exam([NamedFile(p.name, p) for p in beside_header(self.file)])

    def value(self, column: str) -> str:
        """What the record holds in a column of the manifest, as text; empty where there is nothing."""
        match column:
            case "flags":
                return ";".join(sorted(self.flags))
            case "mask" | "part":
                return str(getattr(self, column) or "")
            case "row":
                return self.former_group
            case _ if column in COLUMNS:
                return str(getattr(self, column))
            case _:
                return dict(self.extra).get(column, "")


@dataclass(frozen=True)
class Catalog:
    """Records, in the order of their manifests."""

    records: tuple[Record, ...]

    @classmethod
    def read(cls, *paths: Path, where: Sequence[str] = ()) -> Self:
        """Read one or several data sets.

        Args:
            paths: each a folder with a manifest or a catalog, such a file itself, or a folder of exams (``folders``).
            where: conditions that the records fulfil, as ``where`` takes them; of others the files need not be there.

        Raises:
            CatalogError: a column, value or label missing or wrong, a file not there or listed twice, nothing to read.
        """
        sources = [_read(path) for path in paths]
        records = tuple(_told_apart(sources))
        if len({r.file for r in records}) < len(records):
            raise CatalogError("A file is listed more than once.")
        chosen = cls(records).where(*where)
        lines = {file: line for source in sources for file, line in source.lines.items()}
        for record in chosen.records:
            for column, path in (("file", record.file), ("mask", record.mask)):
                if path is not None and not path.exists():
                    raise CatalogError(f"{lines.get(record.file, 'Of a record')}: there is no such {column}.")
        return chosen

    def write(self, path: Path) -> None:
        """Write all columns and ``part`` as CSV; ``read`` gives the same catalog back."""
        columns = (*COLUMNS, "part", *sorted(self._further_columns))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([record.value(column) for column in columns] for record in self.records)

    @property
    def _further_columns(self) -> set[str]:
        names = {name for record in self.records for name, _ in record.extra}
        return names | {"row"} if any(record.former_group for record in self.records) else names

    def of_part(self, part: Part) -> tuple[Record, ...]:
        """The records of one part."""
        return tuple(r for r in self.records if r.part is part)

    def training(self) -> tuple[Record, ...]:
        """The records that may train; never one of measure-only data.

        Raises:
            CatalogError: there is none, or the catalog was not prepared.
        """
        records = self.of_part(Part.TRAIN)
        if not records:
            only = f" What lies in a folder named {' or '.join(sorted(MEASURE_ONLY))} is there to measure alone."
            raise CatalogError(
                "No record of the catalog is in part train; run `covidct-train prepare` first."
                + (only if any(record.measure_only for record in self.records) else "")
            )
        return records

    def where(self, *conditions: str) -> Self:
        """Keep the records that fulfil every condition.

        Args:
            conditions: each ``column=value`` or ``column!=value``; for ``flags``, whether the record has the flag.

        Raises:
            CatalogError: a condition has another form, or names a column the data sets do not have.
        """
        tests = [self._condition(text) for text in conditions]
        return type(self)(tuple(r for r in self.records if all(test(r) for test in tests)))

    def _condition(self, text: str) -> Callable[[Record], bool]:
        name, separator, wanted = text.partition("=")
        column = name.removesuffix("!").strip()
        known = {*COLUMNS, "part", *self._further_columns}
        if not separator or column not in known:
            raise CatalogError(f"{text!r} is not a condition such as split=test on one of {', '.join(sorted(known))}.")
        negated = name.endswith("!")

        # Data sets write the names of their parts as they like.
        alike = str.lower if column in ("split", "part") else str

        def fulfils(record: Record) -> bool:
            held = record.flags if column == "flags" else {record.value(column)}
            return (alike(wanted.strip()) in map(alike, held)) is not negated

        return fulfils


@contextmanager
def as_csv(name: str) -> Iterator[None]:
    """A file ``name`` is read as CSV within.

    Raises:
        CatalogError: it is no CSV in UTF-8.
    """
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{name} is no CSV file in UTF-8: save it as such.") from error


@dataclass(frozen=True)
class _Source:
    """One of the data sets that are read together.

    Attributes:
        home: the folder that it has its name from, where it does not say it itself.
        records: in order.
        lines: where each file is listed; empty where nothing lists them.
        has_names: whether it says itself which data set each record is of.
    """

    home: Path
    records: tuple[Record, ...]
    lines: dict[Path, str] = field(default_factory=dict)
    has_names: bool = True


def _told_apart(sources: Sequence[_Source]) -> Iterator[Record]:
    """All records; where several sources use a group's name, it gets that of the data set before it.

    A patient "1" of one hospital is not the patient "1" of another. What was prepared was told apart, or merged, before.
    """
    named = [tuple(_named(source, sources)) for source in sources]
    uses = Counter(name for records in named for name in {record.group for record in records})
    for record in chain.from_iterable(named):
        shared = record.part is None and uses[record.group] > 1
        yield replace(record, group=f"{record.dataset}/{record.group}") if shared else record


def _named(source: _Source, sources: Sequence[_Source]) -> Iterator[Record]:
    """A source's records; of a data set that has only a folder's name, and another source's too, under that of its home.

    Raises:
        CatalogError: several such homes have one name.
    """
    elsewhere = [other for other in sources if other.home != source.home]
    others = {record.dataset for other in elsewhere for record in other.records}
    homes = {other.home for other in elsewhere if not other.has_names}
    of_name = {home.name for home in homes}
    name = "/".join(source.home.parts[-2:]) if source.home.name in of_name else source.home.name
    for record in source.records:
        if source.has_names or record.part is not None or record.dataset not in others:
            yield record
            continue
        if any(home.parts[-2:] == source.home.parts[-2:] for home in homes):
            raise CatalogError(
                f"Several of the data sets are called {name}: write the column dataset into their manifests."
            )
        yield replace(record, dataset=name, group=f"{name}/{record.group}")


def _read(path: Path) -> _Source:
    """One data set."""
    for candidate in [path] if path.is_file() else [path / CATALOG, path / MANIFEST]:
        if candidate.is_file():
            return _read_csv(candidate)
    if not path.is_dir():
        raise CatalogError("There is no such folder as was given as data.")
    from training.records.folders import read_folder

    records, home = read_folder(path), path.resolve()
    return _Source(home if records[0].dataset == home.name else home.parent, records, has_names=False)


def _read_csv(path: Path) -> _Source:
    with as_csv(path.name), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        missing = {"file", "label"} - columns_of(rows)
        if missing:
            raise CatalogError(f"{path.name} lacks the column {' and '.join(sorted(missing))}.")
        found = dict(filled_rows(rows))
    records = {k: _record(row, folder=path.parent, line=k, name=path.name) for k, row in found.items()}
    lines = {record.file: f"Line {k} of {path.name}" for k, record in records.items()}
    has_names = any(row.get("dataset") for row in found.values())
    return _Source(path.resolve().parent, tuple(records.values()), lines, has_names=has_names)


def _record(row: dict[str, str], *, folder: Path, line: int, name: str) -> Record:
    try:
        return _parse(row, folder.resolve())
    except ValueError as error:
        raise CatalogError(f"Line {line} of {name}: {error}.") from error


def _parse(row: dict[str, str], folder: Path) -> Record:
    file = _inside(folder, row["file"], "file")
    label = label_given(row["label"])
    if label is None:
        raise ValueError("label must be 0 or 1, or a class such as covid or normal")
    dataset = row.get("dataset") or folder.name or "unnamed"
    patient = known(row.get("patient", ""))
    return Record(
        file=file,
        label=label,
        dataset=dataset,
        group=known(row.get("group", "")) or f"{dataset}/{patient or row['file']}",
        patient=patient,
        split=known(row["split"]) if "split" in row else _part_folder(file, folder),
        flags=frozenset(f.strip() for f in row.get("flags", "").split(";") if known(f)),
        mask=_inside(folder, mask, "mask") if (mask := known(row.get("mask", ""))) else None,
        source=row.get("source", ""),
        part=_part(row.get("part", "")),
        # Of a manifest the column may mean anything.
        former_group=row.get("row", "") if "part" in row else "",
        extra=tuple((k, v) for k, v in sorted(row.items()) if k not in (*COLUMNS, "part", "row")),
    )


def _inside(folder: Path, name: str, column: str) -> Path:
    """The path ``name`` means; a relative one must stay in the folder of its manifest."""
    path = as_written(name, folder)
    if not name or ".." in path.parts:
        raise ValueError(f"{column} must be a path in the folder of the manifest")
    return folder / path


def _part_folder(file: Path, folder: Path) -> str:
    """The official part that a file lies in by the name of a folder, as ``folders`` reads it; empty where none is."""
    inside = file.relative_to(folder).parts if file.is_relative_to(folder) else ()
    return next((name.lower() for name in inside[:-1] if name.lower() in PART_NAMES), "")


def _part(text: str) -> Part | None:
    try:
        return Part(text) if text else None
    except ValueError:
        raise ValueError(f"part must be one of {', '.join(Part)}") from None
