"""What the classifier says of each scored slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

FULL_HEAT = 40.0
"""A place's share of the logit, times the number of places, that is drawn as full heat: as if a twentieth of the picture
carried a logit of 2. A fixed scale, so that a healthy exam stays dark instead of having its faintest shadow stretched."""


@dataclass(frozen=True, eq=False)
class SliceScores:
    """Scores of some slices of one exam, in slice order.

    Attributes:
        indices: which slices of the exam.
        logits: float32 (slices,), calibrated; the probability is their sigmoid.
        share: float32 (slices, rows, columns), each place's share of the logit; negative where it argues against COVID-19.
        evidence: float32 (slices, rows, columns), 0..1, how much each place looks like a lesion of any kind.
        boxes: int32 (slices, 4), the region of the slice the maps cover: top, left, bottom, right in slice pixels (end excluded).
        evidence_in_lung: float32 (slices,), 0..1, share of the positive heat that lies inside the lungs.
    """

    indices: tuple[int, ...]
    logits: np.ndarray
    share: np.ndarray
    evidence: np.ndarray
    boxes: np.ndarray
    evidence_in_lung: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """float64 (slices,), 0..1."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.logits.astype(np.float64))))

    @property
    def heat(self) -> np.ndarray:
        """The heatmap: where a slice argued for COVID-19, float32 (slices, rows, columns), 0..1, one scale for all exams."""
        places = self.share.shape[1] * self.share.shape[2]
        return np.asarray(np.clip(self.share * (places / FULL_HEAT), 0.0, 1.0), dtype=np.float32)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The scores of all ``parts``, in slice order."""
        order = np.argsort([i for p in parts for i in p.indices])

        def together(name: str) -> np.ndarray:
            return np.concatenate([getattr(p, name) for p in parts])[order]

        indices = tuple(int(i) for i in np.concatenate([p.indices for p in parts])[order])
        return cls(
            indices,
            logits=together("logits"),
            share=together("share"),
            evidence=together("evidence"),
            boxes=together("boxes"),
            evidence_in_lung=together("evidence_in_lung"),
        )
