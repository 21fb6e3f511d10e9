"""From stored values to Hounsfield units and to the lung window's gray."""

from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from scipy import ndimage

from app.ct.reading.files import Damaged
from app.ct.windowing import LUNG

AIR_HU = -1024.0
MAX_HU = 3071.0


class Rescale(NamedTuple):
    """HU = slope * stored + intercept (DICOM PS3.3 C.11.1.1.2)."""

    slope: float
    intercept: float


def rescale_of(dataset: Dataset) -> Rescale | None:
    """The rescale of a slice, None where it has none.

    Raises:
        Damaged: it is there and is no number.
    """
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope in (None, "") or intercept in (None, ""):
        return None
    try:
        rescale = Rescale(float(slope), float(intercept))
    except (TypeError, ValueError) as error:
        raise Damaged("its rescale slope or intercept is no number") from error
    if not np.all(np.isfinite(rescale)) or rescale.slope == 0:
        raise Damaged("its rescale slope or intercept is no number")
    return rescale


def gray_of(stored: np.ndarray, dataset: Dataset, rescale: Rescale) -> np.ndarray:
    """The slice in the lung window.

    Args:
        stored: integer or float (height, width), as stored; left untouched.
        dataset: for padding and photometric interpretation.
        rescale: of the slice.

    Returns:
        uint8 (height, width).
    """
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        stored = _uninverted(stored)
    hu = stored.astype(np.float32)
    hu *= np.float32(rescale.slope)
    hu += np.float32(rescale.intercept)
    padding = _padding(stored, dataset, rescale)
    if padding is not None:
        hu[padding] = AIR_HU
    return LUNG.gray(np.maximum(hu, np.float32(AIR_HU)))


def _uninverted(stored: np.ndarray) -> np.ndarray:
    """Values of a MONOCHROME1 slice, mirrored back where the exporter inverted them.

    By the standard the interpretation concerns the display alone and HU stay what they are; some exporters invert the
    values as well. A CT's corners are air, so corners brighter than the rest tell the two apart.
    """
    corners = np.median([stored[0, 0], stored[0, -1], stored[-1, 0], stored[-1, -1]])
    low, high = stored.min(), stored.max()
    if corners < low / 2 + high / 2:
        return stored
    return np.asarray(low + (high - stored))


def _padding(stored: np.ndarray, dataset: Dataset, rescale: Rescale) -> np.ndarray | None:
    """Where the slice is padding (PixelPaddingValue, PS3.3 C.7.5.1.1.2), None where it names none.

    A padding value inside the range of tissue counts only where it touches the border: 0 may be water too.
    """
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int) or stored.dtype.kind not in "iu":
        return None
    value = int(np.array(value).astype(stored.dtype))
    padding = stored == value
    if AIR_HU < rescale.slope * value + rescale.intercept <= MAX_HU:
        regions, _ = ndimage.label(padding)
        border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
        padding &= np.isin(regions, border[border > 0])
    return np.asarray(padding)
