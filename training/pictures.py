"""Looks as arrays, made once and kept."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from training.cache import Cache
from training.looks import Look, coverage_on_grid


@dataclass(frozen=True, eq=False)
class Pictures:
    """Looks as arrays.

    Attributes:
        images: uint8 (looks, size, size).
        coverage: float32 (looks, grid, grid), share of each place that is lesion; 0 where it is not known.
        labels: int (looks,), see ``training.looks.Look``.
        records, numbers: int (looks,), place in the catalog and number of the look.
    """

    images: np.ndarray
    coverage: np.ndarray
    labels: np.ndarray
    records: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, found: Iterable[Look], *, grid: int) -> "Pictures":
        """Collect looks."""
        images, coverage, places = [], [], []
        for look in found:
            images.append(look.image)
            coverage.append(
                np.zeros((grid, grid), np.float32) if look.mask is None else coverage_on_grid(look.mask, grid)
            )
            places.append((look.label, look.record, look.number))
        labels, records, numbers = np.array(places).T
        return cls(np.stack(images), np.stack(coverage), labels, records, numbers)

    @classmethod
    def kept(cls, cache: Cache, name: str, key: str, found: Iterable[Look], *, grid: int) -> "Pictures":
        """As ``of``, made only if the cache does not hold them; ``found`` must be lazy."""
        return cls(**cache.arrays(name, key, lambda: vars(cls.of(found, grid=grid))))
