"""The reference engine: Keras on TensorFlow by default (JAX or torch by KERAS_BACKEND), on the GPU where there is one."""

import os
from pathlib import Path

import numpy as np

from app.ct.engines import NetworkOutput
from app.ct.manifest import NetworkSpec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

from app.ct.network import build_network
from app.ct.weights import load_weights

_BATCH = 8
"""As many as the classifier sends at a time."""


class KerasEngine:
    """Runs the network as it was trained, compiled once."""

    name = "keras"

    def __init__(self, spec: NetworkSpec, weights: Path, *, batch: int = _BATCH) -> None:
        """Build the network, set its weights, and compile it by running one batch."""
        self.on_gpu = bool(keras.distribution.list_devices("gpu"))
        self._network = build_network(spec)
        load_weights(self._network, weights)
        self._batch = batch
        self(np.zeros((batch, spec.size, spec.size), np.uint8))

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network; see ``Engine``. A batch that does not fit into memory is halved, and stays so."""
        parts, start = [], 0
        while start < len(images):
            try:
                parts.append(self._run(images[start : start + self._batch]))
            except Exception as error:
                if not _is_out_of_memory(error) or self._batch == 1:
                    raise
                self._batch //= 2
            else:
                start += len(parts[-1].logit)
        return NetworkOutput.joined(parts)

    def _run(self, images: np.ndarray) -> NetworkOutput:
        # On a GPU always the same batch: the last one is filled up, so that nothing is compiled twice.
        rows = self._batch if self.on_gpu else len(images)
        filled = np.zeros((rows, *images.shape[1:], 1), np.float32)
        filled[: len(images), ..., 0] = images
        output = self._network.predict_on_batch(filled)
        return NetworkOutput(*(np.asarray(output[k])[: len(images)] for k in ("logit", "evidence", "share")))


def _is_out_of_memory(error: Exception) -> bool:
    """TensorFlow, JAX and torch each have a type of their own for it."""
    return type(error).__name__ in {"ResourceExhaustedError", "OutOfMemoryError"} or "RESOURCE_EXHAUSTED" in str(error)
