"""From validation scores to what the service decides with: calibration, thresholds, bands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from app.ct.exam_rule import Decision

JUDGED_ON = ("covid-ct", "soares", "drenet")
"""Data sets with both classes and a validation part: thresholds and the exam rule are chosen on them, and on nothing else."""
_WANTED_RIGHT = 0.90
"""Share of the cases outside the band that must be right, classes counted alike."""
_LEAST_BAND = 0.3
"""Logits on each side of the threshold."""
_WIDEST = 1.5
"""Logits on each side of the threshold: 0.18 to 0.82."""


class FallingScores(ValueError):
    """The scores do not rise with the label: nothing can be decided with them."""

    def __init__(self) -> None:
        super().__init__("The scores do not rise with the label on validation: nothing can be decided with them.")


@dataclass(frozen=True, eq=False)
class Judged:
    """Validation slices.

    Attributes:
        logits: float (slices,), of the network.
        labels: int (slices,).
        cells: data set, or one style of it (see ``training.records.balance.cell_of``), one a slice.
        patients: one a slice; empty where it is not known to be one patient's.
    """

    logits: np.ndarray
    labels: np.ndarray
    cells: Sequence[str]
    patients: Sequence[str]

    def __post_init__(self) -> None:
        """Every slice has all four."""
        if len({len(self.logits), len(self.labels), len(self.cells), len(self.patients)}) != 1:
            raise ValueError("logits, labels, cells and patients differ in number")


def calibrate(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that make the sigmoid of a logit a probability (Platt), at an equal share of both classes.

    Args:
        logits: float (cases,).
        labels: int (cases,).
        weights: float (cases,), balanced by data set and class.

    Raises:
        FallingScores: the slope is not positive.
    """
    model = LogisticRegression(C=1e6).fit(logits[:, None], labels, sample_weight=weights)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise FallingScores
    return slope, intercept


def softened(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, cases: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cases as ``calibrate`` takes them, with a little of each counted for the other class, less the more there are.

    Few cases are often told apart without an error, and then no slope is steep enough: a case is never certain.

    Args:
        logits: float (cases,).
        labels: int (cases,).
        weights: float (cases,).
        cases: independent cases of class 0 and of class 1.

    Returns:
        Logits, labels and weights, each case twice.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999), section 2.2.
    """
    other = np.where(labels == 1, 1 / (cases[1] + 2), 1 / (cases[0] + 2))
    return np.tile(logits, 2), np.r_[labels, 1 - labels], np.r_[weights * (1 - other), weights * other]


def decide(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, least_band: float = _LEAST_BAND) -> Decision:
    """Threshold one half, and the narrowest band outside of which ``_WANTED_RIGHT`` are right.

    Args:
        logits: float (cases,), calibrated.
        labels: int (cases,).
        weights: float (cases,).
        least_band: logits on each side of the threshold that the band takes at least.
    """
    distance = np.abs(logits)
    right = (logits > 0) == (labels == 1)
    for half in np.arange(least_band, _WIDEST, 0.05):
        outside = distance > half
        if outside.any() and np.average(right[outside], weights=weights[outside]) >= _WANTED_RIGHT:
            return _decision(float(half))
    return undecided()


def undecided() -> Decision:
    """The widest band, where nothing says that less would do."""
    return _decision(_WIDEST)


def _decision(half: float) -> Decision:
    low, high = expit((-half, half))
    return Decision(threshold=0.5, band=(round(float(low), 3), round(float(high), 3)))
