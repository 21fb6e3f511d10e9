"""What of the lungs an exam does not show: gaps between its slices, and lungs that go on beyond its ends."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from app.ct.diagnosis import HeldBack
from app.ct.exam import Exam
from app.ct.selection import LEAST_AREA, shows_lung
from app.ct.steps import MAX_GAP_MM, is_gap, steps_mm
from app.ct.words import Sentence, sentence

_SOME_SHARE = 0.15
"""Of the exam's 90th percentile of lung area: apices and bases that show so little are not scored, but a gap beside them
counts, for COVID-19 gathers at the bases. Gas in bowels and trachea stays below it in the exams at hand."""


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

    The lungs reach from the first to the last slice that shows much of them, and on from these as far as slices show some.
    A gap is within the lungs where it begins or ends there.

    Args:
        exam: read and ordered.
        area: share of each slice that is lung, as ``lung_area`` gives it.
    """
    within = _within_lungs(area)
    largest = max(steps_mm(exam)[within[:-1] | within[1:]], default=0.0)
    shown = shows_lung(area)
    is_cut = len(exam.slices) > 1 and bool(shown[0] or shown[-1])
    return Coverage(float(largest) if is_gap(largest) else None, is_cut)


def _within_lungs(area: np.ndarray) -> np.ndarray:
    """bool (slices,): which slices lie within the lungs."""
    much = np.flatnonzero(shows_lung(area))
    if not much.size:
        return np.zeros(len(area), dtype=bool)
    some = area >= max(LEAST_AREA, _SOME_SHARE * np.percentile(area, 90))
    some[much[0] : much[-1]] = True
    runs, _ = ndimage.label(some)
    return np.asarray(runs == runs[much[0]])
