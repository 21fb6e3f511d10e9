"""Synthetic disease that is not COVID-19 pneumonia: nodules and masses, tree-in-bud, effusion, lobar consolidation.

They are lesions all the same, so the evidence map must find them; and they speak against COVID-19. Works on prepared slices
(``app.ct.preprocessing.LungBox``: lung at gray 40, soft tissue at 200).

What each looks like follows the glossary of terms for thoracic imaging (Hansell et al., Radiology 2008).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from training.imaging.drawing import as_picture, branches, raised, smooth_noise, soft_edge, visible

Drawing: TypeAlias = tuple[np.ndarray, np.ndarray]
"""The slice with disease, float32, and its coverage, float32 0..1; both (size, size)."""

_LEAST_SIDE = 500
"""Pixels of one lung below which nothing large is drawn into it."""
_WALL = 3
"""Pixels by which fluid and consolidation reach beyond the lung that was found: no dark rim is left at the pleura."""


@dataclass(frozen=True)
class OtherDisease:
    """How other disease is drawn.

    Attributes:
        shares: of nodules, tree-in-bud, effusion and lobar consolidation.
        second_share: share of slices with a second kind, nodules or effusion.
    """

    shares: tuple[float, float, float, float] = (0.45, 0.15, 0.2, 0.2)
    second_share: float = 0.2

    def __call__(self, image: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw disease.

        Args:
            image: uint8 (size, size), a healthy prepared slice.
            lung: bool (size, size).
            rng: the only source of chance.

        Returns:
            The slice with disease, uint8, nowhere darker than ``image``; and its coverage, float32 (size, size), 0..1.
        """
        kinds: list[Callable[[np.ndarray, np.ndarray, np.random.Generator], Drawing]]
        kinds = [nodules, tree_in_bud, effusion, lobar_consolidation]
        drawn, coverage = kinds[rng.choice(len(kinds), p=self.shares)](image.astype(np.float32), lung, rng)
        if rng.random() < self.second_share:
            drawn, more = (nodules, effusion)[rng.integers(2)](drawn, lung, rng)
            coverage = np.maximum(coverage, more)
        drawn = np.maximum(drawn, image)
        return as_picture(drawn), visible(drawn, image, coverage)


def nodules(image: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> Drawing:
    """One to four, round or lobed, some large ones with spicules or a cavity."""
    depth = ndimage.distance_transform_edt(lung)
    places = np.argwhere(lung & (depth > min(3, depth.max() - 1)))
    inside = ndimage.gaussian_filter(lung.astype(np.float32), 0.7)
    coverage = np.zeros(image.shape, np.float32)
    for _ in range(int(rng.integers(1, 5))):
        soft = _nodule(lung.shape, places[rng.integers(len(places))], rng) * inside
        level = rng.uniform(150, 215) + 6 * smooth_noise(lung.shape, 1.5, rng)
        image, coverage = raised(image, level, soft), np.maximum(coverage, soft)
    return image, coverage


def _nodule(shape: tuple[int, ...], center: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft mask of one; radius 3.5 to 10 pixels, of a third up to 28."""
    size = np.exp(rng.uniform(np.log(3.5), np.log(28 if rng.random() < 0.3 else 10)))
    y, x = np.mgrid[: shape[0], : shape[1]] - center[:, None, None]
    turn, radius = np.arctan2(y, x), np.hypot(x, y) / size
    radius *= 1 + rng.uniform(0.02, 0.12) * np.sin(int(rng.integers(3, 9)) * turn + rng.uniform(0, 6))
    radius += rng.uniform(0, 0.15) * smooth_noise(shape, max(2.0, size / 3), rng)
    soft = soft_edge((1 - radius) * size, rng.uniform(0.5, 1.1))
    if size > 7 and rng.random() < 0.5:
        rays = np.clip(np.cos(int(rng.integers(6, 14)) * turn + rng.uniform(0, 6)), 0, 1) ** 8
        soft = np.maximum(soft, 0.8 * rays * np.exp(-3 * np.maximum(radius - 1, 0)) * (radius > 0.9))
    if size > 9 and rng.random() < 0.15:
        soft = soft * np.clip((radius - 0.45) / 0.15, 0, 1)
    return np.asarray(soft, dtype=np.float32)


def tree_in_bud(image: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> Drawing:
    """One to three clusters of small dots."""
    places = np.argwhere(lung)
    dots = np.zeros(lung.shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        spread, count = rng.uniform(8, 26), int(rng.integers(8, 40))
        at = np.rint(places[rng.integers(len(places))] + rng.normal(0, spread, (count, 2))).astype(int)
        at = at[((at >= 0) & (at < lung.shape)).all(axis=1)]
        dots[tuple(at.T)] = rng.uniform(0.5, 1, len(at))
    soft = ndimage.gaussian_filter(dots, rng.uniform(1.0, 1.9))
    soft = np.clip(soft / max(1e-6, float(soft.max()) * 0.7), 0, 1) * lung
    return raised(image, rng.uniform(120, 190), soft), soft


def effusion(image: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> Drawing:
    """Fluid behind (below in the picture) in one or both lungs, with a meniscus at the pleura."""
    coverage = np.zeros(lung.shape, np.float32)
    y = np.mgrid[: lung.shape[0], : lung.shape[1]][0]
    sides = _sides(lung)
    for side in [s for s in sides if rng.random() < 0.6] or sides[:1]:
        rows = np.flatnonzero(side.any(axis=1))
        surface = rows[-1] - (rows[-1] - rows[0]) * rng.uniform(0.08, 0.45)
        rim = np.maximum(12 - ndimage.distance_transform_edt(side), 0) * rng.uniform(0.5, 2.0)
        surface = surface - rim + 3 * smooth_noise(lung.shape, 14, rng)
        soft = _to_the_wall(side) * soft_edge(y - surface, 1.2)
        level = rng.uniform(160, 195) + 5 * smooth_noise(lung.shape, 1.2, rng)
        image, coverage = raised(image, level, soft), np.maximum(coverage, soft)
    return image, coverage


def lobar_consolidation(image: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> Drawing:
    """A large part of one lung, dense up to a smooth border as a fissure gives, with open bronchi inside."""
    sides = _sides(lung)
    if not sides:
        return image, np.zeros(lung.shape, np.float32)
    side = sides[rng.integers(len(sides))]
    places = np.argwhere(side)
    y, x = np.mgrid[: lung.shape[0], : lung.shape[1]] - places[rng.integers(len(places))][:, None, None]
    turn = rng.uniform(0, 2 * np.pi)
    border = y * np.sin(turn) + x * np.cos(turn) + rng.uniform(2, 8) * smooth_noise(lung.shape, 18, rng)
    whole = _to_the_wall(side)
    soft = whole * soft_edge(border, rng.uniform(0.8, 3.0))
    if soft.sum() > 0.6 * whole.sum():
        soft = whole - soft
    level = rng.uniform(135, 195) + rng.uniform(3, 14) * smooth_noise(lung.shape, 3, rng)
    core = np.argwhere(soft > 0.6)
    if len(core):
        start = tuple(core[rng.integers(len(core))])
        tubes = branches(lung.shape, start, rng, count=int(rng.integers(1, 5)), length=60, width=rng.uniform(0.8, 1.5))
        level = level * (1 - tubes) + 45 * tubes
    return raised(image, level, soft), soft


def _sides(lung: np.ndarray) -> list[np.ndarray]:
    """The largest two parts of the lungs, each bool (size, size), without small ones."""
    numbers, count = ndimage.label(lung)
    sizes = ndimage.sum(lung, numbers, range(1, count + 1))
    return [numbers == k + 1 for k in np.argsort(sizes)[::-1][:2] if sizes[k] > _LEAST_SIDE]


def _to_the_wall(side: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.binary_dilation(side, iterations=_WALL), dtype=np.float32)
