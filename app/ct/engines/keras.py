"""The reference engine: Keras on TensorFlow by default (JAX or torch by KERAS_BACKEND), on the GPU where there is one."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.ct.engines import NetworkOutput
from app.ct.manifest import NetworkSpec
from app.ct.precision import Precision

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

from app.ct.network import build_network
from app.ct.weights import load_weights

_BATCH = 8
"""As many as the classifier sends at a time."""


class Batches:
    """Runs images in batches; one that does not fit into memory is halved, and stays so."""

    def __init__(self, run: Callable[[np.ndarray], NetworkOutput], size: int) -> None:
        """``run`` takes up to ``size`` images."""
        self._run, self.size = run, size

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """All of ``images``, in order.

        Raises:
            Exception: what ``run`` raises, where it is not for memory or a single image does not fit.
        """
        parts, start = [], 0
        while start < len(images):
            try:
                parts.append(self._run(images[start : start + self.size]))
            except Exception as error:
                if not _is_out_of_memory(error) or self.size == 1:
                    raise
                self.size //= 2
            else:
                start += len(parts[-1].logit)
        return NetworkOutput.joined(parts)


class KerasEngine:
    """Runs the network as it was trained, compiled once."""

    name = "keras"
    precision: Precision = "f32"

    def __init__(self, spec: NetworkSpec, weights: Path, *, batch: int = _BATCH) -> None:
        """Build the network, set its weights, and compile it by running one batch."""
        self.on_gpu = bool(keras.distribution.list_devices("gpu"))
        self._network = build_network(spec)
        load_weights(self._network, weights)
        self._batches = Batches(self._run, batch)
        self(np.zeros((batch, spec.size, spec.size), np.uint8))

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network; see ``Engine``."""
        return self._batches(images)

    def _run(self, images: np.ndarray) -> NetworkOutput:
        # On a GPU always the same batch: the last one is filled up, so that nothing is compiled twice.
        rows = self._batches.size if self.on_gpu else len(images)
        filled = np.zeros((rows, *images.shape[1:], 1), np.float32)
        filled[: len(images), ..., 0] = images
        output = self._network.predict_on_batch(filled)
        return NetworkOutput.of({k: np.asarray(v)[: len(images)] for k, v in output.items()})


def _is_out_of_memory(error: Exception) -> bool:
    """TensorFlow, JAX and torch each have a type of their own for it."""
    return type(error).__name__ in {"ResourceExhaustedError", "OutOfMemoryError"} or "RESOURCE_EXHAUSTED" in str(error)
