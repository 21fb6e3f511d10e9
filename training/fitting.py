"""What every step of one run needs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from training.cache import Cache
from training.catalog import Catalog, Part, Record
from training.linear import balanced_weights, cell_of
from training.pictures import Pictures
from training.recipe import Recipe
from training.split import held_out

JUDGED_ON = ("covid-ct", "soares", "drenet")
"""Data sets with both classes and a validation part: thresholds and the exam rule are chosen on them, and on nothing else."""


@dataclass(frozen=True, eq=False)
class Fitting:
    """One run under way.

    Attributes:
        recipe: what is trained.
        catalog: the prepared records.
        cache: what is kept between runs.
        out: folder of the run.
        backbone: with its start weights; frozen.
        key: digest of what all kept arrays depend on.
        progress: told what is going on, in words.
    """

    recipe: Recipe
    catalog: Catalog
    cache: Cache
    out: Path
    backbone: keras.Model
    key: str
    progress: Callable[[str], None]

    def placed(self, *parts: Part) -> list[tuple[int, Record]]:
        """Records of the parts with their places in the catalog."""
        return [(k, r) for k, r in enumerate(self.catalog.records) if r.part in parts]

    def counts(self, record: Record) -> bool:
        """Whether a record may decide anything: neither its data set nor a relative of it is left out."""
        return not held_out(record, self.recipe.without)

    def rows(self, pictures: Pictures, part: Part) -> np.ndarray:
        """Which pictures come from records of a part that count."""
        records = [self.catalog.records[k] for k in pictures.records]
        return np.flatnonzero([r.part is part and self.counts(r) for r in records])

    def training_weights(self, pictures: Pictures) -> np.ndarray:
        """What each picture counts when labels are learned from; 0 outside the training part. float (pictures,)."""
        rows = self.rows(pictures, Part.TRAIN)
        records = [self.catalog.records[k] for k in pictures.records[rows]]
        weights = np.zeros(len(pictures.records))
        weights[rows] = balanced_weights(
            [cell_of(r) for r in records],
            np.array([r.label for r in records]),
            groups=[r.group for r in records],
            one_class_share=self.recipe.linear.one_class_share,
            cell_weights=self.recipe.label_weights,
        )
        return weights
