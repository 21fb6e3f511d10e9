"""How well the estimated share of lung affected agrees with what is known: masks drawn by people, and phantoms.

Everything here measures; nothing is fitted on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from app.ct.affected import AffectedSpec, Estimate, LungAreas, exam_estimate
from app.ct.classifier import lung_on_grid
from app.ct.manifest import Manifest
from app.ct.phantom import phantom
from app.ct.preprocessing import Prepared, make_preprocessor
from app.ct.scores import SliceScores
from app.ct.selection import CPU_SLICES, lung_area, select_slices
from training.deciding.affected import EvidenceOf, Extent, extents
from training.metrics.evaluation import DRAWS, Interval, as_numbers, group_weights, interval, uncertain
from training.records.catalog import Record

LESIONS = (0, 2, 6, 12, 30, 60)
"""Of the phantoms: from none of the lung to about a tenth."""
_BODIES = range(3)
_LIMITS = 1.96
_BATCH = 32


class MapScorer(Protocol):
    """What of ``app.ct.classifier.Classifier`` is needed."""

    manifest: Manifest
    engine_name: str

    def score_prepared(self, prepared: Sequence[Prepared]) -> SliceScores:
        """Score what ``prepare`` made of slices."""
        ...


def evidence_of(scorer: MapScorer) -> EvidenceOf:
    """The evidence maps of a classifier."""
    return lambda prepared: scorer.score_prepared(prepared).evidence


@dataclass(frozen=True)
class Pair:
    """What was estimated and what is true of one slice or exam."""

    estimate: Estimate
    true: float
    group: str


def agreement(pairs: Sequence[Pair], *, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """How estimates agree with the truth, with intervals by group.

    Returns:
        mean_absolute_error; correlation (Pearson's); bias, limit_low and limit_high (mean of estimate minus truth, and
        the limits that 95 % of the differences lie within if they are normal); inside_band (share of true values within
        the estimate's own band); true_share (mean of what is true).

    Source: Bland and Altman, Lancet 327:307 (1986).
    """
    names, owner = np.unique([p.group for p in pairs], return_inverse=True)
    weights = np.vstack([np.ones(len(names)), group_weights(len(names), draws=draws, seed=seed)])[:, owner]
    of_draws = _figures(pairs, weights)
    if len(names) < 2:
        return {name: Interval(float(v[0]) if np.isfinite(v[0]) else None) for name, v in of_draws.items()}
    # The others are no shares of pairs: for them no binomial limit holds.
    kinds = dict.fromkeys(of_draws, uncertain) | {"inside_band": interval}
    return {name: kinds[name](float(v[0]), v[1:], groups=len(names)) for name, v in of_draws.items()}


def _figures(pairs: Sequence[Pair], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each figure for each row of weights, float (draws,)."""
    found, true = np.array([p.estimate.value for p in pairs]), np.array([p.true for p in pairs])
    inside = np.array([p.estimate.low <= p.true <= p.estimate.high for p in pairs])
    difference, total = found - true, weights.sum(axis=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(weights @ values / total)

    bias = mean(difference)
    spread = np.sqrt(np.maximum(mean(difference**2) - bias**2, 0))
    covariance = mean(found * true) - mean(found) * mean(true)
    variances = (mean(found**2) - mean(found) ** 2) * (mean(true**2) - mean(true) ** 2)
    correlated = variances > 1e-15
    return {
        "mean_absolute_error": mean(np.abs(difference)),
        "correlation": np.where(correlated, covariance / np.sqrt(np.where(correlated, variances, 1.0)), np.nan),
        "bias": bias,
        "limit_low": bias - _LIMITS * spread,
        "limit_high": bias + _LIMITS * spread,
        "inside_band": mean(inside),
        "true_share": mean(true),
    }


def by_slice(found: Sequence[Extent], spec: AffectedSpec) -> list[Pair]:
    """Every slice by itself."""
    return [pair for extent in found for pair in _pairs([extent], spec)]


def by_patient(found: Sequence[Extent], spec: AffectedSpec) -> list[Pair]:
    """All slices of each patient together."""
    patients = {e.patient: [o for o in found if o.patient == e.patient] for e in found}
    return [pair for slices in patients.values() for pair in _pairs(slices, spec)]


def _pairs(slices: Sequence[Extent], spec: AffectedSpec) -> list[Pair]:
    seen = np.array([e.areas(spec.threshold) for e in slices])
    lung, lesion = np.array([e.true_areas for e in slices]).sum(axis=0)
    estimate = exam_estimate(LungAreas(seen[:, 0], seen[:, 1]), spec)
    return [] if estimate is None or not lung else [Pair(estimate, float(lesion / lung), slices[0].patient)]


def measure_with(
    spec: AffectedSpec, records: Sequence[Record], scorer: MapScorer, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Any] | None:
    """An estimate on the records that have a mask; None without any.

    Args:
        spec: of the estimate.
        records: of any kind; those without a mask, and whole exams, are passed over.
        scorer: the classifier.
        draws: bootstrap samples.
        seed: of the bootstrap.
    """
    masked = [r for r in records if r.mask is not None and not r.is_exam]
    here = scorer.manifest.preprocessing
    found = list(extents(masked, make_preprocessor(here.name, here.size), evidence_of(scorer)))
    if not found:
        return None
    slices, patients = by_slice(found, spec), by_patient(found, spec)
    told: dict[str, Any] = {"n": len(slices), "groups": len(patients)}
    told["by_slice"] = as_numbers(agreement(slices, draws=draws, seed=seed))
    if len(patients) < len(slices):
        told["by_patient"] = as_numbers(agreement(patients, draws=draws, seed=seed))
    return told


def phantom_pairs(
    spec: AffectedSpec,
    scorer: MapScorer,
    *,
    slices: int = 120,
    size: int = 256,
    lesions: Sequence[int] = LESIONS,
    bodies: Sequence[int] = _BODIES,
) -> list[Pair]:
    """Whole phantoms of known extent, scored and estimated as the service would.

    Args:
        spec: of the estimate.
        scorer: the classifier.
        slices, size: of a phantom.
        lesions: how many, of one phantom each and for each body.
        bodies: seeds of bodies.
    """
    here = scorer.manifest.preprocessing
    preprocessor, found = make_preprocessor(here.name, here.size), []
    for body in bodies:
        for count in lesions:
            drawn = phantom(slices=slices, lesions=count, seed=body, size=size)
            exam = drawn.exam()
            chosen = list(select_slices(lung_area(exam), CPU_SLICES))
            areas = _areas([preprocessor(exam.slices[k]) for k in chosen], spec, scorer)
            if (estimate := exam_estimate(areas, spec)) is not None:
                true = drawn.lesions[chosen].sum() / drawn.lungs[chosen].sum()
                found.append(Pair(estimate, float(true), f"body {body}"))
    return found


def _areas(prepared: Sequence[Prepared], spec: AffectedSpec, scorer: MapScorer) -> LungAreas:
    parts = []
    for start in range(0, len(prepared), _BATCH):
        batch = prepared[start : start + _BATCH]
        evidence = scorer.score_prepared(batch).evidence
        lung = lung_on_grid(batch, evidence.shape[1:])
        seen = [
            Extent("", evidence[k], lung[k], np.zeros_like(lung[k]), pixels=_pixels(one.box)).areas(spec.threshold)
            for k, one in enumerate(batch)
            if one.lung_share > 0
        ]
        parts.append(LungAreas(*np.array(seen, dtype=np.float32).reshape(-1, 2).T))
    return LungAreas.joined(parts)


def _pixels(box: tuple[int, int, int, int]) -> int:
    top, left, bottom, right = box
    return (bottom - top) * (right - left)
