"""The parts of a trained network as one file of weights."""

from pathlib import Path

import keras
import numpy as np

from app.ct.manifest import NetworkSpec
from app.ct.network import build_network
from app.ct.weights import save_weights, weights_of
from training.linear import Linear
from training.pooling import split_coefficients


def assemble(spec: NetworkSpec, *, parts: list[keras.Model], linear: Linear, path: Path) -> None:
    """Write the weights of the whole network, float32.

    Args:
        spec: the network's.
        parts: models that hold layers of the network under their names: the backbone, the head.
        linear: on pooled features; becomes the head's value convolutions and its bias.
        path: file to write.

    Raises:
        ValueError: a weight of the network comes from nowhere.
    """
    network = build_network(spec)
    wanted = weights_of(network)
    found: dict[str, np.ndarray] = {}
    for part in parts:
        found |= weights_of(part)
    channels = {k: wanted[f"head{k}_value_conv/kernel"].shape[2] for k in spec.stages if k < 5}
    found |= dict(split_coefficients(linear.coefficients, channels))
    found["head_logit/bias"] = np.array([linear.intercept])
    missing = sorted(name for name, array in wanted.items() if name not in found or found[name].shape != array.shape)
    if missing:
        raise ValueError(f"no trained value for {missing}")
    save_weights({name: found[name].astype(np.float32) for name in wanted}, path)
