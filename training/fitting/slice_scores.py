"""``scores.csv`` of a run: what its network says of every labelled slice, whichever network it is.

``covidct-train compare`` works from this table and run.json alone, so that networks that are never served can be compared.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from training.records.catalog import Part, Record
from training.run import RunError

FILE_NAME = "scores.csv"
COLUMNS = ("file", "dataset", "group", "label", "part", "logit", "learned")


@dataclass(frozen=True, eq=False)
class SliceScores:
    """Scores of slices, one row each.

    Attributes:
        files: str (slices,), as the catalog names them.
        datasets, groups: str (slices,).
        labels: int (slices,), 1 for COVID-19.
        parts: str (slices,), of ``training.records.catalog.Part``.
        logits: float32 (slices,), of the network, before calibration, of the slice as it would be served.
        learned: bool (slices,), whether the network learned from it; a recipe may draw a few of the training part, or leave
            labels out.
    """

    files: np.ndarray
    datasets: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    logits: np.ndarray
    learned: np.ndarray

    @classmethod
    def of(cls, records: Sequence[Record], logits: np.ndarray, *, learned: np.ndarray) -> Self:
        """Scores of records that are images.

        Args:
            records: one a slice.
            logits: float (slices,).
            learned: bool (slices,).

        Raises:
            ValueError: there is not one finite logit a record.
        """
        if len(records) != len(logits) or not np.isfinite(logits).all():
            raise ValueError("every record needs one finite logit")
        return cls(
            np.array([str(r.file) for r in records], dtype=np.str_),
            np.array([r.dataset for r in records], dtype=np.str_),
            np.array([r.group for r in records], dtype=np.str_),
            np.array([r.label for r in records], dtype=np.int64),
            np.array([str(r.part or "") for r in records], dtype=np.str_),
            np.asarray(logits, dtype=np.float32),
            np.asarray(learned, dtype=np.bool_),
        )

    @classmethod
    def read(cls, run_folder: Path) -> Self:
        """Read the table of a run.

        Raises:
            RunError: it is missing or not valid.
        """
        try:
            with (run_folder / FILE_NAME).open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            # Older runs do not tell.
            rows = [{"learned": int(row["part"] == Part.TRAIN)} | row for row in rows]
            columns = {name: [row[name] for row in rows] for name in COLUMNS}
            labels, logits = np.array(columns["label"], np.int64), np.array(columns["logit"], np.float32)
            learned = np.array(columns["learned"], np.int64)
        except OSError as error:
            raise RunError(f"There is no {FILE_NAME} in the run's folder.") from error
        except (KeyError, ValueError) as error:
            raise RunError(f"{FILE_NAME} of the run is not valid; its columns are {', '.join(COLUMNS)}.") from error
        known = set(columns["part"]) <= {str(part) for part in Part}
        binary = np.isin([labels, learned], (0, 1)).all()
        if not (rows and known and binary and np.isfinite(logits).all()):
            raise RunError(f"{FILE_NAME} of the run is not valid: it is empty, or a part, label or logit is not one.")
        files, datasets, groups, parts = (np.array(columns[k], np.str_) for k in ("file", "dataset", "group", "part"))
        return cls(files, datasets, groups, labels, parts, logits, learned == 1)

    def write(self, run_folder: Path) -> None:
        """Write the table into the run's folder, whole or not at all."""
        aside = run_folder / f"{FILE_NAME}.tmp"
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            logits = [f"{logit:.9g}" for logit in self.logits]
            columns = (
                self.files,
                self.datasets,
                self.groups,
                self.labels,
                self.parts,
                logits,
                self.learned.astype(int),
            )
            writer.writerows(zip(*columns, strict=True))
        aside.rename(run_folder / FILE_NAME)

    def where(self, rows: np.ndarray) -> Self:
        """Some of the slices: bool or int (slices,)."""
        return type(self)(*(array[rows] for array in vars(self).values()))
