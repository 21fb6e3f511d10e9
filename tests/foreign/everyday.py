"""Pictures of everyday life, as people send them by mistake: uint8 (rows, columns) or (rows, columns, 3)."""

import numpy as np
from PIL import Image, ImageDraw

from tests.foreign.canvas import cloud, ellipse, fill, gray, grid, write_lines

SIZES = (256, 320, 384, 512)


def scene(rng: np.random.Generator) -> np.ndarray:
    """A photograph's statistics: sky over ground, a few things in front, colors that belong together."""
    size = int(rng.choice(SIZES))
    horizon = grid(size)[1] > rng.uniform(-0.4, 0.5)
    light = 128 + 42 * cloud(rng, size, slope=rng.uniform(0.9, 1.3)) + 40 * (0.5 - horizon)
    for _ in range(rng.integers(1, 5)):
        center, radii = rng.uniform(-0.8, 0.8, 2), rng.uniform(0.1, 0.5, 2)
        fill(light, ellipse(size, (center[0], center[1]), (radii[0], radii[1])), rng.uniform(20, 235))
    tint = rng.uniform(0.6, 1.2, 3) + 0.1 * np.stack([cloud(rng, size)] * 3, axis=-1) * rng.uniform(-1, 1, 3)
    return gray(light[..., np.newaxis] * tint)


def shapes(rng: np.random.Generator) -> np.ndarray:
    """Flat colored shapes on a gradient."""
    size = int(rng.choice(SIZES))
    x, y = grid(size)
    slope = (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1) + 2) / 4
    picture = Image.fromarray(gray(slope[..., np.newaxis] * rng.uniform(60, 255, 3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 9)):
        left, upper, width, height = rng.integers(0, size // 2, 4)
        box = (left, upper, left + width + 8, upper + height + 8)
        draw_one = (draw.ellipse, draw.rectangle)[rng.integers(2)]
        draw_one([int(edge) for edge in box], fill=_color(rng), outline=_color(rng))
    return np.array(picture)


def page(rng: np.random.Generator) -> np.ndarray:
    """A page of text, its margins and a heading."""
    size = int(rng.choice(SIZES))
    picture = Image.new("L", (size, int(size * 1.4)), int(rng.integers(225, 256)))
    draw = ImageDraw.Draw(picture)
    margin = int(size * rng.uniform(0.05, 0.15))
    draw.rectangle((margin, margin, size // 2, margin + 12), fill=40)
    write_lines(draw, rng, (margin, margin + 24, size - margin, int(size * 1.4) - margin), int(rng.integers(0, 90)))
    return np.array(picture)


def chart(rng: np.random.Generator) -> np.ndarray:
    """Axes with bars and a curve."""
    size = int(rng.choice(SIZES))
    picture = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(picture)
    foot, left = int(size * 0.85), int(size * 0.12)
    draw.line((left, int(size * 0.1), left, foot, int(size * 0.9), foot), fill="black", width=2)
    count = int(rng.integers(4, 12))
    step = (size * 0.75) / count
    tops = foot - rng.uniform(0.05, 0.7, count) * size
    for i, top in enumerate(tops):
        draw.rectangle((left + int(i * step) + 4, int(top), left + int((i + 0.7) * step) + 4, foot), fill=_color(rng))
    curve = [(left + (i + 0.5) * step, top - 10) for i, top in enumerate(rng.permutation(tops))]
    draw.line([(int(x), int(y)) for x, y in curve], fill=_color(rng), width=3)
    write_lines(draw, rng, (left, 4, size - left, 30), 0)
    return np.array(picture)


def barcode(rng: np.random.Generator) -> np.ndarray:
    """Bars, or a square of black and white modules."""
    size = int(rng.choice(SIZES))
    if rng.random() < 0.5:
        bars = np.repeat(rng.integers(0, 2, 64), rng.integers(1, 4, 64))
        code = np.tile(bars, (48, 1))
    else:
        code = rng.integers(0, 2, (29, 29))
    picture = Image.fromarray((code * 255).astype(np.uint8)).resize((size - 40, size - 40), Image.Resampling.NEAREST)
    return np.pad(np.array(picture), 20, constant_values=255)


def screenshot(rng: np.random.Generator) -> np.ndarray:
    """Windows with title bars and text on a desktop."""
    width, height = int(rng.choice(SIZES)) * 5 // 4, int(rng.choice(SIZES))
    picture = Image.new("RGB", (width, height), _color(rng))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(1, 4)):
        left, upper = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
        right, lower = left + width // 2, upper + height // 2
        light = int(rng.choice((30, 245)))
        draw.rectangle((left, upper, right, lower), fill=(light,) * 3, outline="gray")
        draw.rectangle((left, upper, right, upper + 16), fill=_color(rng))
        write_lines(draw, rng, (left + 8, upper + 24, right - 8, lower), (275 - light,) * 3)
    draw.rectangle((0, height - 20, width, height), fill=_color(rng))
    return np.array(picture)


def blank(rng: np.random.Generator) -> np.ndarray:
    """One gray, black, white, or a plain gradient."""
    size = int(rng.choice(SIZES))
    level = float(rng.choice((0, 255, int(rng.integers(1, 255)))))
    across, down = rng.uniform(-1, 1, 2) * rng.choice((0.0, 60.0))
    x, y = grid(size)
    return gray(level + across * x + down * y + np.zeros((size, size), np.float32))


def noise(rng: np.random.Generator) -> np.ndarray:
    """Uniform, Gaussian, salt and pepper, or clouds."""
    size = int(rng.choice(SIZES))
    return gray(
        (
            lambda: rng.uniform(0, 255, (size, size)),
            lambda: rng.normal(rng.uniform(40, 215), rng.uniform(5, 60), (size, size)),
            lambda: np.where(rng.random((size, size)) < 0.1, rng.choice((0, 255), (size, size)), 128),
            lambda: 128 + 50 * cloud(rng, size, slope=rng.uniform(0.3, 2.0)),
        )[rng.integers(4)]()
    )


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in rng.integers(0, 256, 3))
    return red, green, blue
