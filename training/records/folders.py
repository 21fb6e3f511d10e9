"""Records of a folder without a manifest: exams and pictures that lie in folders named after a class, or in ``labels.csv``.

``DATA/<class>/<exam>/...`` (files of one exam, at any depth), ``DATA/<class>/<exam>.zip`` (or a volume) and
``DATA/<class>/<picture>`` need nothing else. Folders named train, val or test above the class, or next below it, are official
parts; any other folder above it is a patient's, unless it holds both classes or all the files there are. ``DATA/<exam>/...``
needs ``DATA/labels.csv`` with the columns ``exam,label`` and, if known, ``patient``, ``group`` and ``split``; it comes first
where both are there.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.ct.reading import NamedFile
from app.ct.reading.kinds import Kind, kind_of
from app.ct.reading.walking import files_below
from training.records.catalog import PART_NAMES, CatalogError, Record, as_csv
from training.records.files import HEADER_SUFFIX, is_archive, is_data_of, is_volume
from training.records.labels import label_given, label_of
from training.records.tables import as_written, columns_of, filled_rows, known

LABELS = "labels.csv"
_PICTURES = frozenset({".png", ".jpg", ".jpeg"})
_NO_SLICES = frozenset(
    {".csv", ".tsv", ".txt", ".md", ".json", ".xml", ".html", ".pdf", ".xls", ".xlsx", ".db", ".ini"}
)


class Unlabeled(CatalogError):
    """A folder in which not every exam has a label."""

    code = "no-labels"
    title = "Labels are missing"
    advice = (
        f"Put the exams into folders named covid and non-covid, or write {LABELS} into the folder: a line `exam,label`, "
        "then for each exam its folder, ZIP or picture and its label, 1 or covid, 0 or non-covid."
    )


def read_folder(folder: Path) -> tuple[Record, ...]:
    """The records of a folder without a manifest, in the order of their names.

    Raises:
        Unlabeled: an exam has no label.
        CatalogError: ``labels.csv`` or the folders contradict themselves, or there is nothing to read.
    """
    folder = folder.resolve()
    return _listed(folder) if (folder / LABELS).is_file() else _classed(folder)


def _classed(folder: Path) -> tuple[Record, ...]:
    files = list(_slices(folder))
    if not files:
        raise CatalogError("There is no manifest.csv, no exam and no picture in the folder given as data.")
    depths = {file: _depth(folder, file) for file in files}
    # Beside folders of classes, the name of the folder that holds them says nothing of what lies in the others.
    least = 1 if any(depths.values()) else 0
    labelled = {file: depth for file, depth in depths.items() if depth is not None and depth >= least}
    if lost := len(files) - len(labelled):
        raise Unlabeled(f"{lost} of {len(files)} files lie in no folder that is named after a class.")
    wrappers = _wrappers(folder, labelled)
    found = {record.file: record for record in (_in_class(folder, *one, wrappers) for one in labelled.items())}
    return tuple(found[file] for file in sorted(found))


def _slices(folder: Path) -> Iterator[Path]:
    """Files that may be slices or archives of them."""
    for path in sorted(files_below(folder, _refuse)):
        hidden = any(name.startswith((".", "__MACOSX")) for name in path.relative_to(folder).parts)
        told = path.suffix.lower() in _NO_SLICES or path.name == "DICOMDIR" or _is_data(path)
        if not hidden and not told:
            yield path


def _refuse(error: OSError) -> None:
    raise CatalogError("A folder in the folder given as data cannot be opened.") from error


def _is_data(path: Path) -> bool:
    """Whether a file is read with the header of a volume that lies beside it."""
    headers = (path.with_suffix(suffix) for suffix in (HEADER_SUFFIX, HEADER_SUFFIX.upper()))
    return any(header.is_file() and is_data_of(path, header) for header in headers)


def _depth(folder: Path, file: Path) -> int | None:
    """Which of the folders a file lies in is named after a class, 0 the folder given itself; None for none of them."""
    names = (folder.name, *file.relative_to(folder).parts[:-1])
    named = [depth for depth, name in enumerate(names) if label_of(name) is not None]
    below = [depth for depth in named if depth > 0]
    if len({label_of(names[depth]) for depth in below}) == 2:
        raise CatalogError("A file lies in folders of both classes, one in the other.")
    return next(iter(below or named), None)


def _wrappers(folder: Path, depths: Mapping[Path, int]) -> frozenset[str]:
    """What ``_patient`` calls folders above the classes that are no patient's: they hold both classes, or all the files."""
    labels, files = defaultdict[tuple[str, ...], set[int | None]](set), Counter[str]()
    for file, depth in depths.items():
        names = (folder.name, *file.relative_to(folder).parts)
        above = names[1:depth]
        labels[above].add(label_of(names[depth]))
        files[_patient(above)] += 1
    of_both = {_patient(above) for above, found in labels.items() if len(found) == 2}
    return frozenset(of_both | {name for name, count in files.items() if count == len(depths)})


def _patient(above: Sequence[str]) -> str:
    """The folders above a class that are no parts."""
    return "/".join(name for name in above if name.lower() not in PART_NAMES)


def _in_class(folder: Path, file: Path, depth: int, wrappers: frozenset[str]) -> Record:
    """The record that a file is, or is part of, which lies in a class at that depth."""
    names = (folder.name, *file.relative_to(folder).parts)
    above, rest = names[1:depth], names[depth + 1 :]
    split = next((name.lower() for name in above if name.lower() in PART_NAMES), "")
    stands_alone = is_archive(file) or is_volume(file) or file.suffix.lower() in _PICTURES
    if len(rest) > (1 if stands_alone else 2) and rest[0].lower() in PART_NAMES:
        # Parts within the class, instead of classes within the part.
        split, rest = rest[0].lower(), rest[1:]
    end = len(names) - len(rest) + 1
    unit = file if len(rest) == 1 or is_archive(file) else folder.joinpath(*names[1:end])
    if unit == file and not stands_alone:
        raise _loose(file)
    patient = "" if (named := _patient(above)) in wrappers else named
    return Record(
        file=unit,
        label=label_of(names[depth]) or 0,
        dataset=folder.name if depth else folder.parent.name,
        group=f"{folder.name}/{patient}" if patient else "/".join(names[:end]),
        patient=patient,
        split=split,
    )


def _loose(file: Path) -> CatalogError:
    """Why a file cannot lie in the folder of a class itself, which is no picture, archive or volume by its name."""
    try:
        kind = kind_of(NamedFile(file.name, file))
    except OSError:
        return CatalogError("A file in the folder of a class cannot be opened.")
    if kind in (Kind.DICOM, Kind.IMAGE, Kind.VOLUME):
        named = "DICOM files" if kind is Kind.DICOM else "Files that are no picture, archive or volume by their names"
        return CatalogError(f"{named} lie in the folder of a class itself: give every exam a folder of its own.")
    return CatalogError(
        "A file in the folder of a class is of a kind that is not read: PNG, JPEG, a ZIP and volumes are."
    )


def _listed(folder: Path) -> tuple[Record, ...]:
    with as_csv(LABELS), (folder / LABELS).open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not {"exam", "label"} <= columns_of(rows):
            raise Unlabeled(f"{LABELS} lacks the columns exam and label.")
        records = tuple(_row(row, folder, line) for line, row in filled_rows(rows))
    _check(records, folder)
    return records


def _row(row: dict[str, str], folder: Path, line: int) -> Record:
    label = label_given(row["label"])
    if label is None:
        raise Unlabeled(f"Line {line} of {LABELS}: the label is none that is known here.")
    name = as_written(row["exam"], folder)
    found = [p for p in (folder / name, folder / f"{name}.zip") if row["exam"] and p.exists()]
    if not found or ".." in name.parts or name.is_absolute():
        raise CatalogError(f"Line {line} of {LABELS}: there is no such exam in the folder.")
    patient = known(row.get("patient") or "")
    return Record(
        file=found[0],
        label=label,
        dataset=folder.name,
        group=known(row.get("group", "")) or f"{folder.name}/{patient or row['exam']}",
        patient=patient,
        split=known(row.get("split", "")),
    )


def _check(records: Sequence[Record], folder: Path) -> None:
    listed = {r.file for r in records}
    if len(listed) < len(records):
        raise CatalogError(f"{LABELS} lists an exam more than once.")
    lost = sum(listed.isdisjoint((file, *file.parents)) for file in _slices(folder))
    if lost:
        raise Unlabeled(f"{lost} files belong to no exam that {LABELS} lists.")
