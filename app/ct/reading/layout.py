"""How a volume's values lie in their file and in the patient."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.ct.errors import UnsupportedType
from app.ct.reading.files import Damaged, NamedFile
from app.ct.reading.inflating import Values
from app.ct.words import sentence

DIMENSIONS = 3
_SPACING_MM = (0.01, 100.0)


@dataclass(frozen=True, eq=False)
class Layout:
    """A volume once its header is read.

    Attributes:
        shape: voxels along the first, second and third index; the first one runs fastest in the file.
        dtype: of the stored values, integer or float, with their byte order.
        slope, intercept: HU = slope * stored + intercept.
        steps: float64 (3, 3), what the voxel moves by for each index: column n is mm for index n, in patient coordinates
            (x to the left, y to the back, z to the head).
        origin: float64 (3,), mm, where the first voxel lies.
        has_directions: whether the file says how its axes lie in the patient; else they were taken as is usual.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    slope: float
    intercept: float
    steps: np.ndarray
    origin: np.ndarray
    has_directions: bool = True

    def __post_init__(self) -> None:
        """Check that the voxels have a size and a place.

        Raises:
            Damaged: they have none.
        """
        numbers = np.concatenate([self.steps.ravel(), self.origin, [self.slope, self.intercept]])
        if min(self.shape) < 1 or not np.all(np.isfinite(numbers)) or np.abs(numbers).max() > 1e6:
            raise Damaged(sentence("damaged, its voxels have no size or place"))
        if min(self.spacing_mm) < _SPACING_MM[0] or max(self.spacing_mm) > _SPACING_MM[1]:
            raise Damaged(sentence("damaged, its voxels have no size or place"))
        directions = np.column_stack([self.direction(n) for n in range(3)])
        if abs(np.linalg.det(directions)) < 0.1:
            raise Damaged(sentence("damaged, its axes do not span a space"))

    @property
    def size_bytes(self) -> int:
        """Of all values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxels along each index."""
        first, second, third = (float(np.linalg.norm(self.steps[:, n])) for n in range(3))
        return first, second, third

    def direction(self, index: int) -> tuple[float, float, float]:
        """Unit vector along an index."""
        x, y, z = self.steps[:, index] / self.spacing_mm[index]
        return float(x), float(y), float(z)

    @property
    def slice_axis(self) -> int:
        """The index that runs closest to head-feet."""
        return int(np.argmax([abs(self.direction(n)[2]) for n in range(3)]))


class Opened(NamedTuple):
    """A volume's values, ready to be read, and the file they are in."""

    layout: Layout
    values: Values
    file: NamedFile


def dtype_of(dtype: np.dtype) -> np.dtype:
    """``dtype`` as it is.

    Raises:
        UnsupportedType: colors, complex numbers and whatever else no CT holds.
    """
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or dtype.names:
        raise UnsupportedType(sentence("The volume's values are colors, or of another type than a CT's."))
    return dtype


def shape_of(sizes: Sequence[int]) -> tuple[int, int, int]:
    """The three sizes of a volume; further ones must be 1.

    Raises:
        Damaged: none, or not positive.
        UnsupportedType: more than three dimensions.
    """
    if not sizes or min(sizes) < 1:
        raise Damaged(sentence("damaged, it says of no size"))
    if any(size > 1 for size in sizes[3:]):
        raise UnsupportedType(
            sentence("The volume has more than three dimensions: several times, or several values a voxel.")
        )
    first, second, third = (*sizes, 1, 1)[:3]
    return first, second, third
