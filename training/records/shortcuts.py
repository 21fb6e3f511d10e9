"""The shortcut baseline: how far features that say nothing about disease predict the label.

Size, gray level, border and sharpness tell where a picture comes from. A classifier that is no better than they are may
have learned nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from training.metrics.evaluation import Interval
from training.metrics.paired_areas import area
from training.records.catalog import Part, Record

FEATURES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"all": (0, 1, 2, 3, 4), "size": (0, 1), "gray level": (2,), "border": (3,), "sharpness": (4,)}
)
"""Columns of ``trivial_features`` by name."""
POOLED = "all sources"
DRAWS = 1000
_FOLDS = 5


def trivial_features(gray: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Measure a picture without looking at what it shows.

    Args:
        gray: uint8 (height, width).
        size: width and height before the data set was scaled down, where known.

    Returns:
        float64 (5,): logarithms of width and height in pixels; mean of the picture; mean of its outermost 2 %; mean
        absolute difference of horizontal and vertical neighbors (0..255).
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


@dataclass(frozen=True, eq=False)
class _Measured:
    """Records of one source or of all, as arrays of one length."""

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    parts: np.ndarray

    @classmethod
    def of(cls, records: Sequence[Record], features: np.ndarray) -> "_Measured":
        """Arrays of records and their features, float (records, 5)."""
        return cls(
            features,
            labels=np.array([r.label for r in records], dtype=np.int64),
            groups=np.array([r.group for r in records], dtype=np.str_),
            parts=np.array([str(r.part) for r in records], dtype=np.str_),
        )

    def where(self, rows: np.ndarray) -> "_Measured":
        return _Measured(self.features[rows], self.labels[rows], self.groups[rows], self.parts[rows])

    def of_part(self, part: str) -> "_Measured":
        return self.where(self.parts == part)

    def columns(self, name: str) -> "_Measured":
        return _Measured(self.features[:, FEATURES[name]], self.labels, self.groups, self.parts)

    @property
    def has_both(self) -> bool:
        return len(set(self.labels.tolist())) == 2


def shortcut_figures(records: Sequence[Record], features: np.ndarray) -> list[dict[str, Any]]:
    """AUC of logistic regressions on trivial features, with 95 % intervals by group.

    Args:
        records: with parts.
        features: float (records, 5), as ``trivial_features`` gives them.

    Returns:
        Rows of ``fitted_on`` (the training part of a data set, or of ``POOLED``), ``measured_on``, ``part``,
        ``features``, ``n``, ``groups``, ``value``, ``low``, ``high``. Part ``train`` is cross-validated by group; from one
        data set to another all parts but ``measure`` count. A figure that does not exist is None.
    """
    everything = _Measured.of(records, features)
    names = np.array([r.dataset for r in records], dtype=np.str_)
    sets = {name: everything.where(names == name) for name in sorted(set(names.tolist()))}
    fitted = {name: found for name, found in sets.items() if found.of_part(Part.TRAIN).has_both}
    rows = [row for name, found in fitted.items() for row in _within(name, found)]
    rows += _within(POOLED, everything) if everything.of_part(Part.TRAIN).has_both else []
    for name, found in fitted.items():
        others = [other for other in fitted if other != name]
        rows += [_carried(name, found, other, sets[other]) for other in others]
    return rows


def _within(name: str, found: _Measured) -> Iterator[dict[str, Any]]:
    train = found.of_part(Part.TRAIN)
    for features in FEATURES:
        yield _row(name, name, Part.TRAIN, features, train, _cross_validated(train.columns(features)))
    model = _regression().fit(train.features, train.labels)
    for part in sorted(set(found.parts.tolist()) - {str(Part.TRAIN)}):
        measured = found.of_part(part)
        yield _row(name, name, part, "all", measured, model.decision_function(measured.features))


def _carried(name: str, found: _Measured, other: str, target: _Measured) -> dict[str, Any]:
    train, measured = found.of_part(Part.TRAIN), target.where(target.parts != Part.MEASURE)
    model = _regression().fit(train.features, train.labels)
    return _row(name, other, "all", "all", measured, model.decision_function(measured.features))


def _row(
    fitted_on: str, measured_on: str, part: str, features: str, measured: _Measured, scores: np.ndarray | None
) -> dict[str, Any]:
    figure = Interval(None) if scores is None else area(measured.labels, scores, measured.groups, draws=DRAWS, seed=0)
    return {
        "fitted_on": fitted_on,
        "measured_on": measured_on,
        "part": str(part),
        "features": features,
        "n": len(measured.labels),
        "groups": len(set(measured.groups.tolist())),
        "value": _rounded(figure.value),
        "low": _rounded(figure.low),
        "high": _rounded(figure.high),
    }


def _cross_validated(train: _Measured) -> np.ndarray | None:
    """Scores of the training records, each by a model that did not see its group; None with too few groups."""
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    folds = min(_FOLDS, *(len(set(train.groups[train.labels == label].tolist())) for label in (0, 1)))
    if folds < 2:
        return None
    split = list(
        StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(train.features, train.labels, train.groups)
    )
    if any(len(set(train.labels[learned].tolist())) < 2 for learned, _ in split):
        return None
    scores = cross_val_predict(_regression(), train.features, train.labels, cv=split, method="decision_function")
    return np.asarray(scores)


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
