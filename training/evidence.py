"""Train the evidence map: what a lesion of any kind looks like, from slices whose lesions are known place by place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from app.ct.manifest import NetworkSpec
from app.ct.network import EVIDENCE_LAYER, head
from training.features import head_inputs

_SAMPLE = 400
"""Pictures from which the mean and variance of each channel are taken."""


@dataclass(frozen=True)
class EvidenceSettings:
    """How the evidence map is trained.

    Attributes:
        epochs: over all looks.
        learning_rate: at the start; falls to zero along a cosine.
        weight_decay: of AdamW.
        positive_weight: how much more a place with lesion counts than one without.
        batch: pictures.
    """

    epochs: int = 3
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    positive_weight: float = 2.0
    batch: int = 16


class MapBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Maps on disk and the lesion coverage of their places, in batches, shuffled every epoch."""

    def __init__(
        self, maps: Mapping[str, np.ndarray], coverage: np.ndarray, rows: np.ndarray, *, batch: int, seed: int
    ) -> None:
        """Maps by stage, float16 (all, rows, columns, channels); coverage float32 (all, rows, columns); ``rows`` to use."""
        super().__init__()
        self._maps, self._coverage, self._batch = maps, coverage, batch
        self._rng = np.random.default_rng(seed)
        self._rows = self._rng.permutation(rows)

    def __len__(self) -> int:
        """Batches in an epoch; a last, smaller one is left for the next epoch's shuffle."""
        return len(self._rows) // self._batch

    def __getitem__(self, k: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Batch ``k``."""
        rows = np.sort(self._rows[k * self._batch : (k + 1) * self._batch])
        maps = tuple(self._maps[name][rows].astype(np.float32) for name in sorted(self._maps))
        return maps, self._coverage[rows, ..., None]

    def on_epoch_end(self) -> None:
        """Shuffle."""
        self._rows = self._rng.permutation(self._rows)


def build_head(spec: NetworkSpec, maps: Mapping[str, np.ndarray], rows: np.ndarray, *, seed: int) -> keras.Model:
    """The head on stored maps, with the standardization of its input channels taken from a sample of ``rows``."""
    inputs = head_inputs(spec, dict(maps))
    model = keras.Model(list(inputs.values()), head(inputs, spec))
    sample = np.sort(np.random.default_rng(seed).choice(rows, min(_SAMPLE, len(rows)), replace=False))
    for stage in inputs:
        values = maps[str(stage)][sample].astype(np.float32)
        layer = model.get_layer(f"head{stage}_standardize")
        layer.set_weights([values.mean((0, 1, 2)), values.var((0, 1, 2))])
        layer.trainable = False
    return model


def evidence_loss(positive_weight: float) -> Any:
    """Cross-entropy of each place against its coverage, places with lesion counting more; the mean of each picture."""

    def loss(coverage: Any, logit: Any) -> Any:
        covered = positive_weight * coverage * ops.softplus(-logit)
        return ops.mean(covered + (1 - coverage) * ops.softplus(logit), axis=(-3, -2, -1))

    return loss


def telling(progress: Callable[[str], None]) -> keras.callbacks.Callback:
    """A callback that tells every epoch's losses."""

    def tell(epoch: int, logs: dict[str, float] | None) -> None:
        progress(f"epoch {epoch + 1}: " + ", ".join(f"{k} {v:.4f}" for k, v in (logs or {}).items()))

    return keras.callbacks.LambdaCallback(on_epoch_end=tell)


def fit_evidence(
    model: keras.Model,
    batches: MapBatches,
    validation: MapBatches,
    *,
    settings: EvidenceSettings,
    folder: Path,
    progress: Callable[[str], None],
) -> None:
    """Train the evidence part of ``model`` in place; a run that was killed goes on with the epoch it was in.

    Args:
        model: of ``build_head``.
        batches: what to train on.
        validation: what to watch the loss on; nothing is chosen by it.
        settings: how.
        folder: for the state to resume from and for history.csv.
        progress: told of every epoch.
    """
    part = keras.Model(model.inputs, model.get_layer(EVIDENCE_LAYER).output)
    steps = settings.epochs * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    part.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay),
        loss=evidence_loss(settings.positive_weight),
    )
    callbacks = [
        keras.callbacks.BackupAndRestore(str(folder / "resume-evidence")),
        keras.callbacks.CSVLogger(str(folder / "history.csv"), append=True),
        telling(progress),
    ]
    watched = validation if len(validation) else None
    part.fit(batches, validation_data=watched, epochs=settings.epochs, callbacks=callbacks, verbose=0)
