"""Binary morphology of small masks: what ``scipy.ndimage`` has for it, done where the mask is and without its general footprints.

Half of the time that a slice's preparation takes would go into it otherwise.
"""

from functools import reduce
from operator import and_, or_

import numpy as np
from scipy import ndimage


def opened(mask: np.ndarray, *, times: int = 1) -> np.ndarray:
    """A mask without what is thinner than a cross of three by three pixels: eroded so many times, then grown as often.

    What ``scipy.ndimage.binary_opening`` does, an order of magnitude faster.

    Args:
        mask: bool (rows, columns); beyond its edges nothing is set.
        times: erosions.
    """
    mask = eroded(mask, times=times)
    for _ in range(times):
        mask = reduce(or_, _crosses(mask))
    return mask


def eroded(mask: np.ndarray, *, times: int = 1) -> np.ndarray:
    """A mask without its pixels that touch what is not set, or an edge, on one of their four sides; so many times."""
    for _ in range(times):
        mask = reduce(and_, _crosses(mask))
    return mask


def close_and_fill(mask: np.ndarray, radius: int) -> np.ndarray:
    """A mask closed by a disc, its holes filled.

    By distances: as with a disc, but linear in the number of pixels; and only where the mask is, for nothing changes further
    off than the radius.

    Args:
        mask: bool (rows, columns), not empty; beyond its edges nothing is set.
        radius: of the disc, pixels.
    """
    (around,) = ndimage.find_objects(mask.astype(np.uint8))
    padded = np.pad(mask[around], radius + 1)
    grown = ndimage.distance_transform_edt(~padded) <= radius
    closed = (ndimage.distance_transform_edt(grown) > radius) | padded
    # What is not set and hangs together with the outside, which surrounds all, is no hole.
    labels, _ = ndimage.label(~closed)
    filled = np.zeros_like(mask)
    filled[around] = (labels != labels[0, 0])[radius + 1 : -radius - 1, radius + 1 : -radius - 1]
    return filled


def _crosses(mask: np.ndarray) -> list[np.ndarray]:
    """For each pixel what is set there and on its four sides, five of (rows, columns)."""
    wide = np.pad(mask, 1)
    return [wide[1:-1, 1:-1], wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
