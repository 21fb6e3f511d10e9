"""The shape of a chest: signed distances of its parts and the HU they are filled with.

Coordinates are the patient's in mm: ``x`` to the left, ``y`` to the back, both 0 in the middle of the body; ``down``
is the way from the head end (0) to the foot end (1) of the scan. A *depth* is the distance in mm to a part's surface,
positive inside; roughly, for what is not a circle.
"""

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

LENGTH_MM = 300.0
FIELD_MM = 360.0

_ROUNDING_MM = np.float32(8.0)
AIR, LUNG, FAT, MUSCLE, BLOOD, LIVER, MARROW, BONE = -1000.0, -865.0, -100.0, 50.0, 45.0, 60.0, 230.0, 520.0


@dataclass(frozen=True)
class Build:
    """How one body differs from the next; factors and shifts around 1 and 0."""

    width: float
    depth: float
    heart: float
    dome: float
    fat_mm: float
    phases: tuple[float, ...]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Build":
        """A random body."""
        width, depth, heart = 1 + rng.uniform(-0.05, 0.05, 3)
        return cls(
            float(width),
            float(depth),
            float(heart),
            dome=float(rng.uniform(-0.02, 0.02)),
            fat_mm=float(rng.uniform(9, 18)),
            phases=tuple(float(p) for p in rng.uniform(0, 2 * np.pi, 8)),
        )


@dataclass(frozen=True, eq=False)
class Place:
    """Points to look at: float32 arrays that broadcast against each other; ``down`` is 0..1."""

    x: np.ndarray
    y: np.ndarray
    down: np.ndarray

    @classmethod
    def warped(cls, build: Build, x: np.ndarray, y: np.ndarray, down: ArrayLike) -> "Place":
        """Points displaced by some mm of slow waves, so that no organ is an ellipse."""
        p, along = build.phases, np.float32(2 * np.pi) * np.asarray(down, dtype=np.float32)
        dx = 3.0 * np.sin(y / 24 + p[0]) * np.cos(x / 41 + p[1] + along) + 0.7 * np.sin(y / 11 + p[2] + 2 * along)
        dy = 3.0 * np.sin(x / 33 + p[3]) * np.cos(y / 35 + p[4] - along) + 0.5 * np.sin(x / 13 + p[5] - along)
        return cls((x + dx).astype(np.float32), (y + dy).astype(np.float32), np.asarray(down, dtype=np.float32))


def along(down: np.ndarray, *points: tuple[float, float]) -> np.ndarray:
    """A value that changes along the body: linear between (down, value) points."""
    return np.asarray(np.interp(down, [p[0] for p in points], [p[1] for p in points]), dtype=np.float32)


def ellipse(x: np.ndarray, y: np.ndarray, wide: ArrayLike, deep: ArrayLike) -> np.ndarray:
    """Depth in an ellipse around 0 with the half axes ``wide`` and ``deep`` mm."""
    a, b = np.asarray(wide, dtype=np.float32), np.asarray(deep, dtype=np.float32)
    return np.asarray((1 - np.sqrt((x / a) ** 2 + (y / b) ** 2)) * np.sqrt(a * b))


def body_depth(build: Build, at: Place) -> np.ndarray:
    """Depth below the skin; wide at the shoulders."""
    wide = build.width * along(at.down, (0, 200), (0.12, 184), (0.25, 166), (0.6, 160), (1, 154)) + build.fat_mm - 12
    deep = build.depth * along(at.down, (0, 84), (0.15, 100), (0.4, 116), (1, 112)) + build.fat_mm - 12
    return np.asarray(np.minimum(_box(at.x, at.y, wide, deep), deep))


def _box(x: np.ndarray, y: np.ndarray, wide: np.ndarray, deep: np.ndarray) -> np.ndarray:
    """Depth in a superellipse, squarer than an ellipse, as a trunk is."""
    u, v = (x / wide) ** 2, (y / deep) ** 2
    return np.asarray((1 - np.sqrt(np.sqrt(u * u + v * v + 1.3 * u * v))) * deep)


def cavity_depth(build: Build, at: Place) -> np.ndarray:
    """Depth inside the rib cage: a bell that widens from the apex down."""
    bell = along(
        at.down, (0, 0.05), (0.05, 0.2), (0.08, 0.42), (0.13, 0.6), (0.2, 0.76), (0.3, 0.9), (0.45, 1), (1, 1.01)
    )
    wide, deep = 128 * build.width * bell, 91 * build.depth * (0.25 + 0.75 * bell)
    return ellipse(at.x, at.y - along(at.down, (0, 18), (0.3, 4), (1, 4)), wide, deep)


def heart_depth(build: Build, at: Place) -> np.ndarray:
    """Depth in the mediastinum: great vessels above, the heart to the left below."""
    x = at.x - along(at.down, (0, 0), (0.35, 3), (0.6, 20), (0.8, 22), (1, 15))
    y = at.y - along(at.down, (0, 8), (0.3, 0), (0.5, -16), (0.75, -24), (1, -30))
    wide = build.heart * along(at.down, (0, 30), (0.2, 27), (0.38, 33), (0.5, 48), (0.66, 62), (0.8, 58), (1, 50))
    deep = build.heart * along(at.down, (0, 26), (0.2, 40), (0.4, 46), (0.6, 49), (0.8, 44), (1, 36))
    tilt = along(at.down, (0.4, 0), (0.6, 0.45), (1, 0.5))
    return ellipse(x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt), wide, deep)


def aorta_depth(at: Place) -> np.ndarray:
    """Depth in the descending aorta, left of the spine."""
    above_arch = np.float32(99) * (at.down < 0.26)
    return np.asarray(12 - np.hypot(at.x - 19, at.y - 38) - above_arch)


def spine_depth(at: Place) -> np.ndarray:
    """Depth in the vertebral bodies."""
    return ellipse(at.x, at.y - 60, 18.5, 15)


def _gutter_depth(at: Place) -> np.ndarray:
    """Depth in what keeps the lungs off the spine."""
    return ellipse(at.x, at.y - 84, 25, 44)


def diaphragm_height(build: Build, at: Place) -> np.ndarray:
    """Height above the diaphragm in mm, negative below: two domes that fall towards the ribs, more so at the back."""
    right = at.x < along(at.down, (0, 0), (1, 10))
    middle = np.where(right, np.float32(-58 * build.width), np.float32(62 * build.width))
    top = np.where(right, np.float32(0.665 + build.dome), np.float32(0.71 + build.dome))
    r2 = ((at.x - middle) / (72 * build.width)) ** 2 + ((at.y + 14) / (92 * build.depth)) ** 2
    fall = np.float32(0.22) + np.float32(0.05) * np.clip(at.y / 60, -1, 1)
    # Nearly level on top, steep at the ribs: the distance to the surface is shorter there than straight down.
    return np.asarray((top + fall * r2 - at.down) * LENGTH_MM / (1 + 0.8 * np.minimum(r2, 1.5)))


class Walls(NamedTuple):
    """Depths of what the lungs end at; ``above`` is the height above the diaphragm."""

    cavity: np.ndarray
    heart: np.ndarray
    aorta: np.ndarray
    above: np.ndarray

    @classmethod
    def of(cls, build: Build, at: Place) -> "Walls":
        """The walls at some points."""
        return cls(cavity_depth(build, at), heart_depth(build, at), aorta_depth(at), diaphragm_height(build, at))


def lung_depth(walls: Walls, at: Place) -> np.ndarray:
    """Depth in either lung: in the rib cage, off the middle, above the diaphragm; corners rounded.

    Returns:
        float32, the broadcast shape of ``at``.
    """
    septum = np.abs(at.x - along(at.down, (0, 0), (0.6, 6), (1, 8))) - np.float32(2.5)
    depths = [walls.cavity, -walls.heart, -_gutter_depth(at), -walls.aorta, septum, walls.above]
    return reduce(_rounded_minimum, depths)


def _rounded_minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smaller of two depths, a little less where they are nearly equal: surfaces meet without a crease."""
    overlap = np.maximum(_ROUNDING_MM - np.abs(a - b), 0)
    return np.asarray(np.minimum(a, b) - overlap * overlap / (4 * _ROUNDING_MM), dtype=np.float32)


def cover(depth: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Share of each pixel that lies inside a surface, 0..1."""
    return np.asarray(np.clip(0.5 + depth / pixel_mm, 0, 1))


def fill(hu: np.ndarray, share: np.ndarray, value: ArrayLike) -> None:
    """Put ``value`` HU over ``hu`` in place, by ``share`` 0..1."""
    hu += share * (np.asarray(value, dtype=np.float32) - hu)


def draw_trunk(build: Build, at: Place, walls: Walls, lung: np.ndarray, pixel_mm: float) -> np.ndarray:
    """One slice without vessels.

    Args:
        build: the body.
        at: (rows, columns), one ``down``.
        walls: at the same points.
        lung: depth in the lungs, (rows, columns).
        pixel_mm: size of a pixel.

    Returns:
        float32 (rows, columns), HU without noise.
    """
    down = float(at.down)
    hu = np.full(lung.shape, AIR, dtype=np.float32)
    body, cavity = body_depth(build, at), walls.cavity
    fill(hu, cover(body, pixel_mm), FAT + 60 * np.exp(-body / 2))
    fill(hu, cover(np.maximum(body - build.fat_mm, cavity + 5), pixel_mm), MUSCLE)
    fill(hu, cover(np.minimum(cavity + 1, body - 4), pixel_mm), FAT if down < 0.62 else MUSCLE)
    if down > 0.6:
        fill(hu, cover(np.minimum(-walls.above, cavity), pixel_mm), LIVER)
    fill(hu, cover(np.minimum(walls.heart, cavity + 2), pixel_mm), -20.0 if down < 0.3 else BLOOD)
    for x, y, radius in _great_vessels(down):
        fill(hu, cover(radius - np.hypot(at.x - x, at.y - y), pixel_mm), BLOOD)
    fill(hu, cover(walls.aorta, pixel_mm), BLOOD)
    _draw_bones(build, at, hu, cavity, body, pixel_mm)
    fill(hu, cover(lung, pixel_mm), LUNG + 0.35 * at.y)
    _draw_airways(at, hu, pixel_mm)
    return hu


def _great_vessels(down: float) -> list[tuple[float, float, float]]:
    """Circles of blood in the upper mediastinum: x, y, radius in mm."""
    if down < 0.22:
        return [(-16, -14, 7), (14, -10, 6), (2, -18, 6)]
    if down < 0.3:
        return [(6, -6, 13), (14, 12, 13), (-17, -12, 8)]
    return [(-10, -26, 14), (-22, -12, 8)] if down < 0.5 else []


def _draw_bones(build: Build, at: Place, hu: np.ndarray, cavity: np.ndarray, body: np.ndarray, pixel_mm: float) -> None:
    down = float(at.down)
    angle = np.arctan2(at.y - 4, at.x * np.float32(0.72))
    # Ribs slant from the spine down to the front, so a slice cuts several of them along different stretches.
    slant = down * LENGTH_MM / 27 + 3.6 * np.abs(angle - np.pi / 2).clip(0, np.pi) / np.pi + build.phases[6]
    ring = 3.4 - np.abs(cavity + 6.0)
    rib = np.minimum(np.minimum(ring, 9 * (np.cos(2 * np.pi * slant) - 0.35)), body - 5)
    _bone(hu, rib, pixel_mm)
    if 0.16 < down < 0.72:
        front = -87 * build.depth + 4 - along(at.down, (0.16, -18), (0.4, 4), (1, 6))
        _bone(hu, ellipse(at.x, at.y - front, 21, 6.5), pixel_mm)
    arch = np.minimum(ellipse(at.x, at.y - 80, 25, 14), -ellipse(at.x, at.y - 80, 16, 8))
    process = ellipse(at.x, at.y - 97, 4, 15)
    _bone(hu, np.minimum(np.maximum(np.maximum(arch, process), spine_depth(at)), body - 6), pixel_mm)
    fill(hu, cover(ellipse(at.x, at.y - 79, 9, 7.5), pixel_mm), 30.0)
    if down < 0.3:
        blade = ellipse(
            (np.abs(at.x) - 112) * 0.8 + (at.y - 45) * 0.6, (at.y - 45) * 0.8 - (np.abs(at.x) - 112) * 0.6, 7, 44
        )
        _bone(hu, np.minimum(blade, body - 8), pixel_mm)


def _bone(hu: np.ndarray, depth: np.ndarray, pixel_mm: float) -> None:
    """Dense shell, marrow within."""
    fill(hu, cover(depth, pixel_mm), MARROW + (BONE - MARROW) * np.exp(-np.maximum(depth, 0) / 1.6))


def _draw_airways(at: Place, hu: np.ndarray, pixel_mm: float) -> None:
    """Windpipe, its fork, and the two main bronchi with their walls."""
    down = float(at.down)
    if down > 0.5:
        return
    apart = max(0.0, down - 0.35) * 240
    radius = 8.5 if down < 0.35 else 6.2 - 14 * (down - 0.35)
    for x in {-apart, apart}:
        depth = radius - np.hypot((at.x - x) / (1 + apart / 60), at.y - 12 - apart * 0.2)
        fill(hu, cover(depth + 1.6, pixel_mm), 20.0)
        fill(hu, cover(depth, pixel_mm), AIR)
