"""What runs the network. Every engine takes the same inputs and gives the same outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from app.ct.precision import Precision

OUTPUTS = ("logit", "evidence", "share", "features")
BATCH, GPU_BATCH = 8, 32
"""Slices at a time: more gain a CPU nothing, and other exams wait for them."""


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What the network says of a batch.

    Attributes:
        logit: float32 (slices,).
        evidence: float32 (slices, rows, columns), 0..1.
        share: float32 (slices, rows, columns), each place's share of the logit.
        features: float32 (slices, channels), what each slice looks like as a whole.
    """

    logit: np.ndarray
    evidence: np.ndarray
    share: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, outputs: Mapping[str, np.ndarray]) -> Self:
        """From the network's outputs by name."""
        return cls(*(outputs[name] for name in OUTPUTS))

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The batches of ``parts`` one after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in OUTPUTS))


class Engine(Protocol):
    """Runs one network with one set of weights.

    Attributes:
        name: "keras" or "openvino".
        on_gpu: whether it runs on a GPU.
        precision: what it computes in.
    """

    name: str
    on_gpu: bool
    precision: Precision

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network.

        Args:
            images: uint8 (slices, size, size), any number of slices; they are run in batches.
        """
        ...
