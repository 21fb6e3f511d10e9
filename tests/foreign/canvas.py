"""What drawings are made of: soft shapes on a square, and noise with a structure."""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

WORDS = [
    "page",
    "of",
    "plain",
    "words",
    "nobody",
    "needs",
    "to",
    "read",
    "but",
    "a",
    "gate",
    "has",
    "17",
    "2,5",
    "100 %",
]


@cache
def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 x (1, size) and y (size, 1), each -1..1 over the picture."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return axis[np.newaxis, :], axis[:, np.newaxis]


def ellipse(
    size: int, center: tuple[float, float], radii: tuple[float, float], *, angle: float = 0.0, soft: float = 0.02
) -> np.ndarray:
    """float32 (size, size): 1 inside, 0 outside, over an edge ``soft`` wide; x and y as in `grid`."""
    x, y = grid(size)
    x, y = x - np.float32(center[0]), y - np.float32(center[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across, down = (x * cos + y * sin) / np.float32(radii[0]), (y * cos - x * sin) / np.float32(radii[1])
    inside = (1 - np.hypot(across, down)) * np.float32(min(radii) / soft)
    return np.asarray(np.clip(inside + 0.5, 0, 1))


def fill(canvas: np.ndarray, mask: np.ndarray, value: float) -> None:
    """Paint ``value`` over ``canvas`` where ``mask`` is 1; ``canvas`` is changed."""
    canvas += mask * (np.float32(value) - canvas)


def cloud(rng: np.random.Generator, size: int, *, slope: float = 1.0) -> np.ndarray:
    """float32 (size, size) of deviation 1 whose amplitudes fall with frequency to the ``-slope``, as photographs' do."""
    side = size // 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.rfftfreq(side)[np.newaxis, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / frequency**slope
    spectrum[0, 0] = 0.0
    drawn = np.fft.irfft2(spectrum, s=(side, side)).astype(np.float32)
    return resized(drawn / drawn.std(), size)


def resized(values: np.ndarray, size: int) -> np.ndarray:
    """float32 (rows, columns) as (size, size)."""
    picture = Image.fromarray(values.astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR)
    return np.array(picture)


def grain(rng: np.random.Generator, size: int, *, sigma: float = 0.8) -> np.ndarray:
    """float32 (size, size) of deviation 1: the fine noise of a scanner."""
    drawn = ndimage.gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), sigma)
    return np.asarray(drawn / drawn.std())


def gray(values: np.ndarray) -> np.ndarray:
    """uint8 of values on 0..255."""
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def write_lines(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], color: int | tuple[int, ...]
) -> None:
    """Lines of words, ragged on the right, inside ``box`` (left, upper, right, lower)."""
    left, upper, right, lower = box
    for row in range(upper, lower - 10, 13):
        count = max(1, (right - left) // 36)
        words = " ".join(rng.choice(WORDS, rng.integers(1, count + 1)))
        draw.text((left, row), words[: max(1, (right - left) // 6)], fill=color)
