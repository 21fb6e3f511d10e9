"""Train the last stage afresh, as a further input of the head whose other inputs are already trained.

Of conv5 the start weights here lack most kernels, so it begins at random and learns what the linear part leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from app.ct.manifest import NetworkSpec
from app.ct.network import stage, value_map
from training.evidence import telling


@dataclass(frozen=True)
class Conv5Settings:
    """How the last stage is trained.

    Attributes:
        epochs, learning_rate, weight_decay, batch: of AdamW along a cosine.
    """

    epochs: int = 3
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    batch: int = 16


@dataclass(frozen=True, eq=False)
class Conv5Data:
    """What it learns from, one row a picture.

    Attributes:
        map4: float16 (pictures, rows, columns, 1024), stage 4.
        attention: float32 (pictures, rows, columns), at the head's grid.
        logit: float32 (pictures,), of the head without stage 5.
        labels: int (pictures,).
        weights: float (pictures,), mean 1.
    """

    map4: np.ndarray
    attention: np.ndarray
    logit: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, data: Conv5Data, rows: np.ndarray, *, batch: int, seed: int) -> None:
        super().__init__()
        self._data, self._batch, self._rng = data, batch, np.random.default_rng(seed)
        self._rows = self._rng.permutation(rows)

    def __len__(self) -> int:
        return len(self._rows) // self._batch

    def __getitem__(self, k: int) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
        rows = np.sort(self._rows[k * self._batch : (k + 1) * self._batch])
        data = self._data
        inputs = (data.map4[rows].astype(np.float32), data.attention[rows, ..., None], data.logit[rows, None])
        return inputs, data.labels[rows].astype(np.float32), data.weights[rows].astype(np.float32)

    def on_epoch_end(self) -> None:
        self._rows = self._rng.permutation(self._rows)


def build_conv5(data: Conv5Data, spec: NetworkSpec) -> keras.Model:
    """From stage 4's map, the attention and the logit so far to the logit with stage 5's share added."""
    map4 = keras.Input(data.map4.shape[1:], name="map4")
    attention = keras.Input((*data.attention.shape[1:], 1), name="attention")
    so_far = keras.Input((1,), name="logit")
    # Standardized without moving targets: batch statistics while training, moving ones afterwards.
    standard = layers.BatchNormalization(center=False, scale=False, name="head5_standardize")(stage(map4, 5))
    value = value_map(standard, 5, data.attention.shape[1:], dropout=spec.dropout)
    share = ops.sum(value * attention, axis=(1, 2, 3))
    model = keras.Model([map4, attention, so_far], share + so_far[:, 0], name="conv5")
    # It begins as if it were not there, and can only add what the labels teach it.
    kernel = model.get_layer("head5_value_conv").kernel
    kernel.assign(ops.zeros_like(kernel))
    return model


def fit_conv5(
    model: keras.Model,
    data: Conv5Data,
    rows: np.ndarray,
    *,
    settings: Conv5Settings,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> None:
    """Train ``model`` in place on ``rows`` of ``data``; a run that was killed goes on with the epoch it was in."""
    batches = _Batches(data, rows, batch=settings.batch, seed=seed)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * len(batches))
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    callbacks = [
        keras.callbacks.BackupAndRestore(str(folder / "resume-conv5")),
        keras.callbacks.CSVLogger(str(folder / "history-conv5.csv"), append=True),
        telling(progress),
    ]
    model.fit(batches, epochs=settings.epochs, callbacks=callbacks, verbose=0)


def conv5_logits(model: keras.Model, data: Conv5Data, rows: np.ndarray) -> np.ndarray:
    """Logits of ``rows``, float32."""
    parts = [
        model.predict_on_batch([data.map4[k].astype(np.float32), data.attention[k, ..., None], data.logit[k, None]])
        for k in np.array_split(rows, max(1, len(rows) // 32))
    ]
    return np.concatenate([np.asarray(p).ravel() for p in parts])
