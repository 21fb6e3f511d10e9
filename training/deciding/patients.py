"""Validation patients as small exams, as sent and with healthy slices of other people among theirs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.deciding.decisions import JUDGED_ON, Judged
from training.imaging.looks import is_healthy
from training.records.catalog import Record

HEALTHY_PER_SLICE = (0, 1, 3)
"""Healthy slices mixed in, per slice of the patient's own: as sent, and as disease on a half and a quarter of an exam."""
_LEAST_SLICES = 2
"""A patient with fewer slices says nothing about how slices add up to an exam."""


@dataclass(frozen=True, eq=False)
class Patient:
    """A validation patient's slices, as sent or among healthy ones.

    Attributes:
        cell: data set, or one style of it.
        label: 1 COVID-19.
        group: names the patient, alike for all mixtures.
        logits: float (slices,), calibrated by slice.
        healthy_per_slice: healthy slices of others among them, per slice of the patient's own.
    """

    cell: str
    label: int
    group: str
    logits: np.ndarray
    healthy_per_slice: int = 0

    @property
    def dataset(self) -> str:
        """The data set of the cell."""
        return self.cell.partition("/")[0]


def patients_of(scored: Judged) -> list[Patient]:
    """Every patient with several slices, all of one class."""
    groups, found = np.asarray(scored.patients), []
    for name in np.unique(groups[groups != ""]):
        mine = np.flatnonzero(groups == name)
        if len(mine) >= _LEAST_SLICES and len(np.unique(scored.labels[mine])) == 1:
            found.append(Patient(scored.cells[mine[0]], int(scored.labels[mine[0]]), str(name), scored.logits[mine]))
    return found


def with_healthy(patients: Sequence[Patient], healthy: np.ndarray, *, seed: int = 0) -> list[Patient]:
    """Each patient as sent and among healthy slices.

    Args:
        patients: as sent.
        healthy: float (slices,), calibrated logits of healthy validation slices; with none, patients stay as sent.
        seed: of the draw.
    """
    rng, mixed = np.random.default_rng(seed), []
    for patient in patients:
        for count in HEALTHY_PER_SLICE if len(healthy) else (0,):
            drawn = rng.choice(healthy, count * len(patient.logits)) if count else np.empty(0)
            together = np.concatenate([patient.logits, drawn])
            mixed.append(replace(patient, logits=together, healthy_per_slice=count))
    return mixed


def is_other_healthy(record: Record) -> bool:
    """Whether a record shows a healthy person of a data set that no patients are taken from."""
    return is_healthy(record) and record.dataset not in JUDGED_ON
