"""Where a slice lies in the patient, and which way round it must be shown."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

# A gantry tilts by up to 30 degrees; what leans further than 37 is no axial slice but an oblique reformat.
MIN_AXIAL_COSINE = 0.8


def normal_of(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of a slice, pointing to the head.

    Args:
        orientation: direction cosines of the rows, then of the columns, in patient coordinates (x to the left, y to the
            back, z to the head; ImageOrientationPatient, DICOM PS3.3 C.7.6.2.1.1).

    Returns:
        float64 (3,); zeros where the two directions are parallel or zero.
    """
    return _normal(tuple(orientation))


@lru_cache(maxsize=4096)
def _normal(orientation: tuple[float, ...]) -> np.ndarray:
    """Kept, and read-only: the slices of a series lie alike, and are asked for it time and again."""
    normal = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    if not length > 1e-6:
        normal, length = np.zeros(3), 1.0
    unit = np.asarray(normal / (length if normal[2] >= 0 else -length))
    unit.flags.writeable = False
    return unit


def is_axial(orientation: Sequence[float]) -> bool:
    """Whether the slice lies across the body, a tilted gantry allowed for."""
    return bool(normal_of(orientation)[2] > MIN_AXIAL_COSINE)


def along(normal: np.ndarray, position: Sequence[float]) -> float:
    """Position along ``normal`` in mm, to a thousandth: decimal strings of one plane differ in their last digits."""
    return round(float(np.dot(normal, position)), 3) + 0.0


def is_transposed(orientation: Sequence[float]) -> bool:
    """Whether the picture's rows run along the patient's back-front axis."""
    return abs(orientation[1]) > abs(orientation[0])


def upright(picture: np.ndarray, orientation: Sequence[float]) -> np.ndarray:
    """Bring an axial picture to the radiological orientation: patient's right on the left, front on top.

    Args:
        picture: any dtype, (height, width).
        orientation: as for ``normal_of``.

    Returns:
        The same values, mirrored or turned by quarter turns only; contiguous. ``picture`` is left untouched.
    """
    across, down = orientation[:3], orientation[3:]
    if is_transposed(orientation):
        picture, across, down = picture.T, down, across
    if across[0] < 0:
        picture = picture[:, ::-1]
    if down[1] < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
