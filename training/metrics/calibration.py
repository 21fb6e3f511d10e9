"""Whether probabilities are what they say: calibration lines and calibration error.

Pure numpy. Everything is computed for many weightings of the same records at once, one a bootstrap sample.
"""

import numpy as np
from scipy.special import expit

BINS = 10
_EPSILON = 1e-6
_NEWTON_STEPS = 50
# No shift of logits is as large: neither a logit (``_EPSILON``) nor that of a share of records is.
_FARTHEST = 40.0
# A slope beyond this means that a line separates the labels: the fit has no finite answer.
_LARGEST_SLOPE = 100.0


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """float64, of the same shape; probabilities are kept a millionth away from 0 and 1."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), _EPSILON, 1 - _EPSILON)
    return np.asarray(np.log(p / (1 - p)))


def calibration_lines(
    probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of the logistic regression of the labels on the logits, for each row of weights.

    Slope 1 and intercept 0 are perfect calibration. Newton's method, all rows at once.

    Args:
        probabilities: float (records,), 0..1.
        labels: int (records,), 0 or 1.
        weights: float (draws, records), at least 0.

    Returns:
        Two float64 (draws,); nan where the labels are all alike. Where they can be separated no slope is steep enough: the slope
        is infinite, with the sign of the direction, and so is the intercept, unless the labels part at probability one half.
    """
    x, y = logits_of(probabilities), labels.astype(np.float64)
    slope, intercept = np.zeros(len(weights)), np.zeros(len(weights))
    converged = np.zeros(len(weights), dtype=bool)
    for _ in range(_NEWTON_STEPS):
        step_slope, step_intercept = _newton_step(x, y, weights, slope, intercept)
        slope, intercept = slope + step_slope, intercept + step_intercept
        converged = np.maximum(np.abs(step_slope), np.abs(step_intercept)) < 1e-8
        slope = np.where(np.abs(slope) > _LARGEST_SLOPE, np.nan, slope)
        if (converged | np.isnan(slope)).all():
            break
    endless = ~converged
    slope[endless], intercept[endless] = _separated(x, y, weights[endless])
    return slope, intercept


def calibrations_in_the_large(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What must be added to the logits for as many positives as there are, for each row of weights; 0 is perfect.

    The intercept of the logistic regression of the labels with the logits as offset, that is with slope 1: whether
    probabilities are too high (below 0) or too low on the whole, which the intercept of ``calibration_lines`` is not.

    Args:
        probabilities: float (records,), 0..1.
        labels: int (records,), 0 or 1.
        weights: float (draws, records), at least 0.

    Returns:
        float64 (draws,); nan where the labels are all alike.

    Source: Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 2019.
    """
    x, positives = logits_of(probabilities), weights @ labels
    has_both = (positives > 0) & (positives < weights.sum(axis=1))
    low, shift, high = (np.full(len(weights), end) for end in (-_FARTHEST, 0.0, _FARTHEST))
    for _ in range(_NEWTON_STEPS):
        q = expit(x + shift[:, None])
        lacking, curvature = positives - (weights * q).sum(axis=1), (weights * q * (1 - q)).sum(axis=1)
        low, high = np.where(lacking > 0, shift, low), np.where(lacking > 0, high, shift)
        step = np.divide(lacking, curvature, out=np.full(len(weights), np.inf), where=curvature > 1e-12)
        # Newton's step, unless it leaves what the shift is known to lie in.
        before, shift = shift, np.where((low < shift + step) & (shift + step < high), shift + step, (low + high) / 2)
        if (np.abs(shift - before) < 1e-8)[has_both].all():
            break
    return np.asarray(np.where(has_both, shift, np.nan))


def _separated(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits of slope and intercept where a threshold parts the labels; nan where none does, or there is one label."""
    drawn, positive = weights > 0, y == 1

    def ends(of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low = np.where(drawn & of, x, np.inf).min(axis=1, initial=np.inf)
        return low, np.where(drawn & of, x, -np.inf).max(axis=1, initial=-np.inf)

    (low_positive, high_positive), (low_negative, high_negative) = ends(positive), ends(~positive)
    has_both = (drawn & positive).any(axis=1) & (drawn & ~positive).any(axis=1)
    has_both &= np.maximum(high_positive, high_negative) > np.minimum(low_positive, low_negative)
    rises, falls = has_both & (low_positive >= high_negative), has_both & (high_positive <= low_negative)
    direction = np.where(rises, 1.0, np.where(falls, -1.0, np.nan))
    with np.errstate(invalid="ignore"):
        border = np.where(rises, low_positive + high_negative, high_positive + low_negative) / 2
        # Infinity times nothing is nan: there the intercept may be anything.
        return direction * np.inf, -direction * border * np.inf


def _newton_step(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, slope: np.ndarray, intercept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    linear = np.clip(slope[:, None] * x + intercept[:, None], -40, 40)
    q = expit(linear)
    residual, curvature = weights * (y - q), weights * q * (1 - q)
    g0, g1 = residual.sum(axis=1), residual @ x
    h00, h01, h11 = curvature.sum(axis=1), curvature @ x, curvature @ x**2
    determinant = h00 * h11 - h01**2
    solvable = determinant > 1e-12
    safe = np.where(solvable, determinant, 1.0)
    steps = (h00 * g1 - h01 * g0) / safe, (h11 * g0 - h01 * g1) / safe
    return np.where(solvable, steps[0], np.nan), np.where(solvable, steps[1], np.nan)


def temperatures(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The temperature that logits would have to be divided by to fit the labels best, for each row of weights.

    Args:
        probabilities: float (records,), 0..1.
        labels: int (records,), 0 or 1, of both kinds.
        weights: float (draws, records), at least 0.

    Returns:
        float64 (draws,); 0 where all logits have the right sign, and none is divided by too little; infinite where they would
        have to be turned round.

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    x, y = logits_of(probabilities), labels.astype(np.float64)
    inverse = np.zeros(len(weights))
    converged = np.zeros(len(weights), dtype=bool)
    for _ in range(_NEWTON_STEPS):
        q = expit(np.clip(inverse[:, None] * x, -40, 40))
        curvature = (weights * q * (1 - q)) @ x**2
        gradient = (weights * (y - q)) @ x
        step = np.divide(gradient, curvature, out=np.full(len(weights), np.nan), where=curvature > 1e-12)
        inverse = inverse + step
        converged = np.abs(step) < 1e-8
        inverse = np.where(np.abs(inverse) > _LARGEST_SLOPE, np.nan, inverse)
        if (converged | np.isnan(inverse)).all():
            break
    exists = converged & (inverse > 0)
    signed = (y - 0.5) * x
    is_right = ~((weights > 0) & (signed < 0)).any(axis=1)
    limit = np.where(weights @ signed <= 0, np.inf, np.where(is_right, 0.0, np.nan))
    return np.asarray(np.divide(1.0, inverse, out=limit, where=exists))


def bins_of(probabilities: np.ndarray) -> np.ndarray:
    """int (records,): which of ``BINS`` equal bins each probability falls into."""
    return np.asarray(np.minimum((probabilities * BINS).astype(np.int64), BINS - 1))


def calibration_errors(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected calibration error: mean distance of bins' mean probability from their share of positives.

    Args:
        probabilities: float (records,), 0..1.
        labels: int (records,), 0 or 1.
        weights: float (draws, records), at least 0.

    Returns:
        float64 (draws,), 0..1; nan without a record.

    Source: Naeini et al., AAAI 2015; bins of equal width, weighted by their records.
    """
    member = bins_of(probabilities)[:, None] == np.arange(BINS)
    off = weights @ (member * (probabilities - labels)[:, None])
    total = weights.sum(axis=1)
    mean = np.divide(np.abs(off).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)
    return np.asarray(mean)
