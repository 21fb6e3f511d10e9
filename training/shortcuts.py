"""The shortcut baseline: how far features that say nothing about disease predict the label.

Size, gray level, border and sharpness tell where a picture comes from. A classifier that is no better than they are may
have learned nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.catalog import Part, Record
from training.evaluation import auc

_FOLDS = 5


def trivial_features(gray: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Measure a picture without looking at what it shows.

    Args:
        gray: uint8 (height, width).
        size: width and height before the data set was scaled down, where known.

    Returns:
        float64 (5,): logarithms of width and height in pixels; mean of the picture; mean of its outermost 2 %; mean
        absolute difference of horizontal and vertical neighbours (0..255).
    """
    height, width = gray.shape
    picture = gray.astype(np.float64)
    edge = max(1, round(0.02 * min(height, width)))
    inner = picture[edge:-edge, edge:-edge]
    border_pixels = picture.size - inner.size
    border = (picture.sum() - inner.sum()) / border_pixels
    steps = [np.abs(np.diff(picture, axis=axis)).mean() if picture.shape[axis] > 1 else 0.0 for axis in (0, 1)]
    shown_width, shown_height = size or (width, height)
    return np.array([np.log(shown_width), np.log(shown_height), picture.mean(), border, sum(steps)])


def shortcut_aucs(records: Sequence[Record], features: np.ndarray) -> dict[str, dict[str, float | None]]:
    """AUC of a logistic regression on trivial features, by data set.

    Args:
        records: with parts.
        features: float (records, 5), as ``trivial_features`` gives them.

    Returns:
        For every data set with both labels in training: ``train`` (cross-validated by group) and each other part
        (fitted on its training records); None where a part has one label only.
    """
    table: dict[str, dict[str, float | None]] = {}
    for dataset in sorted({r.dataset for r in records}):
        chosen = np.array([r.dataset == dataset for r in records])
        members = [r for r in records if r.dataset == dataset]
        if len({r.label for r in members if r.part is Part.TRAIN}) == 2:
            table[dataset] = _by_part(members, features[chosen])
    return table


def _by_part(records: Sequence[Record], features: np.ndarray) -> dict[str, float | None]:
    labels = np.array([r.label for r in records])
    parts = np.array([str(r.part) for r in records])
    train = parts == Part.TRAIN
    model = _regression().fit(features[train], labels[train])
    groups = [r.group for r in records if r.part is Part.TRAIN]
    found = {"train": _cross_validated(features[train], labels[train], groups)}
    for part in sorted(set(parts) - {str(Part.TRAIN)}):
        scores = model.decision_function(features[parts == part])
        found[part] = _rounded(auc(labels[parts == part], scores))
    return found


def _cross_validated(features: np.ndarray, labels: np.ndarray, groups: Sequence[str]) -> float | None:
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    by_label = [len({g for g, label in zip(groups, labels, strict=True) if label == value}) for value in (0, 1)]
    folds = min(_FOLDS, *by_label)
    if folds < 2:
        return None
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    scores = cross_val_predict(_regression(), features, labels, groups=groups, cv=split, method="decision_function")
    return _rounded(auc(labels, scores))


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
