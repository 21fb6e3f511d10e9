"""The lesion masks that people drew, as files beside the slices they belong to."""

from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.errors import InvalidDicomError

from app.ct.reading.elements import numbers_of
from app.ct.reading.geometry import upright
from training.records.catalog import CatalogError


def read_mask(path: Path, shape: tuple[int, ...], *, of: Path | None = None) -> np.ndarray:
    """Where a mask shows lesions: bool of ``shape``, which is the height and width of its slice.

    All that is neither black nor transparent is lesion; of a palette without black all but its most frequent color; in a JPEG,
    whose compression leaves gray around an edge, all from half gray on, or from 1 on where there is no more.

    Args:
        path: PNG or JPEG.
        shape: height and width of the slice as it is read.
        of: the slice's file. A mask has the rows and columns that are stored there; of DICOM it is turned as the slice is.

    Raises:
        CatalogError: the mask has another size, or cannot be read.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            lesion = _lesion(picture)
    except (OSError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise CatalogError("A mask cannot be read as PNG or JPEG.") from error
    if of is not None and (orientation := _orientation(of)):
        lesion = upright(lesion, orientation)
    if lesion.shape != shape:
        raise CatalogError("A mask has another size than its image.")
    return np.ascontiguousarray(lesion)


def _orientation(file: Path) -> tuple[float, ...] | None:
    """Of a DICOM file that tells it; None of any other."""
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["ImageOrientationPatient"])
    except (InvalidDicomError, OSError):
        return None
    return numbers_of(header, "ImageOrientationPatient", 6)


def _lesion(picture: Image.Image) -> np.ndarray:
    if "A" in picture.getbands():
        return np.asarray((np.asarray(picture.convert("LA")) > 0).all(axis=2))
    gray = np.asarray(picture.convert("I" if picture.mode.startswith("I") else "L"))
    if picture.mode == "P" and gray.min() > 0:
        colors = np.asarray(picture)
        return np.asarray(colors != np.bincount(colors.ravel()).argmax())
    return np.asarray(gray > (127 if picture.format == "JPEG" and gray.max() > 1 else 0))
