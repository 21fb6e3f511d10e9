"""The branching vessels of the lungs: grown in space, drawn slice by slice."""

from dataclasses import dataclass

import numpy as np

from app.ct.phantom.anatomy import BLOOD, LENGTH_MM, Build, Place, Walls, lung_depth

GENERATIONS = 8
_ROOTS_PER_LUNG = 24
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
_CLEARANCE_MM = 2.0
_THINNEST_MM = 0.22


@dataclass(frozen=True, eq=False)
class Tree:
    """Straight pieces of vessels.

    Attributes:
        start, end: float32 (pieces, 3): x, y, and mm below the head end.
        start_mm, end_mm: float32 (pieces,), radii at either end.
    """

    start: np.ndarray
    end: np.ndarray
    start_mm: np.ndarray
    end_mm: np.ndarray


def grow(build: Build, rng: np.random.Generator) -> Tree:
    """Grow the vessels of both lungs from their roots until they are too thin or reach the pleura."""
    points, directions = _roots(rng)
    radius = rng.uniform(2.4, 4.2, len(points)).astype(np.float32)
    pieces = []
    for generation in range(GENERATIONS):
        length = (24 * 0.84**generation * rng.uniform(0.7, 1.3, (len(points), 1))).astype(np.float32)
        ends, thin = points + directions * length, radius * 0.88
        # A branch that would leave the lung stays short, or is not there; its siblings go on. The first ones start in
        # the mediastinum, which hides them.
        short = _depth(build, ends) <= _CLEARANCE_MM
        ends[short] = points[short] + 0.4 * (ends[short] - points[short])
        kept = (_depth(build, ends) > _CLEARANCE_MM) & (radius > _THINNEST_MM) | (generation < 2)
        pieces.append((points[kept], ends[kept], radius[kept], thin[kept]))
        points, directions, radius = _forked(ends[kept], directions[kept], thin[kept], rng)
    return Tree(*(np.concatenate(part) for part in zip(*pieces, strict=True)))


def _roots(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where the vessels enter the lungs, and where they head for: evenly over the directions away from the middle."""
    spread = np.arange(_ROOTS_PER_LUNG) + 0.5
    turn = spread * _GOLDEN_ANGLE + rng.uniform(0, 2 * np.pi)
    outward = spread / _ROOTS_PER_LUNG
    around = np.sqrt(1 - outward**2)
    heading = np.stack([outward + 0.15, 0.9 * around * np.sin(turn), 1.25 * around * np.cos(turn)], axis=1)
    directions = np.concatenate([heading, heading * [-1, 1, 1]])
    hilum = np.array([34, 10, 0.49 * LENGTH_MM]) * np.where(directions[:, :1] > 0, [1, 1, 1], [-1, 1, 1])
    points = hilum + directions * [2, 14, 34]
    return points.astype(np.float32), _unit(directions)


def _forked(
    points: np.ndarray, directions: np.ndarray, radius: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two branches from every end, leaning away from each other; the thicker one bends less."""
    across = _unit(np.cross(directions, rng.normal(size=directions.shape)))
    thick = _unit(directions + across * rng.uniform(0.1, 0.35, (len(points), 1)))
    thin = _unit(directions - across * rng.uniform(0.5, 1.1, (len(points), 1)))
    radii = np.concatenate([radius * 0.86, radius * rng.uniform(0.5, 0.8, len(radius))])
    return np.concatenate([points, points]), np.concatenate([thick, thin]), radii.astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _depth(build: Build, points: np.ndarray) -> np.ndarray:
    x, y, z = points.T
    at = Place.warped(build, x, y, z / LENGTH_MM)
    return lung_depth(Walls.of(build, at), at)


def draw(tree: Tree, hu: np.ndarray, *, z_mm: float, thickness_mm: float, pixel_mm: float) -> None:
    """Draw what of the vessels lies in one slice, in place; nothing becomes darker.

    Args:
        tree: the vessels.
        hu: float32 (rows, columns).
        z_mm: middle of the slice, below the head end.
        thickness_mm: of the slice.
        pixel_mm: size of a pixel.
    """
    top, bottom = z_mm - thickness_mm / 2, z_mm + thickness_mm / 2
    z0, z1 = tree.start[:, 2], tree.end[:, 2]
    crossing = np.flatnonzero((np.minimum(z0, z1) <= bottom) & (np.maximum(z0, z1) >= top))
    for i in crossing:
        low, high = _clipped(float(z0[i]), float(z1[i]), top, bottom)
        start = tree.start[i, :2] + low * (tree.end[i, :2] - tree.start[i, :2])
        end = tree.start[i, :2] + high * (tree.end[i, :2] - tree.start[i, :2])
        middle = (low + high) / 2
        radius = float(tree.start_mm[i] * (1 - middle) + tree.end_mm[i] * middle)
        # Of a vessel thinner than the slice, the slice shows a part of the density.
        strength = min(1.0, 0.3 + 2 * radius / thickness_mm)
        _draw_piece(hu, start, end, radius, pixel_mm, strength)


def _clipped(z0: float, z1: float, top: float, bottom: float) -> tuple[float, float]:
    """The part of a piece inside the slice, as shares 0..1 of its length."""
    if abs(z1 - z0) < 1e-3:
        return 0.0, 1.0
    a, b = (top - z0) / (z1 - z0), (bottom - z0) / (z1 - z0)
    return max(0.0, min(a, b)), min(1.0, max(a, b))


def _draw_piece(
    hu: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, pixel_mm: float, strength: float
) -> None:
    """A stroke with round ends between two points given in mm from the middle of the picture."""
    center = (np.array(hu.shape[::-1]) - 1) / 2
    a, b = start / pixel_mm + center, end / pixel_mm + center
    r = radius / pixel_mm
    reach = r + 1.5
    left, top = np.maximum(np.floor(np.minimum(a, b) - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(np.maximum(a, b) + reach) + 1, hu.shape[::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32) - np.float32(a[0])
    y = (np.arange(top, bottom, dtype=np.float32) - np.float32(a[1]))[:, np.newaxis]
    dx, dy = (b - a).astype(np.float32)
    share = np.clip((x * dx + y * dy) / max(float(dx * dx + dy * dy), 1e-6), 0, 1)
    distance = np.sqrt((x - share * dx) ** 2 + (y - share * dy) ** 2)
    # A vessel thinner than a pixel fills only a part of it.
    cover = np.clip(r + 0.5 - distance, 0, min(1.0, 2 * r)) * np.float32(strength)
    here = hu[top:bottom, left:right]
    np.maximum(here, here + cover * (np.float32(BLOOD) - here), out=here)
