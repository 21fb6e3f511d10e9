"""A synthetic chest CT in HU: for the demo, the model's self-test and the tests. Nothing in it is a person's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from app.ct.exam import Exam, InputKind, Slice
from app.ct.phantom import lesions as lesion
from app.ct.phantom import vessels
from app.ct.phantom.anatomy import FIELD_MM, LENGTH_MM, Build, Place, Walls, cover, draw_trunk, fill, lung_depth
from app.ct.windowing import LUNG

__all__ = ["Phantom", "phantom"]

Lesions = Literal["none", "few", "many"]
_NOISE_HU = 24.0
_PARENCHYMA_HU = 16.0
# The noise is cut out of one larger sheet, each slice at another place.
_SPARE = 0.25


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic exam.

    Attributes:
        hu: int16 (slices, rows, columns), Hounsfield units, head first, patient's right on the left.
        lesions: bool (slices, rows, columns), where lesions were drawn; all of it in the lungs.
        lungs: bool (slices, rows, columns), where the lungs are, with the lesions inside them.
        spacing_mm: (between slices, between rows, between columns).
        seed: what it was drawn from; two phantoms of one seed and size are equal.
    """

    hu: np.ndarray
    lesions: np.ndarray
    lungs: np.ndarray
    spacing_mm: tuple[float, float, float]
    seed: int

    def affected_share(self) -> np.ndarray:
        """True share of the lung that is lesion on each slice, float64 (slices,); 0 where there is no lung."""
        lung, lesion = self.lungs.sum(axis=(1, 2)), self.lesions.sum(axis=(1, 2))
        return np.asarray(lesion / np.maximum(lung, 1))

    def exam(self) -> Exam:
        """The exam as reading its DICOM files would give it."""
        depth, *pixel = self.spacing_mm
        slices = [
            Slice(LUNG.gray(hu), z_mm=-i * depth, instance_number=i + 1, pixel_spacing_mm=(pixel[0], pixel[1]))
            for i, hu in enumerate(self.hu)
        ]
        return Exam.of(slices, kind=InputKind.DICOM)


def phantom(*, slices: int = 60, lesions: Lesions | int = "none", seed: int = 0, size: int = 512) -> Phantom:
    """Draw a chest from above the lungs to below them.

    Args:
        slices: how many, over 300 mm.
        lesions: how many ground-glass opacities and consolidations, in a word or a number; more on the same seed add to
            those of fewer.
        seed: of body, vessels, lesions and noise.
        size: rows and columns, over 360 mm.
    """
    rng = np.random.default_rng(seed)
    build = Build.drawn(rng)
    tree = vessels.grow(build, rng)
    count = lesions if isinstance(lesions, int) else lesion.COUNTS[lesions]
    spots = lesion.scatter(build, count, np.random.default_rng((seed, 1)))
    noise, texture = _sheets(size, rng)
    pixel_mm, depth_mm = FIELD_MM / size, LENGTH_MM / max(1, slices - 1)
    axis = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)) * np.float32(pixel_mm)
    hu = np.empty((slices, size, size), dtype=np.int16)
    masks, lungs = np.zeros((2, slices, size, size), dtype=bool)
    for i, (cut_noise, cut_texture) in zip(range(slices), _cuts(noise, texture, size, rng), strict=False):
        down = i / max(1, slices - 1) if slices > 1 else 0.45
        at = Place.warped(build, axis, axis[:, np.newaxis], down)
        walls = Walls.of(build, at)
        depth = lung_depth(walls, at)
        drawn = draw_trunk(build, at, walls, depth, pixel_mm)
        air = cover(depth, pixel_mm)
        drawn += air * (_PARENCHYMA_HU * cut_texture)
        vessels.draw(tree, drawn, z_mm=down * LENGTH_MM, thickness_mm=min(depth_mm, 5.0), pixel_mm=pixel_mm)
        lungs[i] = air > 0.5
        masks[i] = lesion.draw(spots, drawn, air, at, cut_texture)
        drawn = ndimage.gaussian_filter(drawn, 0.6, output=drawn) if pixel_mm < 1.5 else drawn
        _draw_table(drawn, axis)
        drawn += _NOISE_HU * cut_noise
        hu[i] = np.clip(np.rint(drawn), -1024, 3071)
    return Phantom(hu, masks, lungs, (depth_mm, pixel_mm, pixel_mm), seed)


def _sheets(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noise as a scanner leaves it, and the slow one of lung tissue; both of deviation 1."""
    side = int(size * (1 + _SPARE))
    white = rng.standard_normal((2, side, side), dtype=np.float32)
    fine, slow = ndimage.gaussian_filter(white[0], 0.7), ndimage.gaussian_filter(white[1], 1.7 * size / 512)
    return fine / fine.std(), slow / slow.std()


def _cuts(
    noise: np.ndarray, texture: np.ndarray, size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A piece of each sheet for every slice."""
    while True:
        a, b, c, d = rng.integers(0, max(1, len(noise) - size), 4)
        yield noise[a : a + size, b : b + size], texture[c : c + size, d : d + size]


def _draw_table(hu: np.ndarray, axis: np.ndarray) -> None:
    """The scanner's table: two thin curved boards below the back."""
    y = axis[:, np.newaxis] - (128 - axis * axis / 900)
    pixel_mm = float(axis[1] - axis[0])
    for depth in (0.0, 22.0):
        board = cover(1.3 - np.abs(y - depth), pixel_mm)
        fill(hu, np.where(np.abs(axis) < 178, board, 0), -150.0)
