"""How much each slice counts, so that no data set, look or patient speaks louder than another."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.records.catalog import Record

ENOUGH_GROUPS = 10
"""Patients (or blocks) of a class in a cell below which it counts less: a few patients say little, however many slices."""


def cell_of(record: Record) -> str:
    """Data set, and within it the style where the data set notes one: looks that go with one class are told apart."""
    styles = [flag.removeprefix("style=") for flag in record.flags if flag.startswith("style=")]
    return "/".join([record.dataset, *styles])


def balanced_weights(
    cells: Sequence[str],
    labels: np.ndarray,
    *,
    one_class_share: float,
    groups: Sequence[str] | None = None,
    cell_weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Weights that make every class of every cell (data set, or one style of it) count the same, whatever its size.

    A cell with one class says where a picture comes from as much as what it shows, so it counts less.

    Args:
        cells: one a record.
        labels: int (records,).
        groups: one a record; a class of fewer than ``ENOUGH_GROUPS`` counts less in proportion.
        one_class_share: weight of a one-class cell against one class of a cell with both.
        cell_weights: how much each cell counts; cells not named get 0. All count 1 by default.

    Returns:
        float (records,), mean 1 over the records that count.
    """
    names, of = np.asarray(cells), None if groups is None else np.asarray(groups)
    weights = np.zeros(len(labels))
    for name in np.unique(names):
        mine = names == name
        classes = np.unique(labels[mine])
        share = (1.0 if len(classes) == 2 else one_class_share) * (
            1.0 if cell_weights is None else cell_weights.get(name, 0.0)
        )
        for label in classes:
            cell = mine & (labels == label)
            weights[cell] = share * (1.0 if of is None else _enough(of[cell])) / cell.sum()
    return np.asarray(weights / weights[weights > 0].mean())


def _enough(groups: np.ndarray) -> float:
    return min(1.0, len(np.unique(groups)) / ENOUGH_GROUPS)
