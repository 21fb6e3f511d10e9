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


def disc(row: int, column: int, rows: int, columns: int) -> np.ndarray:
    """bool (240, 240)."""
    y, x = np.mgrid[0:240, 0:240]
    return np.asarray(((y - row) / rows) ** 2 + ((x - column) / columns) ** 2 <= 1)


LUNGS = disc(120, 70, 60, 35) | disc(120, 170, 60, 35)


def drawn(body: np.ndarray, *, air: int) -> np.ndarray:
    """Lungs in a body, uint8 (240, 240)."""
    return np.where(LUNGS, 45, np.where(body, 190, air)).astype(np.uint8)


def with_nothing(gray: np.ndarray) -> np.ndarray:
    return gray


def with_a_letter_in_each_corner(gray: np.ndarray) -> np.ndarray:
    gray[0, 0] = gray[0, -1] = gray[-1, 0] = gray[-1, -1] = 255
    return gray


def in_a_white_frame(gray: np.ndarray) -> np.ndarray:
    return np.pad(gray, 5, constant_values=255)


def in_a_black_frame(gray: np.ndarray) -> np.ndarray:
    return np.pad(gray, 5)


@pytest.mark.parametrize(
    "shown", [with_nothing, with_a_letter_in_each_corner, in_a_white_frame, in_a_black_frame], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("air", [0, 60])
def test_the_air_in_the_corners_of_a_tight_picture_is_not_lung(shown, air):
    # The body touches all four sides: the air around it is four patches, each on its own.
    lungs = find_lungs(shown(drawn(disc(120, 120, 121, 121), air=air)))

    assert lungs is not None
    assert lungs.mask.sum() == pytest.approx(LUNGS.sum(), rel=0.05)


def test_black_air_between_two_heights_of_the_body_is_not_lung():
    # Black above the body is no strip that somebody added; the valley would be cut off from it.
    body = disc(140, 120, 80, 115) | disc(110, 60, 80, 40) | disc(110, 180, 80, 40)

    lungs = find_lungs(drawn(body, air=0))

    assert lungs is not None
    assert lungs.mask.sum() == pytest.approx(LUNGS.sum(), rel=0.05)


@pytest.mark.parametrize("added", [((8, 0), (0, 0)), ((0, 6), (8, 0)), ((6, 6), (6, 6))])
def test_a_lung_cut_by_the_edge_is_found_beside_what_was_added_there(middle, added):
    inside = find_lungs(middle)
    assert inside is not None
    top, left, bottom, right = inside.box
    cut = middle[top + 4 : bottom - 4, left + 4 : right - 4]

    before, lungs = find_lungs(cut), find_lungs(np.pad(cut, added))

    assert before is not None
    assert lungs is not None
    assert lungs.mask.sum() == pytest.approx(before.mask.sum(), rel=0.06)


def test_a_black_picture_in_a_white_frame_has_no_lungs():
    assert find_lungs(np.pad(np.zeros((90, 100), np.uint8), 6, constant_values=255)) is None


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
