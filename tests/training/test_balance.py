import numpy as np
import pytest

from training.records.balance import balanced_weights, cell_of
from training.records.catalog import Record


def test_every_class_of_every_cell_counts_the_same():
    cells, labels = ["a"] * 6 + ["b"] * 2, np.array([1, 0, 0, 0, 0, 0, 1, 0])

    weights = balanced_weights(cells, labels, one_class_share=0.25)

    assert weights[0] == pytest.approx(weights[1:6].sum())
    assert weights[6] == pytest.approx(weights[7])
    assert weights[:6].sum() == pytest.approx(weights[6:].sum())
    assert weights.mean() == pytest.approx(1)


def test_a_cell_with_one_class_counts_less():
    weights = balanced_weights(["a", "a", "b"], np.array([1, 0, 0]), one_class_share=0.25)

    assert weights[2] == pytest.approx(0.25 * weights[0])


def test_a_cell_that_is_not_named_does_not_count():
    weights = balanced_weights(["a", "a", "b"], np.array([1, 0, 0]), one_class_share=1, cell_weights={"a": 1.0})

    assert weights[2] == 0


def test_looks_that_go_with_one_class_are_cells_of_their_own(tmp_path):
    flags = frozenset({"lungmask", "style=plain"})
    record = Record(tmp_path / "a.png", 1, dataset="drenet", group="g", flags=flags)

    assert cell_of(record) == "drenet/plain"
