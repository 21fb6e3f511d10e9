"""Synthetic lesions on healthy lungs: they teach the evidence map what a lesion is, with exact masks and without labels.

Works on prepared slices (``app.ct.preprocessing.LungBox``: lung at gray 40, soft tissue at 200).

Source of the idea: Yao et al., "Label-free segmentation of COVID-19 lesions in lung CT", IEEE TMI 2021.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

GROUND_GLASS, DENSE, HAZE = (70.0, 150.0), (150.0, 200.0), (58.0, 80.0)
"""Gray levels a lesion may have inside."""


@dataclass(frozen=True)
class Synthesis:
    """How lesions are drawn.

    Attributes:
        most: largest number of lesions on a slice.
        pleural_share: share of lesions near the pleura.
        pleural_depth: pixels from the lung's edge that count as near.
        ring_share, line_share: shares drawn as rings (reversed halo), and with septal lines (crazy paving).
    """

    most: int = 7
    pleural_share: float = 0.75
    pleural_depth: float = 18.0
    ring_share: float = 0.08
    line_share: float = 0.15

    def __call__(self, image: np.ndarray, lung: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw lesions.

        Args:
            image: uint8 (size, size), a healthy prepared slice.
            lung: bool (size, size).
            rng: the only source of chance.

        Returns:
            The slice with lesions, uint8, nowhere darker than ``image``; and their coverage, float32 (size, size), 0..1.
        """
        depth = ndimage.distance_transform_edt(lung)
        drawn = image.astype(np.float32)
        coverage = np.zeros(image.shape, np.float32)
        for _ in range(int(rng.integers(1, self.most + 1))):
            soft = self._shape(lung, depth, rng)
            drawn = self._fill(drawn, soft, rng)
            coverage = np.maximum(coverage, soft)
        visible = np.clip((drawn - image) / 12.0, 0.0, 1.0)
        # What a vessel or wall hid anyway is still inside the lesion; what is outside the lung is not.
        coverage *= np.maximum(visible, ndimage.grey_closing(visible, size=(7, 7)))
        return np.clip(np.rint(drawn), 0, 255).astype(np.uint8), coverage

    def _shape(self, lung: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Soft mask, float32 (size, size), of one ellipse with edges warped by smooth noise, inside the lung."""
        near = lung & (depth < self.pleural_depth) if rng.random() < self.pleural_share else lung & (depth > 8)
        places = np.flatnonzero(near if near.any() else lung)
        row, column = np.unravel_index(rng.choice(places), lung.shape)
        long = np.exp(rng.uniform(np.log(6), np.log(55)))
        short = long * rng.uniform(0.35, 1.0)
        turn = rng.uniform(0, np.pi)
        y, x = np.mgrid[: lung.shape[0], : lung.shape[1]]
        along = (x - column) * np.cos(turn) + (y - row) * np.sin(turn)
        across = (y - row) * np.cos(turn) - (x - column) * np.sin(turn)
        radius = np.hypot(along / long, across / short)
        radius = radius + rng.uniform(0.15, 0.55) * _smooth_noise(lung.shape, max(3.0, short / 2), rng)
        radius = radius + rng.uniform(0.0, 0.3) * _smooth_noise(lung.shape, max(1.5, short / 7), rng)
        soft = 1 / (1 + np.exp(np.clip((radius - 1) * short / rng.uniform(0.8, 4.0), -30, 30)))
        if rng.random() < self.ring_share:
            soft = soft * np.clip((radius - 0.35) / 0.3, 0.15, 1.0)
        return np.asarray(soft * ndimage.gaussian_filter(lung.astype(np.float32), 0.7), dtype=np.float32)

    def _fill(self, drawn: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        low, high = DENSE if kind < 0.22 else HAZE if kind < 0.34 else GROUND_GLASS
        level = rng.uniform(low, high)
        texture = _smooth_noise(drawn.shape, rng.uniform(2.0, 9.0), rng) * rng.uniform(3, 22)
        texture += _smooth_noise(drawn.shape, 0.8, rng) * rng.uniform(2, 9)
        if rng.random() < self.line_share:
            lines = np.abs(_smooth_noise(drawn.shape, rng.uniform(3.0, 5.0), rng)) < 0.12
            texture += ndimage.gaussian_filter(lines.astype(np.float32), 0.6) * rng.uniform(20, 50)
        inside = np.maximum(level + texture, drawn + 0.35 * (level - 40) * (drawn < 200))
        return np.asarray(drawn + soft * np.maximum(inside - drawn, 0), dtype=np.float32)


def _smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise blurred to ``sigma`` pixels, mean 0, deviation 1; drawn coarsely where it is smooth, for speed."""
    step = max(1, int(sigma / 2))
    coarse = tuple(-(-s // step) + 4 for s in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma / step)
    noise = noise / (noise.std() + 1e-6)
    if step > 1:
        noise = ndimage.zoom(noise, step, order=1)
    return np.asarray(noise[: shape[0], : shape[1]])
