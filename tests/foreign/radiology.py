"""Medical pictures of other parts and other machines: HU for CT, gray for the rest, all by hand of a seed."""

import numpy as np

from tests.foreign.canvas import cloud, ellipse, fill, grain, grid, resized

AIR = -1000.0


def head_ct(rng: np.random.Generator, *, size: int = 256, height: float = 0.5) -> np.ndarray:
    """A head in HU; ``height`` 0 at the skull's base, 1 at its top."""
    wide = rng.uniform(0.5, 0.6) * np.sqrt(max(0.05, 1 - (1.6 * height - 0.6) ** 2))
    long, at = wide * rng.uniform(1.15, 1.3), (rng.uniform(-0.05, 0.05), rng.uniform(-0.1, 0.1))
    hu = np.full((size, size), AIR, np.float32)
    fill(hu, ellipse(size, at, (wide + 0.05, long + 0.05)), 20)
    fill(hu, ellipse(size, at, (wide, long)), rng.uniform(700, 1300))
    fill(hu, ellipse(size, at, (wide - 0.07, long - 0.07)), 5)
    fill(hu, ellipse(size, at, (wide - 0.1, long - 0.1)), 35)
    hu += ellipse(size, at, (wide - 0.1, long - 0.1)) * 4 * cloud(rng, size, slope=0.8)
    for side in (-1, 1):
        horn = (at[0] + side * 0.09, at[1] - 0.05)
        fill(hu, ellipse(size, horn, (0.05, 0.2 * (1.2 - height)), angle=side * 0.3), 8)
    if height < 0.3:
        _skull_base(hu, rng, at, wide)
    _headrest(hu, at, long)
    return hu + rng.uniform(3, 25) * grain(rng, size)


def _skull_base(hu: np.ndarray, rng: np.random.Generator, at: tuple[float, float], wide: float) -> None:
    """Air in sinuses and mastoids, dense bone between."""
    size = len(hu)
    for side in (-1, 1):
        fill(hu, ellipse(size, (at[0] + side * wide * 0.5, at[1] + 0.1), (wide * 0.4, 0.07), angle=side * 0.5), 900)
        fill(hu, ellipse(size, (at[0] + side * wide * 0.35, at[1] - wide * 0.8), (0.09, 0.07)), AIR)
        for _ in range(6):
            cell = (at[0] + side * wide * rng.uniform(0.7, 0.9), at[1] + rng.uniform(0.1, 0.3))
            fill(hu, ellipse(size, cell, (0.02, 0.02)), -800)


def _headrest(hu: np.ndarray, at: tuple[float, float], long: float) -> None:
    size = len(hu)
    outer = ellipse(size, at, (long + 0.17, long + 0.17)) - ellipse(size, at, (long + 0.14, long + 0.14))
    fill(hu, outer * (grid(size)[1] > 0.1), -300)


def abdomen_ct(rng: np.random.Generator, *, size: int = 256, height: float = 0.5) -> np.ndarray:
    """A belly in HU: organs, bowel with gas, spine, table; ``height`` 0 at the pelvis, 1 at the liver's dome."""
    wide, deep = rng.uniform(0.72, 0.9), rng.uniform(0.5, 0.65)
    fat = rng.uniform(0.05, 0.14)
    hu = np.full((size, size), AIR, np.float32)
    fill(hu, ellipse(size, (0, 0), (wide, deep)), -95)
    fill(hu, ellipse(size, (0, 0), (wide - fat, deep - fat)), 50)
    fill(hu, ellipse(size, (0, -0.03), (wide - fat - 0.07, deep - fat - 0.07)), -80)
    if height > 0.3:
        _upper_organs(hu, rng, wide - fat, height)
    _bowel(hu, rng, wide - fat, int(rng.integers(3, 9)))
    fill(hu, ellipse(size, (0, deep - 0.3), (0.13, 0.11)), 250)
    fill(hu, ellipse(size, (0, deep - 0.17), (0.05, 0.04)), 20)
    fill(hu, ellipse(size, (0.05, deep - 0.46), (0.05, 0.05)), rng.choice((45.0, 220.0)))
    _table(hu, deep)
    return hu + rng.uniform(8, 25) * grain(rng, size)


def _upper_organs(hu: np.ndarray, rng: np.random.Generator, wide: float, height: float) -> None:
    size, contrast = len(hu), rng.uniform(0, 60)
    fill(hu, ellipse(size, (-wide * 0.4, -0.06), (wide * 0.5, 0.3 * height + 0.1), angle=0.2), 55 + contrast)
    fill(hu, ellipse(size, (wide * 0.62, 0.08), (wide * 0.22, 0.16), angle=-0.5), 50 + contrast)
    for side in (-1, 1):
        fill(hu, ellipse(size, (side * wide * 0.45, 0.22), (0.09, 0.13), angle=side * 0.3), 35 + 2 * contrast)


def _bowel(hu: np.ndarray, rng: np.random.Generator, wide: float, loops: int) -> None:
    """Loops of soft tissue; gas in the upper part of some, fluid below it."""
    size = len(hu)
    for _ in range(loops):
        center = (rng.uniform(-0.6, 0.75) * wide, rng.uniform(-0.32, 0.0))
        radii = (rng.uniform(0.06, 0.16), rng.uniform(0.05, 0.11))
        fill(hu, ellipse(size, center, radii), 30)
        lumen = ellipse(size, center, (radii[0] - 0.02, radii[1] - 0.02))
        gas = grid(size)[1] < center[1] + rng.uniform(-0.05, 0.05)
        fill(hu, lumen * gas, -950 if rng.random() < 0.7 else 20)


def _table(hu: np.ndarray, deep: float) -> None:
    x, y = grid(len(hu))
    board = np.abs(y - deep - 0.06 + 0.12 * x * x) < 0.008
    fill(hu, (board & (np.abs(x) < 0.95)).astype(np.float32), -200)


def legs_ct(rng: np.random.Generator, *, size: int = 256, height: float = 0.5) -> np.ndarray:
    """Two thighs in HU, each with its bone; ``height`` makes them thicker."""
    hu = np.full((size, size), AIR, np.float32)
    thick = rng.uniform(0.25, 0.33) + 0.12 * height
    for side in (-1, 1):
        at = (side * rng.uniform(0.44, 0.5), rng.uniform(-0.05, 0.05))
        fill(hu, ellipse(size, at, (thick, thick * 1.1)), -100)
        fill(hu, ellipse(size, at, (thick - 0.06, thick * 1.1 - 0.06)), 55)
        fill(hu, ellipse(size, at, (0.09, 0.09)), 1100)
        fill(hu, ellipse(size, at, (0.05, 0.05)), -40)
    _table(hu, thick * 1.2)
    return hu + rng.uniform(8, 25) * grain(rng, size)


def chest_xray(rng: np.random.Generator, *, size: int = 384) -> np.ndarray:
    """A chest from the front, 0..255: two dark lung fields, ribs, heart, diaphragm."""
    x, y = grid(size)
    film = np.full((size, size), rng.uniform(185, 225), np.float32)
    film -= 120 * (np.abs(x) > 0.93 - 0.15 * (y < -0.7))
    for side in (-1, 1):
        lung = ellipse(size, (side * 0.43, 0.02), (0.33, rng.uniform(0.68, 0.8)), angle=side * 0.06, soft=0.08)
        base = np.clip((rng.uniform(0.5, 0.62) + 0.25 * (x - side * 0.43) ** 2 - y) / 0.04, 0, 1)
        fill(film, lung * base, rng.uniform(45, 90))
    film += _ribs(size, rng)
    fill(film, ellipse(size, (0.12, 0.32), (0.3, 0.27), soft=0.1), 190)
    fill(film, np.clip((0.1 - np.abs(x)) / 0.05, 0, 1) * np.ones_like(film), 200)
    film += 6 * cloud(rng, size, slope=1.2) + 3 * grain(rng, size)
    return film if rng.random() < 0.85 else 255 - film


def _ribs(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = grid(size)
    bent = (y + 0.45 * np.abs(x) ** 1.5) / rng.uniform(0.15, 0.19)
    inside = (np.abs(x) > 0.1) & (np.abs(x) < 0.82) & (np.abs(y) < 0.75)
    return np.asarray(26 * np.clip(np.cos(2 * np.pi * bent) - 0.35, 0, 1) * inside)


def limb_xray(rng: np.random.Generator, *, size: int = 384) -> np.ndarray:
    """A forearm or lower leg, 0..255: two long bones in soft tissue."""
    x, y = grid(size)
    lean = rng.uniform(-0.2, 0.2)
    across = x - lean * y
    flesh = np.clip((rng.uniform(0.35, 0.6) - np.abs(across)) / 0.05, 0, 1)
    film = 15 + 85 * flesh
    for center, thick in ((-0.14, rng.uniform(0.09, 0.15)), (0.2, rng.uniform(0.05, 0.09))):
        off = np.abs(across - center) / (thick * (1 + 0.8 * y**4))
        film += 110 * np.clip((1 - off) / 0.2, 0, 1) * (0.6 + 0.4 * np.clip(off, 0, 1))
    return np.asarray(film + 3 * cloud(rng, size) + 2 * grain(rng, size))


def brain_mr(rng: np.random.Generator, *, size: int = 256, height: float = 0.5) -> np.ndarray:
    """A head by MR, 0..255, as T1 (dark ventricles) or T2 (bright ones)."""
    fluid, matter, cortex = ((25, 150, 105), (235, 85, 130))[rng.integers(2)]
    wide = rng.uniform(0.6, 0.68) * np.sqrt(max(0.05, 1 - (1.6 * height - 0.6) ** 2))
    long = wide * rng.uniform(1.15, 1.28)
    film = np.zeros((size, size), np.float32)
    fill(film, ellipse(size, (0, 0), (wide + 0.08, long + 0.08)), 200)
    fill(film, ellipse(size, (0, 0), (wide + 0.03, long + 0.03)), 15)
    fill(film, ellipse(size, (0, 0), (wide, long)), fluid)
    folds = ellipse(size, (0, 0), (wide - 0.03, long - 0.03))
    fill(film, folds, cortex)
    white = np.clip(cloud(rng, size, slope=0.6) + 0.8, 0, 1) * ellipse(size, (0, 0), (wide - 0.08, long - 0.08))
    fill(film, white, matter)
    for side in (-1, 1):
        fill(film, ellipse(size, (side * 0.1, -0.04), (0.06, 0.22 * (1.2 - height)), angle=side * 0.3), fluid)
    return _as_mr(film, rng)


def abdomen_mr(rng: np.random.Generator, *, size: int = 256, height: float = 0.5) -> np.ndarray:
    """A belly by MR, 0..255: bright fat around gray organs."""
    hu = abdomen_ct(rng, size=size, height=height)
    film = np.interp(hu, (-1000, -300, -95, 20, 60, 200, 300), (0, 10, 220, 150, 90, 180, 60)).astype(np.float32)
    return _as_mr(film, rng)


def _as_mr(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The coil's shading, and noise that is never below zero (Rician)."""
    size = len(film)
    shaded = film * (1 + 0.15 * cloud(rng, size, slope=2.0))
    strength = rng.uniform(3, 9)
    return np.hypot(shaded + strength * grain(rng, size), strength * grain(rng, size))


def ultrasound(rng: np.random.Generator, *, size: int = 384) -> np.ndarray:
    """A fan of speckle, 0..255, with dark holes and bright walls."""
    x, y = grid(size)
    depth, angle = np.hypot(x, y + 1.1), np.arctan2(x, y + 1.1)
    fan = (np.abs(angle) < rng.uniform(0.5, 0.8)) & (depth > 0.25) & (depth < rng.uniform(1.8, 2.0))
    tissue = 70 + 30 * cloud(rng, size, slope=0.8)
    for _ in range(rng.integers(1, 4)):
        at, radii = (rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.5)), (rng.uniform(0.1, 0.25), rng.uniform(0.08, 0.2))
        fill(tissue, ellipse(size, at, (radii[0] + 0.03, radii[1] + 0.03)), 170)
        fill(tissue, ellipse(size, at, radii), 10)
    speckle = rng.rayleigh(0.8, (size // 2, size // 2)).astype(np.float32)
    return np.asarray(tissue * resized(speckle, size) * np.exp(-0.3 * depth) * 1.6 * fan)
