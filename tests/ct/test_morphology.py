"""Against scipy's own, which are slower."""

import numpy as np
import pytest
from scipy import ndimage

from app.ct.morphology import close_and_fill, eroded, opened


def _speckled(seed: int) -> np.ndarray:
    """Blobs of every size, holes, and some that meet the edges."""
    noise = np.random.default_rng(seed).normal(size=(90, 120))
    return np.asarray(ndimage.gaussian_filter(noise, 1 + seed % 4) > 0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("times", [1, 2, 3])
def test_opening_and_erosion_are_those_of_scipy(seed, times):
    mask = _speckled(seed)
    assert np.array_equal(opened(mask, times=times), ndimage.binary_opening(mask, iterations=times))
    assert np.array_equal(eroded(mask, times=times), ndimage.binary_erosion(mask, iterations=times))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("radius", [1, 4, 7])
def test_closing_near_a_mask_is_closing_the_whole_picture(seed, radius):
    mask = _speckled(seed)
    mask[:, :30], mask[70:] = False, False
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    wide = ndimage.binary_closing(np.pad(mask, 20), x**2 + y**2 <= radius**2)
    assert np.array_equal(close_and_fill(mask, radius), ndimage.binary_fill_holes(wide)[20:-20, 20:-20])
