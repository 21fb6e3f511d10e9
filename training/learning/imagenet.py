"""Start weights for the backbone: a folder of arrays by layer, or Keras's own ImageNet download."""

from pathlib import Path
from typing import Literal

import keras
import numpy as np

from training.run import RunError


def load_backbone_weights(
    network: keras.Model, source: str, architecture: Literal["resnet50", "vgg16", "googlenet"] = "resnet50"
) -> frozenset[str]:
    """Set what ``source`` has of the backbone's weights.

    Args:
        network: changed in place.
        source: ``none``; ``imagenet`` (Keras's download: needs internet); or a folder with ``<layer>.f16.bin`` (kernel as
            (out, in, rows, columns), then bias, little-endian float16) and ``<layer>.f32.bin`` (gamma, beta, mean, variance).
        architecture: whose weights ``imagenet`` means.

    Returns:
        Names of the layers that were set.

    Raises:
        RunError: the folder is not there, or Keras has no such weights.
    """
    if source == "none":
        return frozenset()
    if source == "imagenet":
        return _from_keras(network, architecture)
    return _from_folder(network, Path(source))


def _from_keras(network: keras.Model, architecture: str) -> frozenset[str]:
    made = {"resnet50": keras.applications.ResNet50, "vgg16": keras.applications.VGG16}.get(architecture)
    if made is None:
        raise RunError(f"Keras has no ImageNet weights of {architecture}.")
    donor = {layer.name: layer for layer in made(include_top=False).layers}
    taken = [layer for layer in network.layers if layer.weights and layer.name in donor]
    for layer in taken:
        layer.set_weights(donor[layer.name].get_weights())
    return frozenset(layer.name for layer in taken)


def _from_folder(network: keras.Model, folder: Path) -> frozenset[str]:
    if not folder.is_dir():
        raise RunError("There is no folder of backbone weights of that name.")
    taken = set()
    for layer in network.layers:
        kernel, vectors = folder / f"{layer.name}.f16.bin", folder / f"{layer.name}.f32.bin"
        if kernel.is_file():
            layer.set_weights(_conv(np.fromfile(kernel, "<f2").astype(np.float32), layer.kernel.shape))
            taken.add(layer.name)
        elif vectors.is_file():
            layer.set_weights(list(np.fromfile(vectors, "<f4").reshape(4, -1)))
            taken.add(layer.name)
    return frozenset(taken)


def _conv(flat: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    rows, columns, inside, outside = shape
    size = rows * columns * inside * outside
    kernel = flat[:size].reshape(outside, inside, rows, columns).transpose(2, 3, 1, 0)
    return [kernel, flat[size:]]
