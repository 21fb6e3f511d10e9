"""The order of scores alone: the area under the ROC curve, for many weightings of the same records at once.

Pure numpy in, numbers out. A row of weights is one bootstrap sample.
"""

import numpy as np


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, nan where ``whole`` is 0; both float of one shape."""
    found: np.ndarray = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return found


def by_score(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the positives and of the negatives at each distinct score, lowest first.

    Args:
        labels: int (records,), 1 positive.
        scores: float (records,).
        weights: float (draws, records).

    Returns:
        Two float64 (draws, distinct scores).
    """
    if not len(labels):
        return np.zeros((len(weights), 0)), np.zeros((len(weights), 0))
    order = np.argsort(scores, kind="stable")
    positive = (labels == 1)[order]
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    in_order = weights[:, order]
    return (
        np.add.reduceat(in_order * positive, starts, axis=1),
        np.add.reduceat(in_order * ~positive, starts, axis=1),
    )


def areas(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Of each pair of a positive and a negative, how often the positive scores higher; ties count half.

    Args:
        positives, negatives: as ``by_score`` gives them.

    Returns:
        float64 (draws,), nan without both classes.
    """
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve; None without both classes.

    Args:
        labels: int (records,), 1 positive.
        scores: float (records,), larger is more positive.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    area = float(areas(*by_score(labels, scores, np.ones((1, len(labels)))))[0])
    return area if np.isfinite(area) else None
