"""The linear part: from features pooled over the places with evidence to the logit of COVID-19."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class LinearSettings:
    """How the linear part is fitted.

    Attributes:
        strength: inverse of the L2 penalty (scikit-learn's C) with weights of mean 1.
        one_class_share: weight of a data set that has one class only, against one class of a data set with both.
    """

    strength: float = 0.01
    one_class_share: float = 0.25


@dataclass(frozen=True, eq=False)
class Linear:
    """``logit = features @ coefficients + intercept``."""

    coefficients: np.ndarray
    intercept: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """float (records, features) -> float (records,)."""
        return np.asarray(features @ self.coefficients + self.intercept)


def balanced_weights(datasets: Sequence[str], labels: np.ndarray, *, one_class_share: float) -> np.ndarray:
    """Weights that make every class of every data set count the same, whatever its size.

    A data set with one class says where a picture comes from as much as what it shows, so it counts less.

    Returns:
        float (records,), mean 1.
    """
    names = np.asarray(datasets)
    weights = np.zeros(len(labels))
    for name in np.unique(names):
        mine = names == name
        classes = np.unique(labels[mine])
        for label in classes:
            cell = mine & (labels == label)
            weights[cell] = (1.0 if len(classes) == 2 else one_class_share) / cell.sum()
    return np.asarray(weights / weights.mean())


def fit_linear(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, settings: LinearSettings) -> Linear:
    """Logistic regression with an L2 penalty.

    Args:
        features: float (records, features), standardized.
        labels: int (records,), 1 COVID-19.
        weights: float (records,).
    """
    model = LogisticRegression(C=settings.strength, max_iter=1000)
    model.fit(features, labels, sample_weight=weights)
    return Linear(model.coef_[0].astype(np.float64), float(model.intercept_[0]))
