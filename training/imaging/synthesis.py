"""Synthetic lesions on healthy lungs: they teach the evidence map what a lesion is, with exact masks and without labels.

Works on prepared slices (``app.ct.preprocessing.LungBox``: lung at gray 40, soft tissue at 200).

Source of the idea: Yao et al., "Label-free segmentation of COVID-19 lesions in lung CT", IEEE TMI 2021.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from training.imaging.drawing import as_picture, branches, raised, septal_net, smooth_noise, soft_edge, visible

GROUND_GLASS, DENSE, HAZE = (70.0, 150.0), (150.0, 200.0), (58.0, 80.0)
"""Gray levels a lesion may have inside."""


@dataclass(frozen=True)
class Synthesis:
    """How lesions are drawn.

    Attributes:
        most: largest number of lesions on a slice.
        pleural_share: share of lesions near the pleura.
        pleural_depth: pixels from the lung's edge that count as near.
        ring_share: share drawn as rings (reversed halo).
        paving_share: with thickened septa inside (crazy paving).
        bronchogram_share: dense, with open bronchi inside.
        halo_share: with a dense core.
    """

    most: int = 7
    pleural_share: float = 0.75
    pleural_depth: float = 18.0
    ring_share: float = 0.08
    paving_share: float = 0.22
    bronchogram_share: float = 0.14
    halo_share: float = 0.06

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
        return as_picture(drawn), visible(drawn, image, coverage)

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
        radius = radius + rng.uniform(0.15, 0.55) * smooth_noise(lung.shape, max(3.0, short / 2), rng)
        radius = radius + rng.uniform(0.0, 0.3) * smooth_noise(lung.shape, max(1.5, short / 7), rng)
        soft = soft_edge((1 - radius) * short, rng.uniform(0.8, 4.0))
        if rng.random() < self.ring_share:
            soft = soft * np.clip((radius - 0.35) / 0.3, 0.15, 1.0)
        return np.asarray(soft * ndimage.gaussian_filter(lung.astype(np.float32), 0.7), dtype=np.float32)

    def _fill(self, drawn: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        plain = self._infiltrate(drawn, soft, rng)
        kind = rng.random()
        if kind < self.paving_share:
            net = septal_net(drawn.shape, rng.uniform(7, 13), rng)
            return raised(plain, np.minimum(plain + soft * net * rng.uniform(25, 70), 215), np.ones_like(soft))
        if (kind := kind - self.paving_share) < self.bronchogram_share:
            return _with_bronchi(drawn, raised(plain, rng.uniform(140, 195), soft), soft, rng)
        if kind - self.bronchogram_share < self.halo_share:
            return raised(plain, rng.uniform(150, 200), np.clip((soft - 0.75) / 0.2, 0, 1))
        return plain

    def _infiltrate(self, drawn: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Haze, ground glass or consolidation of one density, with texture."""
        kind = rng.random()
        low, high = DENSE if kind < 0.22 else HAZE if kind < 0.34 else GROUND_GLASS
        level = rng.uniform(low, high)
        texture = smooth_noise(drawn.shape, rng.uniform(2.0, 9.0), rng) * rng.uniform(3, 22)
        texture += smooth_noise(drawn.shape, 0.8, rng) * rng.uniform(2, 9)
        inside = np.maximum(level + texture, drawn + 0.35 * (level - 40) * (drawn < 200))
        return raised(drawn, inside, soft)


def _with_bronchi(before: np.ndarray, dense: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A consolidation with air left in its bronchi: there it is as dark as it was before."""
    core = np.argwhere(soft > 0.5)
    if not len(core):
        return dense
    start = tuple(core[rng.integers(len(core))])
    tubes = branches(before.shape, start, rng, count=int(rng.integers(1, 4)), length=45, width=rng.uniform(0.8, 1.4))
    return np.asarray(dense * (1 - tubes) + before * tubes, dtype=np.float32)
