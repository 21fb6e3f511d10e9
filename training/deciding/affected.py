"""How much of the lung is affected: the estimate fitted on lesion masks that people have drawn.

Places of the evidence map count from a threshold on, and their share of the lung is multiplied by a slope. Both are chosen by
leaving out one patient after the other; what is left over then is the error that every estimate carries. Healthy people,
of whom nothing is affected, are fitted with the ill ones. Sets that are there to measure on never come in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.ct.affected import AffectedSpec, error_scale
from app.ct.classifier import lung_on_grid
from app.ct.preprocessing import Prepared, Preprocessor
from training.deciding.patients import is_other_healthy
from training.imaging.looks import coverage_on_grid, mask_in_box, prepare_record
from training.records.catalog import CatalogError, Part, Record

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 13))
LEVEL = 0.9
_LEAST_PATIENTS = 5
"""Patients with masks; with fewer there is no error to be told."""
_BETTER = 0.8
"""Of the error of telling everybody the same share: what an estimate must stay below to be told."""
_BATCH = 16

EvidenceOf = Callable[[Sequence[Prepared]], np.ndarray]
"""Evidence maps of prepared slices, float (slices, rows, columns), 0..1."""


@dataclass(frozen=True, eq=False)
class Extent:
    """One slice of which it is known how much is affected.

    Attributes:
        patient: names the patient; empty for a healthy person of whom there is one slice.
        evidence: float32 (rows, columns), 0..1.
        lung: float32 (rows, columns), share of each place that is lung.
        lesion: float32 (rows, columns), share of each place that is lesion.
        pixels: of the box.
    """

    patient: str
    evidence: np.ndarray
    lung: np.ndarray
    lesion: np.ndarray
    pixels: int

    @property
    def true_areas(self) -> tuple[float, float]:
        """Lung with all lesions, and lesions, in pixels."""
        return float(np.maximum(self.lung, self.lesion).mean() * self.pixels), float(self.lesion.mean() * self.pixels)

    def areas(self, threshold: float) -> tuple[float, float]:
        """Lung and what of it looks affected, in pixels, as ``app.ct.affected.lung_areas`` measures them."""
        places = self.evidence >= threshold
        return float(np.maximum(self.lung, places).mean() * self.pixels), float(places.mean() * self.pixels)


def teaches_extent(record: Record) -> bool:
    """Whether a record may be fitted: lesions drawn by people, or a healthy validation slice; never measure-only data."""
    if record.measure_only:
        return False
    has_mask = record.mask is not None and record.part in (Part.TRAIN, Part.VALIDATION)
    return has_mask or (is_other_healthy(record) and record.part is Part.VALIDATION)


def extents(records: Sequence[Record], preprocessor: Preprocessor, evidence_of: EvidenceOf) -> Iterator[Extent]:
    """Records with what the network sees on them and what there is; those without lungs are passed over.

    Args:
        records: with a mask, or healthy.
        preprocessor: the model's.
        evidence_of: the model's evidence maps.
    """
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        seen = [prepare_record(record, preprocessor) for record in batch]
        prepared = [p for p, _ in seen]
        evidence = evidence_of(prepared)
        lung = lung_on_grid(prepared, evidence.shape[1:])
        for k, (record, (one, gray)) in enumerate(zip(batch, seen, strict=True)):
            if one.lung_share > 0:
                top, left, bottom, right = one.box
                lesion = _lesion(record, one, gray.shape, evidence.shape[1:])
                patient = record.group if record.mask is not None else ""
                yield Extent(patient, evidence[k], lung[k], lesion, pixels=(bottom - top) * (right - left))


def _lesion(record: Record, prepared: Prepared, shape: tuple[int, ...], grid: tuple[int, ...]) -> np.ndarray:
    if record.mask is None:
        return np.zeros(grid, np.float32)
    return coverage_on_grid(mask_in_box(record, prepared, shape), grid)


def fit_affected(found: Sequence[Extent]) -> AffectedSpec | None:
    """Threshold, slope and error; None with too few patients, or where it says no more than one share for everybody would.

    Args:
        found: of patients with masks, and of healthy people.
    """
    patients = sorted({e.patient for e in found if e.patient})
    if len(patients) < _LEAST_PATIENTS:
        return None
    fits = {threshold: _Fit.of(found, threshold) for threshold in THRESHOLDS}
    best = min(fits, key=lambda threshold: fits[threshold].mean_error)
    fit = fits[best]
    if not fit.mean_error < _BETTER * fit.error_of_one_for_all:
        return None
    return AffectedSpec(
        threshold=best,
        slope=fit.slope(),
        slice_error=_quantile(fit.slice_residuals(), fit.weights),
        exam_error=_quantile(fit.exam_residuals(), np.ones(len(patients))),
        level=LEVEL,
        rests_on=_rests_on(found, patients, fit.mean_error),
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """One threshold: shares of slices, seen and true.

    Attributes:
        seen, true: float (slices,).
        areas: float (slices, 4): lung and affected as seen, lung and affected in truth.
        owners: str (slices,), the patient; empty for healthy people.
        weights: float (slices,): each patient counts 1, and all healthy people together as much as half of the patients.
    """

    seen: np.ndarray
    true: np.ndarray
    areas: np.ndarray
    owners: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, found: Sequence[Extent], threshold: float) -> "_Fit":
        areas = np.array([(*e.areas(threshold), *e.true_areas) for e in found])
        owners = np.array([e.patient for e in found])
        names, owner, counts = np.unique(owners, return_inverse=True, return_counts=True)
        ill = int((names != "").sum())
        weights = np.where(owners == "", ill / 2, 1.0) / counts[owner]
        return cls(areas[:, 1] / areas[:, 0], areas[:, 3] / areas[:, 2], areas, owners, weights)

    @property
    def patients(self) -> np.ndarray:
        """Patients with masks."""
        return np.unique(self.owners[self.owners != ""])

    def slope(self, without: str | None = None) -> float:
        """Weighted least squares through the origin, one patient left out."""
        weights = self.weights * (self.owners != without)
        total = float(weights @ self.seen**2)
        return float(weights @ (self.seen * self.true)) / total if total > 0 else 0.0

    def _slopes(self) -> np.ndarray:
        """float (slices,): fitted without the slice's own patient."""
        of = {name: self.slope(name) for name in self.patients}
        every = self.slope()
        return np.array([of.get(owner, every) for owner in self.owners])

    def _estimates(self) -> np.ndarray:
        return np.asarray(np.minimum(1.0, self._slopes() * self.seen))

    @property
    def mean_error(self) -> float:
        """Mean absolute error of patients left out and of healthy people."""
        return float(np.average(np.abs(self._estimates() - self.true), weights=self.weights))

    @property
    def error_of_one_for_all(self) -> float:
        """Mean absolute error of telling everybody the mean share."""
        return float(np.average(np.abs(self.true - np.average(self.true, weights=self.weights)), weights=self.weights))

    def slice_residuals(self) -> np.ndarray:
        """Absolute error of each slice, as a share of what an error there usually is."""
        estimates = self._estimates()
        return np.asarray(np.abs(estimates - self.true) / np.array([error_scale(float(x)) for x in estimates]))

    def exam_residuals(self) -> np.ndarray:
        """The same of all slices of each patient together."""
        residuals = []
        for name in self.patients:
            lung, affected, true_lung, lesion = self.areas[self.owners == name].sum(axis=0)
            estimate = min(1.0, self.slope(name) * affected / lung)
            residuals.append(abs(estimate - lesion / true_lung) / error_scale(estimate))
        return np.array(residuals)


def _quantile(residuals: np.ndarray, weights: np.ndarray) -> float:
    """What ``LEVEL`` of new cases stay below: of few cases a larger one of them, at last the largest.

    Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005), conformal prediction.
    """
    order = np.argsort(residuals)
    reached = np.cumsum(weights[order]) / weights.sum()
    cases = weights.sum() ** 2 / (weights**2).sum()
    level = min(1.0, LEVEL * (1 + 1 / cases))
    return max(float(residuals[order][np.searchsorted(reached, level - 1e-9).clip(max=len(order) - 1)]), 1e-3)


def _rests_on(found: Sequence[Extent], patients: Sequence[str], mean_error: float) -> str:
    healthy, ill = sum(not e.patient for e in found), sum(bool(e.patient) for e in found)
    return (
        f"Fitted on {ill} slices of {len(patients)} patients with lesions drawn by people, and on {healthy} slices of healthy"
        f" people; with each patient left out in turn the mean absolute error is {mean_error:.3f} by slice. The map itself"
        " was trained on most of these patients, so the error on others may be larger. It is the share of the lung that"
        " looks affected by any disease, not by COVID-19 alone, on the slices scored; it is no volume of lesions."
    )


def fit_on(records: Sequence[Record], preprocessor: Preprocessor, evidence_of: EvidenceOf) -> AffectedSpec | None:
    """Fit with a model's maps on those of the records that may teach it.

    Raises:
        CatalogError: a mask has another size than its image.
    """
    chosen = [record for record in records if teaches_extent(record)]
    try:
        return fit_affected(list(extents(chosen, preprocessor, evidence_of)))
    except ValueError as error:
        raise CatalogError("A lesion mask cannot be laid over its image.") from error
