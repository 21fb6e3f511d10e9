import numpy as np
import pytest

from app.ct.lungs import find_lungs, otsu
from app.ct.phantom import phantom


@pytest.fixture(scope="module")
def middle() -> np.ndarray:
    slices = phantom(slices=9, lesions="none", seed=1, size=256).exam().slices
    return slices[4].gray


def test_otsu_lies_between_two_gray_levels():
    gray = np.array([50] * 30 + [200] * 20, dtype=np.uint8)

    assert 50 <= otsu(gray) < 200


def test_both_lungs_of_a_chest_are_found(middle):
    lungs = find_lungs(middle)

    assert lungs is not None
    rows, columns = lungs.mask.shape
    assert 0.08 < lungs.area_share < 0.5
    assert lungs.mask[rows // 2, columns // 3]
    assert lungs.mask[rows // 2, 2 * columns // 3]


def test_the_air_around_the_body_is_not_lung(middle):
    lungs = find_lungs(middle)

    assert lungs is not None
    top, left, bottom, right = lungs.box
    assert top > 10
    assert left > 10
    assert bottom < middle.shape[0] - 10
    assert right < middle.shape[1] - 10


def test_lung_is_darker_than_tissue(middle):
    lungs = find_lungs(middle)

    assert lungs is not None
    assert lungs.lung_gray + 50 < lungs.tissue_gray


def test_a_picture_of_one_gray_level_has_no_lungs():
    assert find_lungs(np.full((100, 120), 130, np.uint8)) is None


def test_lungs_that_came_masked_are_recognized(middle):
    whole = find_lungs(middle)
    assert whole is not None
    assert whole.mask.shape == middle.shape

    lungs = find_lungs(np.where(whole.mask, middle, 0).astype(np.uint8))

    assert lungs is not None
    assert lungs.masked
    assert abs(lungs.area_share - whole.area_share) < 0.02


def test_the_gap_above_a_table_is_not_lung(middle):
    with_table = middle.copy()
    with_table[-30:-8] = 0
    with_table[-8:] = 220

    lungs = find_lungs(with_table)

    assert lungs is not None
    assert lungs.box[2] < middle.shape[0] - 30
