"""What every step of one run needs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from app.ct.fitness import FITNESS_FILE
from app.ct.manifest import FitnessSpec
from app.ct.preprocessing import Preprocessor, make_preprocessor
from training.deciding.decisions import JUDGED_ON
from training.fitting.likeness import fit_limits, look_at
from training.fitting.recipe import Recipe
from training.imaging.pictures import Pictures
from training.keys import key_of
from training.learning.features import Frozen
from training.records.balance import balanced_weights, cell_of
from training.records.catalog import CATALOG, Catalog, Part, Record
from training.records.prepared import part_counts
from training.records.split import held_out
from training.run import PartCount, RunError


@dataclass(frozen=True, eq=False)
class Fitting:
    """One run under way.

    Attributes:
        recipe: what is trained.
        catalog: the prepared records.
        out: folder of the run.
        progress: told what is going on, in words.
    """

    recipe: Recipe
    catalog: Catalog
    out: Path
    progress: Callable[[str], None]

    @property
    def preprocessor(self) -> Preprocessor:
        """What makes pictures for the recipe's network."""
        return make_preprocessor(self.recipe.preprocessing, self.recipe.network.size)

    def placed(self, *parts: Part) -> list[tuple[int, Record]]:
        """Records of the parts with their places in the catalog."""
        return [(k, r) for k, r in enumerate(self.catalog.records) if r.part in parts]

    def counts(self, record: Record) -> bool:
        """Whether a record may decide anything: neither its data set, nor a relative of it, nor its patient is left out."""
        return not held_out(record, self.recipe.without) and record.group not in self._left_out

    @cached_property
    def _left_out(self) -> frozenset[str]:
        """Groups with a record of a data set that is left out: `prepare` merges those of one patient over data sets."""
        return frozenset(r.group for r in self.catalog.records if held_out(r, self.recipe.without))

    def rows(self, pictures: Pictures, part: Part) -> np.ndarray:
        """Which pictures come from records of a part that count."""
        records = [self.catalog.records[k] for k in pictures.records]
        return np.flatnonzero([r.part is part and self.counts(r) for r in records])

    def chances(self, pictures: Pictures) -> np.ndarray:
        """How often each picture is drawn where labels are learned; 0 outside the training part and for what is drawn.

        Returns:
            float (pictures,), adds up to 1.

        Raises:
            RunError: there is nothing whose label is learned.
        """
        rows = self.rows(pictures, Part.TRAIN)
        rows = rows[~pictures.drawn[rows]]
        records = [self.catalog.records[k] for k in pictures.records[rows]]
        if not any(self.recipe.label_weights.get(cell_of(r)) for r in records):
            learned = ", ".join(self.recipe.label_weights)
            raise RunError(
                f"The recipe learns the labels of {learned}: none of them has training slices in the catalog."
            )
        weights = np.zeros(len(pictures.records))
        weights[rows] = balanced_weights(
            [cell_of(r) for r in records],
            np.array([r.label for r in records]),
            groups=[r.group for r in records],
            one_class_share=self.recipe.one_class_share,
            cell_weights=self.recipe.label_weights,
        )
        return np.asarray(weights / weights.sum())

    def learned(self, pictures: Pictures) -> np.ndarray:
        """Which pictures show a record that the network learns from: its label, or where its lesions are. bool (pictures,)."""
        trains = np.isin(np.arange(len(pictures.records)), self.rows(pictures, Part.TRAIN))
        used = (self.chances(pictures) > 0) | (trains & pictures.known)
        return np.isin(pictures.records, pictures.records[used])

    def labels_not_learned(self) -> list[str]:
        """Data sets, or styles of them, in the training part whose labels the recipe does not learn."""
        cells = {cell_of(r) for _, r in self.placed(Part.TRAIN) if self.counts(r)}
        return sorted(cell for cell in cells if not self.recipe.label_weights.get(cell))


def split_key(fitting: Fitting) -> str:
    """Digest of which slices count and of the part of each: that of another split of the same data is another."""
    seen = [r for r in fitting.catalog.records if fitting.counts(r)]
    return key_of(sorted((r.dataset, r.group, r.file.name, r.label, str(r.part)) for r in seen))


def counted(fitting: Fitting) -> tuple[PartCount, ...]:
    """How much of each data set counts, part by part."""
    seen = [r for r in fitting.catalog.records if fitting.counts(r)]
    return tuple(PartCount.model_validate(row) for row in part_counts(seen))


def fit_fitness(fitting: Fitting, network: Frozen) -> FitnessSpec:
    """What is not judged at all, by the network's own features; their spread goes beside the weights."""
    records = [r for _, r in fitting.placed(Part.TRAIN, Part.VALIDATION) if fitting.counts(r)]
    fitting.progress(f"features of {len(records)} slices")
    spread, spec = fit_limits(records, look_at(records, fitting.preprocessor, network), fitting.recipe.fitness)
    spread.save(fitting.out / FITNESS_FILE)
    return spec


def begin(recipe: Recipe, *, work: Path, out: Path, resume: bool, progress: Callable[[str], None]) -> Fitting:
    """A run about to be trained: its folder made, its catalog read and checked.

    Args:
        recipe: what is trained, and without which data.
        work: folder that ``prepare`` wrote.
        out: folder of the run; must be empty unless ``resume``.
        resume: go on where a killed run stopped.
        progress: told what is going on, in words.

    Raises:
        RunError: the folder is not empty, a data set to leave out is not there, or there is nothing to judge on, or
            too little to train on.
    """
    if out.exists() and any(out.iterdir()) and not resume:
        raise RunError("The run's folder is not empty; give --resume to go on, or another folder.")
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    catalog = Catalog.read(work / CATALOG)
    unknown = recipe.without - {r.dataset for r in catalog.training()}
    if unknown:
        raise RunError(f"The catalog has no data set {', '.join(sorted(unknown))} to leave out.")
    fitting = Fitting(recipe, catalog, out, progress)
    judged = [r for _, r in fitting.placed(Part.VALIDATION) if r.dataset in JUDGED_ON and fitting.counts(r)]
    if {r.label for r in judged} != {0, 1}:
        raise RunError(f"No validation slices of both classes of {', '.join(JUDGED_ON)}: nothing to judge on.")
    least, training = recipe.fitness.directions, sum(fitting.counts(r) for _, r in fitting.placed(Part.TRAIN))
    if training <= least:
        raise RunError(f"There are {training} training slices: limits of fitness need more than {least}.")
    return fitting
