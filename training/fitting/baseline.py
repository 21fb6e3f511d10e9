"""``covidct-train fit`` for the paper's own recipe: fine-tune a whole network on a few slices of each exam, plainly.

Six slices of each group with COVID-19 and twelve of each without are drawn once (the paper's numbers; a group stands for its
exam), of every data set whose training part has both classes. No augmentation, no balancing, the paper's preprocessing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from app.ct.preprocessing import make_preprocessor
from app.ct.weights import save_weights, weights_of
from training.deciding.decisions import FallingScores
from training.fitting.conclude import UNDECIDED, conclude
from training.fitting.recipe import Recipe
from training.fitting.setup import Fitting, begin, fit_fitness
from training.fitting.slice_scores import SliceScores
from training.imaging.looks import LookSettings
from training.imaging.pictures import Pictures, Studio
from training.keys import array_key, key_of
from training.learning.features import Frozen, weights_label
from training.learning.imagenet import load_backbone_weights
from training.learning.loop import Batch, LearningSettings, building, learn, shuffled
from training.learning.networks import LOGIT, Architecture, build, loss_weights, training_model
from training.measured import forget_if_changed
from training.records.catalog import Part, Record
from training.run import WEIGHTS, Run, RunError
from training.seal import seal

_COMPARE_ONLY = (
    "The service has no {architecture}: runs of {recipe} are there to be compared (`covidct-train compare`)."
)
_UNLEARNED = "The network's scores do not rise with the label on validation: this run is there to be compared alone."


@dataclass(frozen=True)
class Baseline(Recipe):
    """A network of the paper's table, trained as the paper says.

    Attributes:
        looks: the slice as it will be served, and no other.
        architecture: which network.
        drawn: slices of each group without and with COVID-19 that are learned from and validated on.
        draw_seed: of the draw; not that of the run, so that all runs see the same slices.
        learning: how it learns; the seed is the recipe's.
    """

    looks: LookSettings = field(default_factory=lambda: LookSettings(altered=0, infiltrates=0, other=0))
    architecture: Architecture = "resnet50"
    drawn: tuple[int, int] = (12, 6)
    draw_seed: int = 0
    learning: LearningSettings = field(default_factory=LearningSettings)

    def at_size(self, size: int) -> "Baseline":
        """The same with pictures of another size."""
        return replace(self, network=self.network.model_copy(update={"size": size}))


def fit(
    recipe: Baseline,
    *,
    work: Path,
    out: Path,
    resume: bool = False,
    backbone_weights: str = "none",
    cache: Path | None = None,
    weights_of_model: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Run:
    """Train a baseline; arguments as ``training.fitting.fit.fit``.

    Raises:
        RunError: the run's folder is not empty, there is nothing to learn from or to judge on, or the start weights do
            not fit, or weights were to be taken from a model.
    """
    if weights_of_model is not None:
        raise RunError("Weights are taken from a model for a recipe that is served, not for the paper's.")
    started = time.monotonic()
    fitting = begin(recipe, work=work, out=out, resume=resume, progress=progress)
    with building(replace(recipe.learning, seed=recipe.seed)):
        network = build(recipe.architecture, recipe.network)
    start = _set_start(network, recipe.architecture, backbone_weights)
    preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
    studio = Studio((cache or work / "cache") / "looks", preprocessor, recipe.preprocessing, recipe.looks, seed=0)
    pictures = studio.pictures(fitting.placed(Part.TRAIN, Part.VALIDATION, Part.TEST), progress)
    _learn(fitting, recipe, network, pictures)
    logits = _logits(fitting, network, pictures)
    learned = np.isin(np.arange(len(logits)), _drawn_rows(fitting, recipe, pictures, Part.TRAIN))
    SliceScores.of([fitting.catalog.records[k] for k in pictures.records], logits, learned=learned).write(out)
    do = partial(
        conclude,
        fitting,
        work,
        pictures,
        logits,
        fitness=fit_fitness(fitting, _features_of(network)),
        hours=(time.monotonic() - started) / 3600,
        command=_command(recipe, backbone_weights),
        backbone_weights=start,
    )
    run = _concluded(do, recipe)
    forget_if_changed(out, run)
    run.write(out)
    seal(out)
    return run


def _command(recipe: Baseline, start: str) -> str:
    left_out = "".join(f" --without {name}" for name in sorted(recipe.without))
    options = f"--size {recipe.network.size} --seed {recipe.seed} --backbone-weights {Path(start).name}"
    return f"covidct-train fit {recipe.name} -w WORK -o RUN {options}{left_out}"


def _set_start(network: keras.Model, architecture: Architecture, source: str) -> str:
    """Set the start weights there are; in words, which."""
    taken = load_backbone_weights(network, source, architecture)
    layers = [x.name for x in network.layers if x.weights and not x.name.startswith(("head", "caffe", "auxiliary"))]
    if source != "none" and not taken:
        raise RunError(f"The start weights have no layer of {architecture}.")
    rest = f", {len(taken)} of {len(layers)} layers, the others random" if source != "none" else ""
    return weights_label(source) + rest


def both_classes(records: Sequence[Record]) -> frozenset[str]:
    """Data sets whose training part has both labels."""
    cells = {(r.dataset, r.label) for r in records if r.part is Part.TRAIN}
    return frozenset(name for name, label in cells if label == 1 and (name, 0) in cells)


def draw(records: Sequence[Record], most: tuple[int, int], *, seed: int) -> np.ndarray:
    """Rows of at most so many slices of each group, drawn once: int (rows,), rising.

    Args:
        records: of one part.
        most: slices of a group without and with COVID-19.
        seed: what is drawn of a group depends on it and the group's own slices, on no other group.
    """
    groups: dict[tuple[str, str, int], list[int]] = {}
    for row, r in enumerate(records):
        groups.setdefault((r.dataset, r.group, r.label), []).append(row)
    found: list[int] = []
    for name, rows in groups.items():
        rng = np.random.default_rng(int(key_of(seed, name), 16))
        found += rng.permutation(rows)[: most[name[2]]].tolist()
    return np.array(sorted(found), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class LabelledBatches:
    """Slices with their labels, for every output of a network that has a loss.

    Attributes:
        pictures: all there are.
        rows: int (rows,), which to give.
        outputs: names.
        batch: slices in a batch.
        seed: of the order of each epoch, whose last, smaller batch is left out; None gives all in order.
    """

    pictures: Pictures
    rows: np.ndarray
    outputs: tuple[str, ...]
    batch: int
    seed: int | None = None

    @property
    def steps(self) -> int:
        """Batches in every epoch."""
        whole = len(self.rows) // self.batch
        return whole if self.seed is not None and whole else -(-len(self.rows) // self.batch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        rows = self.rows
        if self.seed is not None:
            rows = rows[shuffled(len(rows), seed=self.seed, epoch=epoch)]
        for k in range(self.steps):
            some = rows[k * self.batch : (k + 1) * self.batch]
            labels = self.pictures.labels[some].astype(np.float32)
            yield self.pictures.images[some][..., None].astype(np.float32), dict.fromkeys(self.outputs, labels)


def _learn(fitting: Fitting, recipe: Baseline, network: keras.Model, pictures: Pictures) -> None:
    """Train the network, and write its weights."""
    model = training_model(network)
    rows = [_drawn_rows(fitting, recipe, pictures, part) for part in (Part.TRAIN, Part.VALIDATION)]
    if not all(len(r) for r in rows):
        raise RunError("No data set has slices of both classes to learn from and slices to validate on.")
    fitting.progress(f"learning from {len(rows[0])} slices, validating on {len(rows[1])}")
    settings, outputs = replace(recipe.learning, seed=recipe.seed), tuple(model.output)
    monitor = "val_loss" if outputs == (LOGIT,) else f"val_{LOGIT}_loss"
    shown = [key_of(pictures.images[r].tobytes(), pictures.labels[r].tobytes()) for r in rows]
    learn(
        model,
        LabelledBatches(pictures, rows[0], outputs, settings.batch, settings.seed),
        LabelledBatches(pictures, rows[1], outputs, settings.batch),
        settings=replace(settings, monitor=monitor),
        loss={name: keras.losses.BinaryCrossentropy(from_logits=True) for name in outputs},
        loss_weights=loss_weights(model),
        folder=fitting.out,
        key=key_of(recipe.architecture, recipe.network, array_key(*(np.asarray(w) for w in network.weights)), shown),
        progress=fitting.progress,
    )
    save_weights(weights_of(network), fitting.out / WEIGHTS)


def _drawn_rows(fitting: Fitting, recipe: Baseline, pictures: Pictures, part: Part) -> np.ndarray:
    learned = both_classes([r for _, r in fitting.placed(Part.TRAIN) if fitting.counts(r)])
    records = [fitting.catalog.records[k] for k in pictures.records]
    rows = np.array([k for k in fitting.rows(pictures, part) if records[k].dataset in learned], dtype=np.int64)
    return np.asarray(rows[draw([records[k] for k in rows], recipe.drawn, seed=recipe.draw_seed)])


def _logits(fitting: Fitting, network: keras.Model, pictures: Pictures) -> np.ndarray:
    """float32 (slices,)."""
    fitting.progress(f"scoring {len(pictures.images)} slices")
    scoring = Frozen(keras.Model(network.input, {LOGIT: network.output[LOGIT]}), "f32")
    return np.concatenate([batch[LOGIT].ravel() for batch in scoring.batches(pictures.images)])


def _concluded(do: Callable[..., Run], recipe: Baseline) -> Run:
    """As any run; one that learned nothing, or is of a network that is not served, says so and is still compared."""
    try:
        run = do()
    except FallingScores:
        return do(decided=UNDECIDED).model_copy(update={"compare_only": _UNLEARNED})
    if recipe.architecture != "resnet50":
        told = _COMPARE_ONLY.format(architecture=recipe.architecture, recipe=recipe.name)
        return run.model_copy(update={"compare_only": told})
    return run


def _features_of(network: keras.Model) -> Frozen:
    return Frozen(keras.Model(network.input, {"features": network.output["features"]}))
