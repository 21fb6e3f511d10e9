"""Fine-tune the assembled network as a whole, once its head stands, under the losses of labels and of the map together.

Every batch holds slices with a label and slices whose lesions are known place by place: the map is an anchor, so the backbone
need not memorize which slice is whose. Resolutions may follow one another, low ones first: the weights do not depend on it.
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
from training.cache import file_key, key_of
from training.evidence import evidence_loss
from training.learning import Batch, LearningSettings, building, learn
from training.pictures import Pictures

LOGIT, MAP = "logit", "map"
"""Names of the two outputs that are trained."""


@dataclass(frozen=True)
class TuningSettings:
    """One stretch of fine-tuning.

    Attributes:
        size: rows and columns of the pictures.
        steps: batches in an epoch.
        labelled, known: pictures with a label, and with a known map, in a batch.
        first_stage: the stages of the backbone from this one on are trained; batch norms keep their statistics.
        map_weight: of the map's loss against the label's.
        drawn_weight: what the label of synthetic disease counts against that of a real slice; healthy slices count half.
        smoothing: labels are taken for 1 - smoothing and smoothing.
        positive_weight: see ``training.evidence.EvidenceSettings``.
        least_shown: smallest side of the part of a picture that is shown, a share of the whole.
        learning: see ``training.learning``.
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
class TuningData:
    """What it learns from.

    Attributes:
        labelled: looks with labels.
        weights: float (labelled looks,), how often each is drawn; 0 where never.
        known: looks with a known map.
        known_rows: int (rows,), which of them train.
        validation_rows: int (rows,), which labelled looks every epoch is measured on.
    """

    labelled: Pictures
    weights: np.ndarray
    known: Pictures
    known_rows: np.ndarray
    validation_rows: np.ndarray


class TuningBatches:
    """Batches of both kinds, drawn with repetition; an epoch is a function of seed and number alone."""

    def __init__(self, found: TuningData, settings: TuningSettings, *, grid: int) -> None:
        """``grid``: places on a side of the map."""
        self._found, self._settings, self._grid = found, settings, grid
        self._chances = found.weights / found.weights.sum()
        lesions = found.known.coverage.reshape(len(found.known.images), -1).max(axis=1) > 0.05
        real = found.known.numbers < 2
        # A drawn lesion's label is an opinion; a healthy slice's is a fact that the labelled ones of its source tell too.
        self._counts = np.where(lesions & ~real, settings.drawn_weight, np.where(lesions, 0.0, 0.5))

    @property
    def steps(self) -> int:
        """Batches in every epoch."""
        return self._settings.steps

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        rng = np.random.default_rng((self._settings.learning.seed, epoch))
        for _ in range(self.steps):
            yield self._batch(rng)

    def _batch(self, rng: np.random.Generator) -> Batch:
        s, found = self._settings, self._found
        of_labels = rng.choice(len(self._chances), s.labelled, p=self._chances)
        of_maps = rng.choice(found.known_rows, s.known)
        shown = [_Shown.drawn(rng, s) for _ in range(s.labelled + s.known)]
        images = [*found.labelled.images[of_labels], *found.known.images[of_maps]]
        gray = np.stack([one.gray(image) for one, image in zip(shown, images, strict=True)])
        maps = np.zeros((len(shown), self._grid, self._grid, 1), np.float32)
        for k, row in enumerate(of_maps, start=s.labelled):
            maps[k, ..., 0] = shown[k].map(found.known.coverage[row], self._grid)
        labels = np.r_[found.labelled.labels[of_labels], found.known.labels[of_maps]]
        smooth = (labels * (1 - 2 * s.smoothing) + s.smoothing).astype(np.float32)[:, None]
        counts = np.r_[np.ones(s.labelled), self._counts[of_maps]].astype(np.float32)
        mapped = np.r_[np.zeros(s.labelled), np.ones(s.known)].astype(np.float32)
        return gray[..., None], {LOGIT: smooth, MAP: maps}, {LOGIT: counts, MAP: mapped}


@dataclass(frozen=True)
class _Shown:
    """The part of a picture that is shown, and how: cheap changes on top of those of the look itself."""

    box: tuple[float, float, float, float]
    mirrored: int
    gain: float
    offset: float
    size: int

    @classmethod
    def drawn(cls, rng: np.random.Generator, settings: TuningSettings) -> "_Shown":
        side = rng.uniform(settings.least_shown, 1)
        left, top = rng.uniform(0, 1 - side, 2)
        gain, offset = rng.uniform(0.9, 1.1), rng.uniform(-8, 8)
        return cls((left, top, left + side, top + side), int(rng.choice((1, -1))), gain, offset, settings.size)

    def gray(self, image: np.ndarray) -> np.ndarray:
        """float32 (size, size)."""
        seen = self._resized(image, self.size).astype(np.float32)
        return np.asarray(np.clip(seen * self.gain + self.offset, 0, 255), dtype=np.float32)

    def map(self, coverage: np.ndarray, grid: int) -> np.ndarray:
        """float32 (grid, grid)."""
        return self._resized(coverage, grid)

    def _resized(self, picture: np.ndarray, side: int) -> np.ndarray:
        left, top, right, bottom = (edge * picture.shape[0] for edge in self.box)
        shown = Image.fromarray(picture).resize(
            (side, side), box=(left, top, right, bottom), resample=Image.Resampling.BILINEAR
        )
        return np.asarray(shown)[:, :: self.mirrored]


class _Unaltered:
    """Validation slices as they will be served, by their label."""

    def __init__(self, found: TuningData, settings: TuningSettings, *, grid: int) -> None:
        self._pictures, self._rows, self._size = found.labelled, found.validation_rows, settings.size
        self._batch, self._grid = settings.labelled + settings.known, grid

    @property
    def steps(self) -> int:
        return -(-len(self._rows) // self._batch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        del epoch
        for start in range(0, len(self._rows), self._batch):
            rows = self._rows[start : start + self._batch]
            gray = np.stack([resized(image, self._size) for image in self._pictures.images[rows]])
            count = len(rows)
            labels = self._pictures.labels[rows].astype(np.float32)[:, None]
            maps = np.zeros((count, self._grid, self._grid, 1), np.float32)
            yield (
                gray[..., None].astype(np.float32),
                {LOGIT: labels, MAP: maps},
                {LOGIT: np.ones(count, np.float32), MAP: np.zeros(count, np.float32)},
            )


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (size, size)."""
    return np.asarray(Image.fromarray(image).resize((size, size), resample=Image.Resampling.BILINEAR))


@keras.saving.register_keras_serializable("covidct")
class MapLoss(keras.losses.Loss):  # type: ignore[misc]
    """``training.evidence.evidence_loss`` of each picture, so that pictures without a known map can count nothing."""

    def __init__(self, positive_weight: float) -> None:
        """``positive_weight``: how much more a place with lesion counts."""
        super().__init__(name="map_loss")
        self.of_places = evidence_loss(positive_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """(batch, rows, columns, 1) each -> (batch,)."""
        return self.of_places(y_true, y_pred)


def tuning_network(spec: NetworkSpec, first_stage: int) -> keras.Model:
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


def tune(
    spec: NetworkSpec,
    start: Path,
    found: TuningData,
    stretches: tuple[TuningSettings, ...],
    *,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> Path:
    """Fine-tune in stretches; each begins with the weights of the one before.

    Args:
        spec: the network's, at the size it will be served.
        start: safetensors file of the assembled network.
        found: what it learns from.
        stretches: in order.
        folder: a sub-folder for each is made in it.
        seed: of batches and dropout.
        progress: told of every epoch.

    Returns:
        Path of the file of the last weights, float32.
    """
    for number, settings in enumerate(stretches, start=1):
        here = folder / f"tune-{number}"
        learning = replace(settings.learning, seed=seed)
        with building(learning):
            model = tuning_network(replace_size(spec, settings.size), settings.first_stage)
        load_weights(model, start)
        grid = model.output[MAP].shape[1]
        key = key_of(file_key(start), replace(settings, learning=learning), _told(found))
        settings = replace(settings, learning=learning)
        progress(f"fine-tuning at {settings.size} pixels")
        learn(
            model,
            TuningBatches(found, settings, grid=grid),
            _Unaltered(found, settings, grid=grid),
            settings=learning,
            loss={LOGIT: keras.losses.BinaryCrossentropy(from_logits=True), MAP: MapLoss(settings.positive_weight)},
            loss_weights={LOGIT: 1.0, MAP: settings.map_weight},
            folder=here,
            key=key,
            progress=progress,
        )
        start = here / "tuned.safetensors"
        save_weights({name: np.asarray(w, np.float32) for name, w in weights_of(model).items()}, start)
    return start


def replace_size(spec: NetworkSpec, size: int) -> NetworkSpec:
    """The same network at another size of its pictures."""
    return spec.model_copy(update={"size": size})


def _told(found: TuningData) -> str:
    """Digest of what is learned from."""
    return key_of(
        found.weights.tobytes(),
        found.known_rows.tobytes(),
        found.validation_rows.tobytes(),
        found.known.records.tobytes(),
    )
