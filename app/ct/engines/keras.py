"""The reference engine: Keras on TensorFlow by default (JAX or torch by KERAS_BACKEND), on the GPU where there is one."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.ct.engines import BATCH, GPU_BATCH, NetworkOutput
from app.ct.manifest import Manifest, NetworkSpec
from app.ct.precision import Precision

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

from app.ct.network import build_network, computing_in
from app.ct.weights import load_weights

_POLICIES: dict[Precision, str] = {"f32": "float32", "bf16": "mixed_bfloat16"}
_BFLOAT16_SINCE = (8, 0)
"""Compute capability; GPUs before it compute bfloat16 as float32, at no gain."""


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
    """Runs the network as it was trained, compiled once; pictures go to the device as bytes, and become floats there."""

    name = "keras"

    def __init__(
        self, spec: NetworkSpec, weights: Path, *, precision: Precision = "f32", batch: int | None = None
    ) -> None:
        """Build the network, set its weights, and compile it by running one batch.

        Args:
            spec: of the network.
            weights: its weights.
            precision: ``f32``, which is the reference, or ``bf16``: products of bfloat16 added up in float32.
            batch: most slices at a time; by default what suits the device.
        """
        self.on_gpu = bool(keras.distribution.list_devices("gpu"))
        self.precision = precision
        if precision == "f32" and keras.backend.backend() == "tensorflow":
            _round_nothing()
        with computing_in(_POLICIES[precision]):
            network = build_network(spec)
        load_weights(network, weights)
        gray = keras.Input((spec.size, spec.size, 1), dtype="uint8", name="bytes")
        self._network = keras.Model(gray, network(keras.ops.cast(gray, "float32")))
        size = batch or (GPU_BATCH if self.on_gpu else BATCH)
        self._batches = Batches(self._run, size)
        self(np.zeros((size, spec.size, spec.size), np.uint8))

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network; see ``Engine``."""
        return self._batches(images)

    def _run(self, images: np.ndarray) -> NetworkOutput:
        # On a GPU always the same batch: the last one is filled up, so that nothing is compiled twice.
        rows = self._batches.size if self.on_gpu else len(images)
        filled = np.zeros((rows, *images.shape[1:], 1), np.uint8)
        filled[: len(images), ..., 0] = images
        output = self._network.predict_on_batch(filled)
        return NetworkOutput.of({k: np.asarray(v, dtype=np.float32)[: len(images)] for k, v in output.items()})


def fastest_allowed(manifest: Manifest) -> Precision:
    """What to compute in here: on a GPU the fastest precision that was measured on the model's weights, on a CPU float32."""
    spec = manifest.engines.get("openvino")
    native = gpu_precisions()
    return next((precision for precision in (spec.allowed if spec else ()) if precision in native), "f32")


def gpu_precisions() -> frozenset[Precision]:
    """What every GPU here has instructions for beside float32; nothing without a GPU, or where nobody can say (JAX, torch)."""
    if keras.backend.backend() != "tensorflow" or not keras.distribution.list_devices("gpu"):
        return frozenset()
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    able = all(found.get("compute_capability", (0, 0)) >= _BFLOAT16_SINCE for found in details)
    return frozenset({"bf16"}) if able else frozenset()


def _round_nothing() -> None:
    """GPUs would else take float32 products in TensorFloat-32, of 11 bits, and the self-test's scores would be off."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def _is_out_of_memory(error: Exception) -> bool:
    """TensorFlow, JAX and torch each have a type of their own for it."""
    return type(error).__name__ in {"ResourceExhaustedError", "OutOfMemoryError"} or "RESOURCE_EXHAUSTED" in str(error)
