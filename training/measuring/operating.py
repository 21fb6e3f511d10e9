"""Operating points: thresholds that validation offers, and one that was chosen there applied elsewhere.

A threshold chosen on what is measured flatters. So thresholds are offered by an evaluation of validation records alone, and
another evaluation takes one of them over by its name, or keeps the one that the model serves with.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.ct.errors import CovidCTError
from training.metrics.evaluation import Sample, has_both
from training.records.catalog import Part, Record

_SPECIFICITIES = (0.8, 0.9, 0.95)


class ThresholdError(CovidCTError):
    """A threshold that cannot be taken over from another evaluation."""

    code = "bad-threshold"
    title = "The threshold cannot be taken from there"
    advice = (
        "Evaluate the same model by the same unit with `--where part=validation` first, and name that metrics.json."
    )


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the probability of COVID-19, and where it was chosen, in words."""

    threshold: float
    chosen: str

    def __post_init__(self) -> None:
        """It is a probability."""
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"a threshold lies in 0..1, got {self.threshold}")


def offered(sample: Sample) -> dict[str, float]:
    """Thresholds on the probability of COVID-19 that could be chosen, by name: youden, specificity_0.80, 0.90 and 0.95.

    Args:
        sample: of validation, both classes, with COVID-19 as the positive one.
    """
    labels, scores = sample.labels, sample.probabilities
    found = {"youden": youden_threshold(labels, scores)}
    for least in _SPECIFICITIES:
        found[f"specificity_{least:.2f}"] = threshold_at_specificity(labels, scores, least)
    return {name: float(np.clip(value, 0, 1)) for name, value in found.items()}


def on_validation(sample: Sample, records: Sequence[Record]) -> bool:
    """Whether something may be chosen here: every record is of part validation, and both classes are there."""
    return all(r.part is Part.VALIDATION for r in records) and has_both(sample.labels)


def taken_over(metrics: Path, name: str, *, model: dict[str, str], by: str) -> OperatingPoint:
    """A threshold that another evaluation of the same model offers.

    Args:
        metrics: ``metrics.json``, or the folder it lies in.
        name: one of those of ``offered``.
        model: as this evaluation names it in its own ``metrics.json``.
        by: what is one case here.

    Raises:
        ThresholdError: no such file, another model, another unit, not of validation, or no such name.
    """
    path = metrics / "metrics.json" if metrics.is_dir() else metrics
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
        unit, thresholds = report["by"], report["thresholds"]
        same = all(report["model"][key] == model[key] for key in ("weights_sha256", "judgement_sha256"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ThresholdError(f"{path.name} is not there or not one that `evaluate` writes.") from error
    if not same:
        raise ThresholdError("It was measured with other weights, or with another calibration or exam rule.")
    if unit != by:
        raise ThresholdError(f"It was measured by {unit}, this is by {by}: their probabilities mean different things.")
    if not thresholds:
        raise ThresholdError("It offers none: not all of its records are of part validation, or they are of one class.")
    if name not in thresholds:
        raise ThresholdError(f"It offers {', '.join(thresholds)}, not {name}.")
    return OperatingPoint(float(thresholds[name]), f"{name} on validation, from {path.resolve().parent.name}")


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity, half-way between the scores on its two sides.

    Raises:
        ValueError: one class only.
    """
    thresholds, sensitivity, specificity = operating_points(labels, scores)
    return float(thresholds[np.argmax(sensitivity + specificity)])


def threshold_at_specificity(labels: np.ndarray, scores: np.ndarray, least: float) -> float:
    """The lowest threshold with at least that specificity (0..1).

    Raises:
        ValueError: one class only.
    """
    thresholds, _, specificity = operating_points(labels, scores)
    return float(thresholds[np.flatnonzero(specificity >= least)[0]])


def operating_points(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds in rising order, and sensitivity and specificity of calling positive what lies at or above them.

    Returns:
        Three float64 (points,): below all scores, between each two, above all.

    Raises:
        ValueError: one class only.
    """
    positive = np.asarray(labels) == 1
    if positive.all() or not positive.any():
        raise ValueError("operating points need both classes")
    distinct = np.unique(np.asarray(scores, dtype=np.float64))
    between = (distinct[1:] + distinct[:-1]) / 2
    thresholds = np.r_[-np.inf, between, np.inf]
    called = (
        np.searchsorted(np.sort(scores[positive]), thresholds),
        np.searchsorted(np.sort(scores[~positive]), thresholds),
    )
    return thresholds, 1 - called[0] / positive.sum(), called[1] / (~positive).sum()
