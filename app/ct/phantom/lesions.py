"""Ground glass and consolidations, mostly below the pleura."""

from dataclasses import dataclass

import numpy as np

from app.ct.phantom.anatomy import FIELD_MM, LENGTH_MM, Build, Place, Walls, lung_depth

COUNTS = {"none": 0, "few": 6, "many": 30}
_CANDIDATES = 6000
_SUBPLEURAL_SHARE = 0.75
_CONSOLIDATED_SHARE = 0.3


@dataclass(frozen=True)
class Lesion:
    """One warped ellipsoid.

    Attributes:
        center: x, y, and mm below the head end.
        radii_mm: along the same axes.
        level: HU it tends to.
        phase: of the waves that warp its edge.
    """

    center: tuple[float, float, float]
    radii_mm: tuple[float, float, float]
    level: float
    phase: float


def scatter(build: Build, count: int, rng: np.random.Generator) -> tuple[Lesion, ...]:
    """``count`` lesions in the lungs, lower and further back more often, three quarters of them at the pleura."""
    points = rng.uniform(
        (-0.4 * FIELD_MM, -0.3 * FIELD_MM, 0.2), (0.4 * FIELD_MM, 0.3 * FIELD_MM, 0.9), (_CANDIDATES, 3)
    )
    x, y, down = points.astype(np.float32).T
    at = Place.warped(build, x, y, down)
    depth = lung_depth(Walls.of(build, at), at)
    weight = np.exp(y / 45 + 2.2 * down)
    at_pleura, within = (depth > 2) & (depth < 10), depth >= 10
    lesions = []
    for _ in range(count):
        where = at_pleura if rng.random() < _SUBPLEURAL_SHARE else within
        i = rng.choice(_CANDIDATES, p=weight * where / (weight * where).sum())
        size = rng.uniform(10, 28)
        rx, ry, rz = size * rng.uniform(0.7, 1.3, 3)
        dense = rng.random() < _CONSOLIDATED_SHARE
        level = rng.uniform(-380, -60) if dense else rng.uniform(-720, -540)
        center = (float(x[i]), float(y[i]), float(down[i] * LENGTH_MM))
        lesions.append(
            Lesion(center, (float(rx), float(ry), float(rz)), float(level), float(rng.uniform(0, 2 * np.pi)))
        )
    return tuple(lesions)


def draw(lesions: tuple[Lesion, ...], hu: np.ndarray, lung: np.ndarray, at: Place, texture: np.ndarray) -> np.ndarray:
    """Draw what of the lesions lies in one slice, in place; nothing becomes darker.

    Args:
        lesions: of the exam.
        hu: float32 (rows, columns).
        lung: 0..1 (rows, columns), share of lung.
        at: the slice's points.
        texture: float32 (rows, columns), smooth noise of deviation 1.

    Returns:
        bool (rows, columns): where lesion covers more than half of what a lesion can.
    """
    mask = np.zeros(hu.shape, dtype=bool)
    z_mm = float(at.down) * LENGTH_MM
    for lesion in lesions:
        if abs(z_mm - lesion.center[2]) < 1.4 * lesion.radii_mm[2]:
            share = _share(lesion, at, z_mm, texture) * lung
            level = lesion.level + 40 * texture
            np.maximum(hu, hu + share * (level - hu), out=hu)
            mask |= share > 0.5
    return mask


def _share(lesion: Lesion, at: Place, z_mm: float, texture: np.ndarray) -> np.ndarray:
    """How much of each pixel is lesion, 0..1: an ellipsoid whose edge waves and fades."""
    u, v = (at.x - lesion.center[0]) / lesion.radii_mm[0], (at.y - lesion.center[1]) / lesion.radii_mm[1]
    w = (z_mm - lesion.center[2]) / lesion.radii_mm[2]
    waves = 0.17 * np.sin(3.1 * u + 2.3 * v + lesion.phase) + 0.10 * np.sin(
        5.3 * v - 4.1 * u + 2 * w + 2 * lesion.phase
    )
    inside = 1 - np.sqrt(u * u + v * v + np.float32(w * w)) + waves + 0.05 * texture
    ramp = np.clip(inside / 0.6, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))
