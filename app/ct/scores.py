"""What the classifier says of each scored slice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from app.ct.affected import LungAreas

FULL_DENSITY = 100.0
"""A place's share of the logit, times the number of places, that is drawn in full: as if a twentieth of the picture carried
a logit of 5."""
FULL_ARGUMENT = 2.5
"""Sum of a slice's positive shares, in logits, at which its map is drawn in full; with less it is dimmed."""


_BY_SLICE = ("logits", "share", "evidence", "boxes", "evidence_in_lung", "lung_found", "distance")


@dataclass(frozen=True, eq=False)
class SliceScores:
    """Scores of some slices of one exam, in slice order.

    Attributes:
        indices: which slices of the exam.
        logits: float32 (slices,), calibrated; the probability is their sigmoid.
        share: float32 (slices, rows, columns), each place's share of the logit; negative where it argues against COVID-19.
        evidence: float32 (slices, rows, columns), 0..1, how much each place looks like a lesion of any kind.
        boxes: int32 (slices, 4), the region of the slice the maps cover: top, left, bottom, right in slice pixels (end excluded).
        evidence_in_lung: float32 (slices,), 0..1, share of the positive heat inside the lungs; 0 where they were not found.
        lung_found: bool (slices,), whether the slice was cropped to its lungs; otherwise it was scored whole.
        distance: float32 (slices,), how far the slice is from those the model was trained on; above 1 it is unlike them.
        areas: lung shown and affected, one a slice; None where the model does not estimate them.
    """

    indices: tuple[int, ...]
    logits: np.ndarray
    share: np.ndarray
    evidence: np.ndarray
    boxes: np.ndarray
    evidence_in_lung: np.ndarray
    lung_found: np.ndarray
    distance: np.ndarray
    areas: LungAreas | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """float64 (slices,), 0..1."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.logits.astype(np.float64))))

    @property
    def heat(self) -> np.ndarray:
        """The heatmap: where a slice argued for COVID-19, float32 (slices, rows, columns), 0..1.

        How dense a place's share is, dimmed by how little the slice argues in all. One scale for all exams: a healthy
        exam stays dark instead of having its faintest shadow stretched.
        """
        positive = np.maximum(self.share, 0.0)
        places = self.share.shape[1] * self.share.shape[2]
        density = np.clip(positive * (places / FULL_DENSITY), 0.0, 1.0)
        argument = np.clip(positive.sum(axis=(1, 2), keepdims=True) / FULL_ARGUMENT, 0.0, 1.0)
        return np.asarray(density * argument, dtype=np.float32)

    def at(self, places: Sequence[int], *, indices: Sequence[int]) -> Self:
        """The scores at some places, at least one, as those of slices ``indices`` of an exam."""
        chosen = {name: getattr(self, name)[list(places)] for name in _BY_SLICE}
        areas = None if self.areas is None else self.areas.at(np.array(places))
        return replace(self, indices=tuple(indices), areas=areas, **chosen)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The scores of all ``parts``, in slice order."""
        indices = [index for part in parts for index in part.indices]
        together = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_SLICE}
        areas = [part.areas for part in parts if part.areas is not None]
        whole = cls(tuple(indices), **together, areas=LungAreas.joined(areas) if len(areas) == len(parts) else None)
        return whole.at([int(place) for place in np.argsort(indices)], indices=sorted(indices))
