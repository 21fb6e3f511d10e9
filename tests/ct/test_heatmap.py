import io

import numpy as np
from PIL import Image

from app import NOTICE
from app.ct.heatmap import enlarged, heatmap_png, image_png, overlay_png

GRAY = np.full((160, 200), 90, np.uint8)
HEAT = np.zeros((4, 4), np.float32)
HEAT[1, 2] = 1.0
BOX = (20, 40, 120, 180)


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png), formats=("PNG",))


def test_a_map_is_put_back_where_it_was_cut_from():
    whole = enlarged(HEAT, BOX, (160, 200))

    row, column = np.unravel_index(whole.argmax(), whole.shape)
    assert 45 <= row < 70
    assert 110 <= column < 145
    assert whole[:20].max() == 0
    assert whole[:, 180:].max() == 0
    assert whole[20:120, 40:180].sum() == whole.sum()


def test_pictures_have_the_slices_size():
    for png in (image_png(GRAY), heatmap_png(HEAT, BOX, (160, 200)), overlay_png(GRAY, HEAT, BOX)):
        assert picture(png).size == (200, 160)


def test_every_picture_carries_the_notice_in_its_pixels_and_its_text():
    for png in (image_png(GRAY), heatmap_png(HEAT, BOX, (160, 200)), overlay_png(GRAY, HEAT, BOX)):
        assert picture(png).text["Comment"] == NOTICE
        lower_edge = np.asarray(picture(png).convert("L"))[-20:, :100]
        assert lower_edge.max() > 200


def test_the_overlay_is_colored_only_where_there_is_heat():
    blended = np.asarray(picture(overlay_png(GRAY, HEAT, BOX))).astype(int)

    assert (blended[:15] == 90).all()
    assert np.ptp(blended[57, 128]) > 40


def test_drawing_leaves_the_slice_untouched():
    gray = GRAY.copy()

    overlay_png(gray, HEAT, BOX)
    image_png(gray)

    assert (gray == GRAY).all()
