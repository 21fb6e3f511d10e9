"""A network, or a part of one, in inference: many images at a time, as fast as the machine can."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

_BATCH = 16


class Frozen:
    """Runs a model in inference, many images at a time.

    Where OpenVINO is installed and Keras runs on TensorFlow without a GPU, it computes: in bfloat16 where the processor has
    it, several times as fast as Keras, and rounded as the maps are that are served; in float32 where that is asked for.
    Otherwise Keras itself does.
    """

    def __init__(self, model: keras.Model, precision: Literal["bf16", "f32"] = "bf16") -> None:
        """The model must take one input, gray (batch, size, size, 1), and give a dictionary."""
        self._model = model
        self._request = _openvino_request(model, precision)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run one batch.

        Args:
            images: uint8 (slices, size, size).

        Returns:
            Arrays by output name, float32.
        """
        gray = images[..., None].astype(np.float32)
        if self._request is None:
            return {k: np.asarray(v) for k, v in self._model.predict_on_batch(gray).items()}
        self._request.infer({"gray": gray})
        return {k: self._request.get_tensor(k).data.copy() for k in self._model.output}

    def batches(self, images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """Batches of the outputs for ``images``."""
        for k in range(0, len(images), _BATCH):
            yield self(images[k : k + _BATCH])


def _openvino_request(model: keras.Model, precision: str) -> Any:
    if keras.backend.backend() != "tensorflow" or keras.distribution.list_devices("gpu"):
        return None
    try:
        import openvino
    except ImportError:
        return None
    from app.ct.engines.openvino import converted

    settings = {"INFERENCE_PRECISION_HINT": precision}
    return openvino.Core().compile_model(converted(model), "CPU", settings).create_infer_request()


def weights_label(source: str) -> str:
    """What the backbone started from, in words, without a path."""
    named = {"none": "none (random)", "imagenet": "ImageNet (Keras)"}
    return named.get(source, f"ImageNet, from the folder {Path(source).name}")
