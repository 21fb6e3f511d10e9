"""Train the network under the losses of labels and of the evidence map together, in stretches.

Every batch holds slices with a label and slices whose lesions are known place by place: the map is an anchor, so the backbone
need not memorize which slice is whose. First the head alone, then the backbone's late stages with it; resolutions may follow
one another, low ones first: the weights do not depend on it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

from app.ct.manifest import NetworkSpec
from app.ct.network import EVIDENCE_LAYER, build_network
from app.ct.weights import load_weights, save_weights, weights_of
from training.imaging.pictures import Pictures
from training.keys import array_key, file_key, key_of
from training.learning.loop import Batch, LearningSettings, building, learn

LOGIT, MAP = "logit", "map"
"""Names of the two outputs that are trained."""
HEAD_ONLY = 6
"""A first stage beyond the backbone's last."""
_SOME = 0.05
"""Share of a place that must be lesion for a picture to show one."""


@dataclass(frozen=True)
class Stretch:
    """One stretch of training.

    Attributes:
        size: rows and columns of the pictures.
        steps: batches in an epoch.
        labelled, known: pictures with a label, and with a known map, in a batch.
        first_stage: the stages of the backbone from this one on are trained, beside the head; batch norms of the backbone
            keep their statistics. ``HEAD_ONLY`` trains none.
        map_weight: of the map's loss against the label's.
        drawn_weight: what the label of synthetic disease counts against that of a real slice; healthy slices count half.
        smoothing: labels are taken for 1 - smoothing and smoothing.
        positive_weight: how much more a place with lesion counts than one without.
        least_shown: smallest side of the part of a picture that is shown, a share of the whole.
        learning: see ``training.learning.loop``.
    """

    size: int = 224
    steps: int = 100
    labelled: int = 10
    known: int = 6
    first_stage: int = 3
    map_weight: float = 1.0
    drawn_weight: float = 0.0
    smoothing: float = 0.05
    positive_weight: float = 2.0
    least_shown: float = 0.85
    learning: LearningSettings = field(
        default_factory=lambda: LearningSettings(
            epochs=8,
            optimizer="adamw",
            learning_rate=1e-4,
            weight_decay=1e-2,
            schedule="cosine",
            warm_up=0.5,
            monitor=None,
            ema_decay=0.99,
            clip_norm=1.0,
            precision="mixed_bfloat16",
        )
    )


@dataclass(frozen=True, eq=False)
class Material:
    """What is learned from.

    Attributes:
        pictures: all looks.
        chances: float (looks,), how often each is drawn for its label; adds up to 1.
        known: int (rows,), which looks teach the map.
        validation: int (rows,), which looks every epoch is measured on.
    """

    pictures: Pictures
    chances: np.ndarray
    known: np.ndarray
    validation: np.ndarray

    @property
    def key(self) -> str:
        """Digest of all of it."""
        own = (self.chances, self.known, self.validation)
        return array_key(*own, *vars(self.pictures).values())


class MixedBatches:
    """Batches of both kinds, drawn with repetition; an epoch is a function of seed and number alone."""

    def __init__(self, material: Material, stretch: Stretch, *, grid: int) -> None:
        """``grid``: places on a side of the map."""
        self._material, self._stretch, self._grid = material, stretch, grid
        pictures = material.pictures
        lesions = pictures.coverage.reshape(len(pictures.images), -1).max(axis=1) > _SOME
        # A drawn lesion's label is an opinion, and none where it cannot be seen; a healthy slice's is a fact that the
        # labelled ones of its source tell too.
        kinds = [pictures.drawn & lesions, pictures.drawn | lesions]
        self._counts = np.select(kinds, [stretch.drawn_weight, 0.0], default=0.5)

    @property
    def steps(self) -> int:
        """Batches in every epoch."""
        return self._stretch.steps

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        rng = np.random.default_rng((self._stretch.learning.seed, epoch))
        for _ in range(self.steps):
            yield self._batch(rng)

    def _batch(self, rng: np.random.Generator) -> Batch:
        s, pictures = self._stretch, self._material.pictures
        of_labels = rng.choice(len(pictures.images), s.labelled, p=self._material.chances)
        of_maps = rng.choice(self._material.known, s.known)
        rows = np.r_[of_labels, of_maps]
        shown = [_Shown.drawn(rng, s) for _ in rows]
        gray = np.stack([one.gray(pictures.images[k]) for one, k in zip(shown, rows, strict=True)])
        maps = np.stack([one.map(pictures.coverage[k], self._grid) for one, k in zip(shown, rows, strict=True)])
        mapped = np.r_[np.zeros(s.labelled), np.ones(s.known)].astype(np.float32)
        labels = (pictures.labels[rows] * (1 - 2 * s.smoothing) + s.smoothing).astype(np.float32)[:, None]
        counts = np.r_[np.ones(s.labelled), self._counts[of_maps]].astype(np.float32)
        return gray[..., None], {LOGIT: labels, MAP: maps[..., None]}, {LOGIT: counts, MAP: mapped}


@dataclass(frozen=True)
class _Shown:
    """The part of a picture that is shown, and how: cheap changes on top of those of the look itself."""

    box: tuple[float, float, float, float]
    mirrored: int
    gain: float
    offset: float
    size: int

    @classmethod
    def drawn(cls, rng: np.random.Generator, stretch: Stretch) -> "_Shown":
        side = rng.uniform(stretch.least_shown, 1)
        left, top = rng.uniform(0, 1 - side, 2)
        gain, offset = rng.uniform(0.9, 1.1), rng.uniform(-8, 8)
        return cls((left, top, left + side, top + side), int(rng.choice((1, -1))), gain, offset, stretch.size)

    def gray(self, image: np.ndarray) -> np.ndarray:
        """float32 (size, size)."""
        seen = self._part(image, self.size).astype(np.float32)
        return np.asarray(np.clip(seen * self.gain + self.offset, 0, 255), dtype=np.float32)

    def map(self, coverage: np.ndarray, grid: int) -> np.ndarray:
        """float32 (grid, grid)."""
        return self._part(coverage, grid)

    def _part(self, picture: np.ndarray, side: int) -> np.ndarray:
        left, top, right, bottom = (edge * picture.shape[0] for edge in self.box)
        return _resized(picture, side, (left, top, right, bottom))[:, :: self.mirrored]


class AsServed:
    """Slices as they will be served, by their label and, where it is known, their map; every epoch the same."""

    def __init__(self, material: Material, stretch: Stretch, *, grid: int) -> None:
        """As ``MixedBatches``."""
        self._pictures, self._rows, self._size = material.pictures, material.validation, stretch.size
        self._batch, self._grid = stretch.labelled + stretch.known, grid

    @property
    def steps(self) -> int:
        """Batches."""
        return -(-len(self._rows) // self._batch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of any epoch."""
        del epoch
        for start in range(0, len(self._rows), self._batch):
            rows = self._rows[start : start + self._batch]
            gray = np.stack([_resized(self._pictures.images[k], self._size) for k in rows])[..., None]
            labels = self._pictures.labels[rows].astype(np.float32)[:, None]
            maps = np.stack([_resized(self._pictures.coverage[k], self._grid) for k in rows])[..., None]
            counts = {LOGIT: np.ones(len(rows), np.float32), MAP: self._pictures.known[rows].astype(np.float32)}
            yield gray.astype(np.float32), {LOGIT: labels, MAP: maps}, counts


def _resized(picture: np.ndarray, side: int, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side, side), box=box, resample=Image.Resampling.BILINEAR))


@keras.saving.register_keras_serializable("covidct")
class MapLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of each place against its coverage, the mean of each picture: those without a known map may count 0."""

    def __init__(self, positive_weight: float) -> None:
        """``positive_weight``: how much more a place with lesion counts than one without."""
        super().__init__(name="map_loss")
        self.positive_weight = positive_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Coverage and logit, (batch, rows, columns, 1) each -> (batch,)."""
        covered = self.positive_weight * y_true * ops.softplus(-y_pred)
        return ops.mean(covered + (1 - y_true) * ops.softplus(y_pred), axis=(1, 2, 3))


def training_network(spec: NetworkSpec, first_stage: int) -> keras.Model:
    """The network with ``logit`` (batch, 1) and ``map`` (batch, rows, columns, 1; before the sigmoid), both float32.

    Args:
        spec: with the size to train at.
        first_stage: stages from this one on, and the head, are trainable.
    """
    whole = build_network(spec)
    for layer in whole.layers:
        frozen_norm = isinstance(layer, layers.BatchNormalization) and layer.name != "head_evidence_bn"
        early = layer.name.startswith("conv") and int(layer.name[4]) < first_stage
        layer.trainable = not (frozen_norm or early)
    single = layers.Activation("linear", dtype="float32", name=LOGIT)(ops.expand_dims(whole.output["logit"], -1))
    places = layers.Activation("linear", dtype="float32", name=MAP)(whole.get_layer(EVIDENCE_LAYER).output)
    return keras.Model(whole.input, {LOGIT: single, MAP: places})


def train(
    spec: NetworkSpec,
    start: Path,
    material: Material,
    stretches: tuple[Stretch, ...],
    *,
    folder: Path,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train in stretches; each begins with the weights of the one before.

    Args:
        spec: the network's, at the size it will be served.
        start: safetensors file of the weights to begin with.
        material: what is learned from.
        stretches: in order; none leaves the weights as they are.
        folder: a sub-folder for each is made in it, with checkpoint, history and learning curves.
        seed: of batches and dropout.
        progress: told of every epoch.

    Returns:
        Path of the file of the last weights, float32.
    """
    for number, stretch in enumerate(stretches, start=1):
        seeded = replace(stretch, learning=replace(stretch.learning, seed=seed))
        progress(f"stretch {number} of {len(stretches)}, at {stretch.size} pixels")
        start = _train(spec, start, material, seeded, folder / f"stretch-{number}", progress)
    return start


def _train(
    spec: NetworkSpec, start: Path, material: Material, stretch: Stretch, folder: Path, progress: Callable[[str], None]
) -> Path:
    with building(stretch.learning):
        model = training_network(spec.model_copy(update={"size": stretch.size}), stretch.first_stage)
    load_weights(model, start)
    grid = model.output[MAP].shape[1]
    learn(
        model,
        MixedBatches(material, stretch, grid=grid),
        AsServed(material, stretch, grid=grid),
        settings=stretch.learning,
        loss={LOGIT: keras.losses.BinaryCrossentropy(from_logits=True), MAP: MapLoss(stretch.positive_weight)},
        loss_weights={LOGIT: 1.0, MAP: stretch.map_weight},
        folder=folder,
        key=key_of(file_key(start), spec, stretch, material.key),
        progress=progress,
    )
    trained = folder / "weights.safetensors"
    save_weights(weights_of(model), trained)
    return trained
