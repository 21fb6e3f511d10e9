"""What temperature and what line would make probabilities honest. Fitted on validation only, never on what is measured."""

from typing import Any

import numpy as np

from training.metrics.calibration import calibration_lines, logits_of, temperatures
from training.metrics.evaluation import DRAWS, Interval, Sample, as_numbers, bootstrap, fewest_groups, interval


def recalibration(sample: Sample, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """What would be fitted to a sample, and what that would change on it.

    Args:
        sample: of validation, both classes.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        temperature (logits divided by it), platt_slope and platt_intercept (logits put on that line), each with its
        interval; log_loss of the probabilities as they are, with the temperature and with the line. The fits are
        measured where they were made, so their losses flatter; a temperature whose interval contains 1 changes nothing.
    """
    fits = fit_all(sample, np.ones((1, len(sample.labels))))[0]
    fits[0] = fits[0] or np.nan  # Nothing can be divided by a temperature of 0.
    found = [Interval(float(v) if np.isfinite(v) else None) for v in fits]
    groups = fewest_groups(sample.labels, sample.groups)
    if groups > 1:
        resampled = bootstrap(lambda weights: fit_all(sample, weights), sample.groups, draws, seed)
        found = [interval(float(v), resampled[:, k], groups=groups) for k, v in enumerate(fits)]
    named = dict(zip(("temperature", "platt_slope", "platt_intercept"), found, strict=True))
    return {**as_numbers(named), "log_loss": _losses(sample, *(f.value for f in found))}


def fit_all(sample: Sample, weights: np.ndarray) -> np.ndarray:
    """Temperature, slope and intercept for each row of weights: float64 (draws, 3); see ``calibration``."""
    slope, intercept = calibration_lines(sample.probabilities, sample.labels, weights)
    return np.stack([temperatures(sample.probabilities, sample.labels, weights), slope, intercept], axis=1)


def _losses(
    sample: Sample, temperature: float | None, slope: float | None, intercept: float | None
) -> dict[str, float | None]:
    logits = logits_of(sample.probabilities)
    with_line = None if slope is None or intercept is None else _log_loss(sample, slope * logits + intercept)
    with_temperature = None if temperature is None else _log_loss(sample, logits / temperature)
    return {"as_served": _log_loss(sample, logits), "with_temperature": with_temperature, "with_platt": with_line}


def _log_loss(sample: Sample, logits: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0, logits) - sample.labels * logits))
