"""How much of the lung looks affected: an estimate from the evidence map, never without its error.

Where the lungs were found says too little: dense consolidation is as bright as the chest wall, so the finder leaves it out.
Lung is therefore what was found *and* every place of the box that looks affected, wherever it lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field

from app.ct.part import Part

_LEAST_SHARE = 0.01
"""Below this the error no longer shrinks with the estimate: a place of the map is a thousandth of the box."""


class AffectedSpec(Part):
    """How evidence becomes a share of lung; fitted by ``covidct-train fit`` on lesion masks drawn by people.

    Attributes:
        threshold: evidence from which a place looks affected.
        slope: what the share of such places is multiplied by.
        slice_error, exam_error: half the width of the band around an estimate x, over ``sqrt(x + 0.01)``.
        level: share of the calibration's slices and patients whose true share lies within the band.
        rests_on: what it was fitted on and how far that carries, in whole sentences.
    """

    threshold: float = Field(gt=0, lt=1)
    slope: float = Field(gt=0)
    slice_error: float = Field(gt=0)
    exam_error: float = Field(gt=0)
    level: float = Field(default=0.9, gt=0, lt=1)
    rests_on: str


@dataclass(frozen=True)
class Estimate:
    """A share with its band, each 0..1 and ``low <= value <= high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LungAreas:
    """How much lung some slices show, and how much of it looks affected.

    Attributes:
        lung: float32 (slices,), in pixels of the slice; 0 where the lungs were not found.
        affected: float32 (slices,), of it what lies at or above the threshold, before the slope.
    """

    lung: np.ndarray
    affected: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The areas of all ``parts``, one after the other."""
        return cls(np.concatenate([p.lung for p in parts]), np.concatenate([p.affected for p in parts]))

    def at(self, places: np.ndarray) -> Self:
        """The areas of some slices."""
        return type(self)(self.lung[places], self.affected[places])


def lung_areas(
    evidence: np.ndarray, lung: np.ndarray, boxes: np.ndarray, *, found: np.ndarray, threshold: float
) -> LungAreas:
    """Measure slices.

    Args:
        evidence: float (slices, rows, columns), 0..1, over each slice's box.
        lung: float (slices, rows, columns), 0..1, share of each place that is lung.
        boxes: int (slices, 4): top, left, bottom, right in slice pixels, ends excluded.
        found: bool (slices,), whether the lungs were found.
        threshold: evidence from which a place looks affected.
    """
    places = evidence >= threshold
    pixels = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * found
    whole = np.maximum(lung, places).mean(axis=(1, 2)) * pixels
    affected = places.mean(axis=(1, 2)) * pixels
    return LungAreas(whole.astype(np.float32), affected.astype(np.float32))


@dataclass(frozen=True)
class Affected:
    """How much of the lung looks affected.

    Attributes:
        slices: of each scored slice; None where it is not estimated.
        exam: of all of them together.
    """

    slices: tuple[Estimate | None, ...]
    exam: Estimate | None


def affected_of(areas: LungAreas | None, spec: AffectedSpec | None, *, pixel_mm2: Sequence[float | None]) -> Affected:
    """Every estimate of an exam; none of a model that does not estimate.

    Args:
        areas: of the scored slices.
        spec: of the model's manifest.
        pixel_mm2: area of a pixel of each scored slice; None where it is unknown.
    """
    if areas is None or spec is None:
        return Affected((None,) * len(pixel_mm2), None)
    slices, exam = slice_estimates(areas, spec), exam_estimate(areas, spec, pixel_mm2=pixel_mm2)
    if sum(one is not None for one in slices) == 1:
        # The share of that slice is the exam's, so it is told once: with the exam's band, which is never the narrower one.
        slices = tuple(None if one is None else exam for one in slices)
    return Affected(slices, exam)


def slice_estimates(areas: LungAreas, spec: AffectedSpec) -> tuple[Estimate | None, ...]:
    """The share of each slice; None where the lungs were not found."""
    return tuple(
        None if lung <= 0 else _estimate(float(affected / lung), spec, spec.slice_error)
        for lung, affected in zip(areas.lung, areas.affected, strict=True)
    )


def exam_estimate(
    areas: LungAreas, spec: AffectedSpec, *, pixel_mm2: Sequence[float | None] | None = None
) -> Estimate | None:
    """The share of the lungs that the scored slices stand for; None where no slice showed any.

    Scored slices are evenly spread, so areas add up as volumes do.

    Args:
        areas: of the scored slices.
        spec: of the model's manifest.
        pixel_mm2: area of a pixel of each slice; where one is unknown, pixels count alike.
    """
    known = [] if pixel_mm2 is None else [mm2 for mm2 in pixel_mm2 if mm2 is not None]
    weights = np.array(known) if len(known) == len(areas.lung) else np.ones(len(areas.lung))
    lung, affected = float(weights @ areas.lung), float(weights @ areas.affected)
    if lung <= 0:
        return None
    # A few slices are no exam: their error is closer to that of one.
    error = max(spec.exam_error, spec.slice_error / float(np.sqrt((areas.lung > 0).sum())))
    return _estimate(affected / lung, spec, error)


def _estimate(share: float, spec: AffectedSpec, error: float) -> Estimate:
    value = min(1.0, spec.slope * share)
    half = error * error_scale(value)
    return Estimate(value, low=max(0.0, value - half), high=min(1.0, value + half))


def error_scale(share: float) -> float:
    """How the error grows with the share: as a count's does."""
    return float(np.sqrt(share + _LEAST_SHARE))
