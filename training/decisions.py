"""From validation scores to what the service decides with: calibration, thresholds, bands, the exam rule."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from app.ct.diagnosis import exam_probability
from app.ct.exam_rule import Decision, TopShareMean
from training.evaluation import auc
from training.linear import balanced_weights

TOP_SHARES = (0.5, 0.3, 0.2)
"""Not 1: the patients' slices in the data sets were picked because they show disease; of a whole exam many show none."""
_LEAST_SLICES = 2
"""A patient with fewer slices says nothing about how slices add up to an exam."""
_WANTED_RIGHT = 0.90
"""Share of the cases outside the band that must be right, classes counted alike."""
_LEAST_BAND, _LEAST_EXAM_BAND = 0.3, 0.6
"""Logits on each side of the threshold; wider for exams, whose rule rests on so little."""
_WIDEST = 1.5
"""Logits on each side of the threshold: 0.18 to 0.82."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Validation slices.

    Attributes:
        logits: float (slices,), of the network.
        labels: int (slices,).
        cells: data set, or one style of it (see ``training.linear.cell_of``), one a slice.
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
    """
    model = LogisticRegression(C=1e6).fit(logits[:, None], labels, sample_weight=weights)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise ValueError("the scores do not rise with the label on validation; nothing to release")
    return slope, intercept


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
    return _decision(_WIDEST)


def _decision(half: float) -> Decision:
    low, high = 1 / (1 + np.exp(half)), 1 / (1 + np.exp(-half))
    return Decision(threshold=0.5, band=(round(float(low), 3), round(float(high), 3)))


def patients(scored: Judged) -> list[tuple[str, int, np.ndarray]]:
    """Cell, label and logits of every patient with several slices of one class."""
    groups = np.asarray(scored.patients)
    found = []
    for name in np.unique(groups[groups != ""]):
        mine = np.flatnonzero(groups == name)
        if len(mine) >= _LEAST_SLICES and len(np.unique(scored.labels[mine])) == 1:
            found.append((scored.cells[mine[0]], int(scored.labels[mine[0]]), scored.logits[mine]))
    return found


def choose_exam_rule(scored: Judged, *, rests_on: str) -> TopShareMean:
    """The share of strongest slices that tells validation patients apart best; of equals the largest, which is steadiest.

    Args:
        scored: calibrated logits of validation slices whose patient is known.
        rests_on: what the choice rests on, in words, with places for ``patients``, ``datasets`` and ``slices``.
    """
    cases = patients(scored)
    labels = np.array([label for _, label, _ in cases])
    weights = balanced_weights([d for d, _, _ in cases], labels, one_class_share=0.25)

    def logits(share: float) -> np.ndarray:
        rule = TopShareMean(top_share=share, decision=_decision(0.5), rests_on="")
        probabilities = np.array([exam_probability(x, rule) for _, _, x in cases])
        return np.asarray(np.log(probabilities / (1 - probabilities)))

    best = max(TOP_SHARES, key=lambda share: (round(auc(labels, logits(share)) or 0.0, 3), share))
    told = rests_on.format(
        patients=len(cases),
        datasets=" and ".join(sorted({cell.partition("/")[0] for cell, _, _ in cases})),
        slices=round(float(np.median([len(x) for _, _, x in cases]))),
    )
    return TopShareMean(
        top_share=best, decision=decide(logits(best), labels, weights, least_band=_LEAST_EXAM_BAND), rests_on=told
    )
