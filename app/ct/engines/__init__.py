"""What runs the network. Every engine takes the same inputs and gives the same outputs."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What the network says of a batch.

    Attributes:
        logit: float32 (slices,).
        evidence: float32 (slices, rows, columns), 0..1.
        share: float32 (slices, rows, columns), each place's share of the logit.
    """

    logit: np.ndarray
    evidence: np.ndarray
    share: np.ndarray

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The batches of ``parts`` one after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("logit", "evidence", "share")))


class Engine(Protocol):
    """Runs one network with one set of weights."""

    name: str
    on_gpu: bool

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network.

        Args:
            images: uint8 (slices, size, size), any number of slices.
        """
        ...
