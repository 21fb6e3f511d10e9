"""Chance changes that remove what tells sources apart: contrast, sharpness, noise, JPEG, resampling, borders, pose."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from app.ct.preprocessing import TISSUE_LEVEL

_LETTERS = "ABCDEFLRabcd12345*"


@dataclass(frozen=True)
class Augmentation:
    """Looks of one prepared slice.

    Attributes:
        hide_outside: share of looks in which all outside the lungs becomes soft tissue, as in sets that came masked.
        annotate: share of looks with letters and arrows.
    """

    hide_outside: float = 0.3
    annotate: float = 0.1

    def __call__(
        self, image: np.ndarray, lung: np.ndarray, mask: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """One look.

        Args:
            image: uint8 (size, size).
            lung: bool (size, size).
            mask: float32 (size, size) lesion coverage, or None.
            rng: the only source of chance.

        Returns:
            The look, uint8, and the mask in the same pose.
        """
        if rng.random() < self.hide_outside:
            around = ndimage.gaussian_filter(ndimage.binary_dilation(lung, iterations=2).astype(np.float32), 0.7)
            image = (image * around + TISSUE_LEVEL * (1 - around)).astype(np.uint8)
        pictures = [image.astype(np.float32)] + ([] if mask is None else [mask])
        pictures = _pose(pictures, rng)
        look = _sharpness(pictures[0], rng)
        if rng.random() < self.annotate:
            look = _marks(look, rng)
        look = _gray_levels(look, rng) + rng.standard_normal(look.shape, dtype=np.float32) * rng.uniform(0, 6)
        final = np.clip(np.rint(look), 0, 255).astype(np.uint8)
        if rng.random() < 0.4:
            final = _jpeg(final, quality=int(rng.integers(40, 95)))
        return final, (None if mask is None else pictures[1])


def _pose(pictures: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Mirror, turn by up to 10 degrees, scale by up to 8 %, shift by up to 4 %."""
    size = pictures[0].shape[0]
    turn, scale = np.deg2rad(rng.uniform(-10, 10)), rng.uniform(0.92, 1.08, size=2)
    mirror = rng.random() < 0.5
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turned * scale
    middle = np.array([size / 2, size / 2])
    offset = middle - matrix @ middle + rng.uniform(-0.04, 0.04, size=2) * size
    return [
        ndimage.affine_transform(p[:, ::-1] if mirror else p, matrix, offset, order=1, mode="nearest") for p in pictures
    ]


def _sharpness(look: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.3:
        return ndimage.gaussian_filter(look, rng.uniform(0.3, 1.6))
    if kind < 0.5:
        return look + rng.uniform(0.3, 1.5) * (look - ndimage.gaussian_filter(look, 1.2))
    if kind < 0.7:
        small = int(rng.integers(110, 260))
        picture = Image.fromarray(np.clip(look, 0, 255).astype(np.uint8)).resize((small, small))
        return np.asarray(picture.resize(look.shape, resample=Image.Resampling.BILINEAR), dtype=np.float32)
    return look


def _gray_levels(look: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gamma = np.exp(rng.uniform(-0.25, 0.25))
    bent = 255 * np.clip(look / 255, 0, 1) ** gamma
    return np.asarray(bent * rng.uniform(0.85, 1.15) + rng.uniform(-12, 12), dtype=np.float32)


def _marks(look: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three letters or arrows, white or black, as figures carry them."""
    size = look.shape[0]
    picture = Image.fromarray(np.clip(look, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 4))):
        x, y = (float(v) for v in rng.uniform(0.05, 0.9, size=2) * size)
        shade = 255 if rng.random() < 0.7 else 0
        if rng.random() < 0.4:
            letter = _LETTERS[rng.integers(len(_LETTERS))]
            pen.text((x, y), letter, fill=shade, font_size=float(rng.uniform(0.04, 0.12)) * size)
        else:
            pen.polygon(_arrow(x, y, rng.uniform(0.02, 0.07) * size, rng.uniform(0, 2 * np.pi)), fill=shade)
    return np.asarray(picture, dtype=np.float32)


def _arrow(x: float, y: float, length: float, turn: float) -> list[tuple[float, float]]:
    """Corners of an arrow whose tip is at x, y."""
    outline = np.array([(0, 0), (0.45, 0.3), (0.45, 0.1), (1, 0.1), (1, -0.1), (0.45, -0.1), (0.45, -0.3)]) * length
    turned = outline @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + (x, y)
    return [(float(a), float(b)) for a, b in turned]


def _jpeg(image: np.ndarray, *, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file, formats=("JPEG",)))
