"""Some of many things, evenly spread."""

import numpy as np


def end_to_end(count: int, most: int) -> np.ndarray:
    """Places of ``most`` of ``count`` things, or of all where there are no more, the first and the last among them.

    Args:
        count: at least one.
        most: at least one; of one thing the first.

    Returns:
        int (chosen,), rising, all different.
    """
    return np.asarray(np.linspace(0, count - 1, min(count, most)).round().astype(int))
