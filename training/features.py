"""The frozen part of the backbone as a plain function from images to maps: what can be computed once and kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from app.ct.manifest import NetworkSpec
from app.ct.network import CAFFE_LAYER, backbone
from training.imagenet import load_backbone_weights
from training.run import RunError

_BATCH = 16


def build_backbone(size: int, stages: Sequence[int], weights: str) -> keras.Model:
    """Backbone up to the last of ``stages``, with start weights.

    Args:
        size: rows and columns of the input.
        stages: of 3, 4.
        weights: see ``training.imagenet.load_backbone_weights``.

    Raises:
        RunError: the weights lack a layer.

    Returns:
        Model from gray (batch, size, size, 1) to one map per stage, under the names "3", "4".
    """
    gray = keras.Input((size, size, 1), name="gray")
    model = keras.Model(gray, {str(k): v for k, v in backbone(gray, stages).items()})
    taken = load_backbone_weights(model, weights)
    missing = [layer.name for layer in model.layers if layer.weights and layer.name not in taken]
    if weights != "none" and [name for name in missing if name != CAFFE_LAYER]:
        raise RunError(f"The backbone's start weights lack {len(missing)} layers, the first {missing[0]}.")
    return model


class Frozen:
    """Runs a model in inference, many images at a time.

    Where OpenVINO is installed and Keras runs on TensorFlow without a GPU, it computes: in bfloat16 where the processor has
    it, several times as fast as Keras, and rounded as the maps are that are served. Otherwise Keras itself does.
    """

    def __init__(self, model: keras.Model) -> None:
        """The model must take one input, gray (batch, size, size, 1), and give a dictionary."""
        self._model = model
        self._request = _openvino_request(model)

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

    def batches(self, images: np.ndarray, start: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Batches of the outputs for ``images[start:]``."""
        for k in range(start, len(images), _BATCH):
            yield self(images[k : k + _BATCH])


def _openvino_request(model: keras.Model) -> Any:
    if keras.backend.backend() != "tensorflow" or keras.distribution.list_devices("gpu"):
        return None
    try:
        import openvino
    except ImportError:
        return None
    from app.ct.engines.openvino import converted

    settings = {"INFERENCE_PRECISION_HINT": "bf16"}
    return openvino.Core().compile_model(converted(model), "CPU", settings).create_infer_request()


def head_inputs(spec: NetworkSpec, maps: dict[str, Any]) -> dict[int, keras.KerasTensor]:
    """Keras inputs for the frozen stages of ``spec``, shaped as ``maps``."""
    return {k: keras.Input(maps[str(k)].shape[1:], name=f"map{k}") for k in spec.stages if k < 5}


def weights_label(source: str) -> str:
    """What the backbone started from, in words, without a path."""
    named = {"none": "none (random)", "imagenet": "ImageNet (Keras)"}
    return named.get(source, f"ImageNet, from the folder {Path(source).name}")
