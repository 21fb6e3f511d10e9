"""What of the lungs an exam does not show: gaps between its slices, and lungs that go on beyond its ends."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.ct.diagnosis import HeldBack
from app.ct.exam import Exam
from app.ct.selection import shows_lung
from app.ct.words import Sentence, sentence

MAX_GAP_MM = 10.0
"""Between the centers of neighboring slices. Slices of 10 mm side by side and thin ones every 10 mm are exams as they are
made; with more between two slices, a lesion of a centimeter may lie on none."""
_ROUNDING_MM = 0.05
"""Positions are decimal strings, projected onto the slice normal of a tilted gantry."""


def is_gap(apart_mm: float) -> bool:
    """Whether neighboring slices so far apart leave a gap between them."""
    return apart_mm > MAX_GAP_MM + _ROUNDING_MM


@dataclass(frozen=True)
class Coverage:
    """How far the slices of an exam show its lungs.

    Attributes:
        gap_mm: the largest distance over ``MAX_GAP_MM`` between neighboring slices within the lungs; None without such
            a distance, and where positions are unknown.
        is_cut: the first or the last slice shows far more lung than an apex or a base; never of a single image.
    """

    gap_mm: float | None
    is_cut: bool

    @property
    def held_back(self) -> HeldBack | None:
        """Why no verdict is given but inconclusive: a lesion may lie in what is missing; None where nothing is."""
        return None if self.gap_mm is None else HeldBack.GAP_IN_LUNGS

    @property
    def warnings(self) -> tuple[Sentence, ...]:
        """Whole sentences for the report."""
        found = []
        if self.gap_mm is not None:
            found.append(
                sentence(
                    "Slices are missing within the lungs: neighboring slices lie up to {gap_mm:.1f} mm apart,"
                    " and more than {most_mm:.0f} mm leave the verdict inconclusive.",
                    gap_mm=self.gap_mm,
                    most_mm=MAX_GAP_MM,
                )
            )
        if self.is_cut:
            found.append(
                sentence(
                    "The exam may not show the whole lungs: it begins or ends with a slice that shows much of them."
                )
            )
        return tuple(found)


def coverage_of(exam: Exam, area: np.ndarray) -> Coverage:
    """Look for gaps and ends within the lungs.

    A gap is within the lungs where the slice on either side of it shows lung: what is missing began or ended in them.

    Args:
        exam: read and ordered.
        area: share of each slice that is lung, as ``lung_area`` gives it.
    """
    shown = shows_lung(area)
    steps = [
        a.z_mm - b.z_mm
        for (a, b), here, there in zip(pairwise(exam.slices), shown[:-1], shown[1:], strict=True)
        if (here or there) and a.z_mm is not None and b.z_mm is not None
    ]
    largest = max(steps, default=0.0)
    is_cut = len(exam.slices) > 1 and bool(shown[0] or shown[-1])
    return Coverage(largest if is_gap(largest) else None, is_cut)
