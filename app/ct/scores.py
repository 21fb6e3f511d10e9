"""What the classifier says of each scored slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, eq=False)
class SliceScores:
    """Scores of some slices of one exam, in slice order.

    Attributes:
        indices: which slices of the exam.
        logits: float32 (slices,), calibrated; the probability is their sigmoid.
        heat: float32 (slices, rows, columns), each place's share of the logit; may be negative.
        evidence: float32 (slices, rows, columns), 0..1, how much each place looks like a lesion of any kind.
        boxes: int32 (slices, 4), the region of the slice the maps cover: top, left, bottom, right in slice pixels (end excluded).
        evidence_in_lung: float32 (slices,), 0..1, share of the positive heat that lies inside the lungs.
    """

    indices: tuple[int, ...]
    logits: np.ndarray
    heat: np.ndarray
    evidence: np.ndarray
    boxes: np.ndarray
    evidence_in_lung: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """float64 (slices,), 0..1."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.logits.astype(np.float64))))

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
            heat=together("heat"),
            evidence=together("evidence"),
            boxes=together("boxes"),
            evidence_in_lung=together("evidence_in_lung"),
        )
