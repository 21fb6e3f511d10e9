"""How far apart neighboring slices lie, and which of these distances are gaps."""

from itertools import pairwise

import numpy as np

from app.ct.exam import Exam

MAX_GAP_MM = 10.0
"""Between the centers of neighboring slices. Slices of 10 mm side by side and thin ones every 10 mm are exams as they are
made; with more between two slices, a lesion of a centimeter may lie on none."""
_ROUNDING_MM = 0.05
"""Positions are decimal strings, projected onto the slice normal of a tilted gantry."""


def is_gap(apart_mm: float) -> bool:
    """Whether neighboring slices so far apart leave a gap between them."""
    return apart_mm > MAX_GAP_MM + _ROUNDING_MM


def steps_mm(exam: Exam) -> np.ndarray:
    """Distance from each slice to the next one.

    Args:
        exam: read and ordered.

    Returns:
        float64 (slices - 1,), mm; 0 where a position is unknown.
    """
    known = ((a.z_mm, b.z_mm) for a, b in pairwise(exam.slices))
    return np.array([0.0 if a is None or b is None else a - b for a, b in known], dtype=np.float64)
