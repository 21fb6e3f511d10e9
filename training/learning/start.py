"""The network as training finds it: the backbone's start weights, and the standardization of what the head reads."""

import keras
import numpy as np

from app.ct.manifest import NetworkSpec
from app.ct.network import build_network
from training.learning.features import Frozen
from training.learning.imagenet import load_backbone_weights
from training.run import RunError

_SAMPLE = 400
"""Pictures from which the mean and variance of each channel are taken."""


def start_network(spec: NetworkSpec, weights: str) -> keras.Model:
    """The whole network with its backbone's start weights.

    Args:
        spec: the network's.
        weights: see ``training.learning.imagenet.load_backbone_weights``.

    Raises:
        RunError: the weights lack a layer of the backbone.
    """
    network = build_network(spec)
    taken = load_backbone_weights(network, weights)
    backbone = [layer.name for layer in network.layers if layer.weights and layer.name.startswith("conv")]
    missing = [name for name in backbone if name not in taken]
    if weights != "none" and missing:
        raise RunError(f"The backbone's start weights lack {len(missing)} layers, the first {missing[0]}.")
    return network


def standardize(network: keras.Model, images: np.ndarray, *, chances: np.ndarray, seed: int) -> None:
    """Set mean and variance of every channel that the head standardizes, from a sample of pictures.

    Args:
        network: with an attention head; changed in place.
        images: uint8 (looks, size, size).
        chances: float (looks,), how often each is drawn; adds up to 1.
        seed: of the sample.
    """
    layers = [layer for layer in network.layers if layer.name.endswith("_standardize")]
    count = min(_SAMPLE, int((chances > 0).sum()))
    sample = np.random.default_rng(seed).choice(len(images), count, replace=False, p=chances)
    frozen = Frozen(keras.Model(network.input, {layer.name: layer.input for layer in layers}))
    layer_sums = {layer.name: np.zeros((3, layer.input.shape[-1])) for layer in layers}
    for batch in frozen.batches(images[np.sort(sample)]):
        for name, values in batch.items():
            layer_sums[name] += _sums(values.astype(np.float64))
    for layer in layers:
        places, total, squares = layer_sums[layer.name]
        mean = total / places
        layer.set_weights([mean, np.maximum(squares / places - mean**2, 0)])


def _sums(values: np.ndarray) -> np.ndarray:
    """Of each channel the number of places, the sum and the sum of squares: float64 (3, channels)."""
    count = np.full(values.shape[-1], values[..., 0].size)
    return np.stack([count, values.sum((0, 1, 2)), (values**2).sum((0, 1, 2))])
