"""From stored values to Hounsfield units."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from scipy import ndimage

from app.ct.arrays import save_array
from app.ct.reading.files import Damaged
from app.ct.words import sentence
from app.ct.workers.plain import carried

AIR_HU = -1024.0
MAX_HU = 3071.0
_NOT_AIR_HU = -900.0
_CORNERS = (0.02, 0.6)
"""Of the picture: a circle that touches its edges leaves 0.21."""


@carried
class Rescale(NamedTuple):
    """HU = slope * stored + intercept (DICOM PS3.3 C.11.1.1.2); ``signed`` where unsigned 16-bit values are not that."""

    slope: float
    intercept: float
    signed: bool = False

    def hu(self, stored: np.ndarray) -> np.ndarray:
        """Hounsfield units of stored values, float32 of the same shape; ``stored`` is left untouched."""
        values = stored.astype(np.uint16).astype(np.int16) if self.signed else stored
        hu = values.astype(np.float32)
        hu *= np.float32(self.slope)
        hu += np.float32(self.intercept)
        return hu

    def mirrored(self, whole: float) -> "Rescale":
        """The rescale of values that were each subtracted from ``whole``."""
        return Rescale(-self.slope, self.slope * whole + self.intercept)


def told_rescale(dataset: Dataset) -> Rescale | None:
    """What a slice says of its rescale, None where it says nothing; not a number where it says no numbers."""
    try:
        slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
        if slope in (None, "") or intercept in (None, ""):
            return None
        return Rescale(float(slope), float(intercept))
    except (TypeError, ValueError, ArithmeticError):
        return Rescale(math.nan, math.nan)


def believed(told: Rescale | None) -> Rescale | None:
    """The rescale of a slice as it is, None where it has none.

    Raises:
        Damaged: it is there and is no number.
    """
    if told is not None and (not np.all(np.isfinite(told)) or told.slope == 0):
        raise Damaged(sentence("its rescale slope or intercept is no number"))
    return told


def hounsfield_of(stored: np.ndarray, dataset: Dataset, rescale: Rescale) -> np.ndarray:
    """The slice in Hounsfield units, its padding air.

    Args:
        stored: integer or float (height, width); left untouched.
        dataset: for padding.
        rescale: of the slice.

    Returns:
        float32 (height, width), at least ``AIR_HU``.
    """
    hu = rescale.hu(stored)
    for padding in (_told_padding(stored, dataset, rescale), untold_padding(stored, hu)):
        if padding is not None:
            hu[padding] = AIR_HU
    return np.asarray(np.maximum(hu, np.float32(AIR_HU)))


def keep_values(units: np.ndarray, path: Path) -> None:
    """Write the Hounsfield units of a slice.

    Args:
        units: int16 (height, width); see ``whole_units``.
        path: of the .npy file.

    Raises:
        OSError: it cannot be written.
        ValueError: these are no such units; a worker that was taken over may send anything.
    """
    if units.dtype != np.int16 or units.ndim != 2:
        raise ValueError(f"units must be int16 (height, width), got {units.dtype} {units.shape}")
    save_array(path, units)


def whole_units(hu: np.ndarray) -> np.ndarray:
    """Hounsfield units, rounded: int16 of the same shape; what does not fit is the nearest that does."""
    limits = np.iinfo(np.int16)
    return np.asarray(np.rint(np.clip(hu, limits.min, limits.max)), dtype=np.int16)


def _told_padding(stored: np.ndarray, dataset: Dataset, rescale: Rescale) -> np.ndarray | None:
    """Where the slice is padding (PixelPaddingValue, -RangeLimit, PS3.3 C.7.5.1.1.2), None where it names none.

    Padding values inside the range of tissue count only where they touch the border: 0 may be water too.
    """
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if not isinstance(value, int) or stored.dtype.kind not in "iu":
        return None
    ends = np.array([value, limit if isinstance(limit, int) else value]).astype(stored.dtype)
    padding = np.asarray((stored >= ends.min()) & (stored <= ends.max()))
    if (tissue := rescale.hu(ends)).max() > AIR_HU and tissue.min() <= MAX_HU:
        regions, _ = ndimage.label(padding)
        border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
        padding &= np.isin(regions, border[border > 0])
    return padding


def untold_padding(stored: np.ndarray, hu: np.ndarray) -> np.ndarray | None:
    """Where the corners around the scanner's circle were filled with one value that is not air, None where they were not.

    Noise leaves no tissue of a single value.

    Args:
        stored: (height, width) as stored, or ``hu`` itself.
        hu: the same in Hounsfield units.
    """
    corner = stored[0, 0]
    if hu[0, 0] < _NOT_AIR_HU or (stored[[0, -1, -1], [-1, 0, -1]] != corner).any():
        return None
    regions, _ = ndimage.label(stored == corner)
    padding = np.isin(regions, regions[[0, 0, -1, -1], [0, -1, 0, -1]])
    return np.asarray(padding) if _CORNERS[0] <= padding.mean() <= _CORNERS[1] else None
