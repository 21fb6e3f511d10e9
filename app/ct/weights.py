"""Weights as safetensors: named arrays, nothing executable.

Kernels are kept as float16. Batch-norm vectors stay float32: the first variance of ImageNet's ResNet50 is 83,614, beyond
float16's 65,504.
"""

from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from app.ct.errors import BrokenModel

_KERNELS = ("kernel", "bias")


def weights_of(network: keras.Model) -> dict[str, np.ndarray]:
    """All weights by "layer/variable", float32."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(keras.ops.convert_to_numpy(variable.value), dtype=np.float32)
        for layer in network.layers
        for variable in layer.weights
        if variable.name != "seed_generator_state"
    }


def as_stored(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels and biases as float16, all else float32.

    Raises:
        BrokenModel: a value is not finite, before or after the cast.
    """
    with np.errstate(over="ignore"):  # too large becomes infinite, and is refused below
        stored = {
            name: array.astype(np.float16 if name.rsplit("/", 1)[1] in _KERNELS else np.float32, copy=True)
            for name, array in weights.items()
        }
    broken = [name for name, array in stored.items() if not np.isfinite(array).all()]
    if broken:
        raise BrokenModel(f"Values that are not finite in {broken[0]} and {len(broken) - 1} more.")
    return stored


def save_weights(weights: dict[str, np.ndarray], path: Path) -> None:
    """Write arrays by name."""
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, path)


def load_weights(network: keras.Model, path: Path, *, only_layers: frozenset[str] | None = None) -> None:
    """Set the network's weights from a file.

    Args:
        network: changed in place.
        path: a file of ``save_weights``.
        only_layers: names of layers to set; all by default. Each of their weights must be in the file.

    Raises:
        BrokenModel: the file cannot be read, or does not fit the network.
    """
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BrokenModel("The weights cannot be read.") from error
    for layer in network.layers:
        if only_layers is None or layer.name in only_layers:
            _set_layer(layer, arrays)


def _set_layer(layer: keras.layers.Layer, arrays: dict[str, np.ndarray]) -> None:
    for variable in layer.weights:
        if variable.name == "seed_generator_state":
            continue
        array = arrays.get(f"{layer.name}/{variable.name}")
        if array is None or array.shape != tuple(variable.shape):
            raise BrokenModel(f"The weights do not fit the network at {layer.name}/{variable.name}.")
        variable.assign(array.astype(np.float32))
