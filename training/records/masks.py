"""The lesion masks that people drew, as files beside the slices they belong to."""

from pathlib import Path

import numpy as np
from PIL import Image

from training.records.catalog import CatalogError


def read_mask(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Where a mask shows lesions: bool of ``shape``, which is the height and width of its slice.

    All that is not 0 is lesion; in a JPEG, whose compression leaves gray around an edge, all from half gray on.

    Raises:
        CatalogError: the mask has another size, or cannot be read.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            lesion = np.asarray(picture.convert("L")) > (127 if picture.format == "JPEG" else 0)
    except OSError as error:
        raise CatalogError("A mask cannot be read as PNG or JPEG.") from error
    if lesion.shape != shape:
        raise CatalogError("A mask has another size than its image.")
    return np.asarray(lesion)
