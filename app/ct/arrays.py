"""Arrays as files."""

from io import BytesIO
from pathlib import Path

import numpy as np


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as ``.npy``, nothing pickled.

    NumPy writes arrays to files past Python: of a disk that fills up meanwhile its error has no number, and nobody could tell
    it from a fault.

    Raises:
        OSError: it cannot be written; its number says why.
    """
    whole = BytesIO()
    np.save(whole, np.ascontiguousarray(array), allow_pickle=False)
    path.write_bytes(whole.getbuffer())
