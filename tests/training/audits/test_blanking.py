from dataclasses import replace

import numpy as np
import pytest

from app.ct.exam import Slice
from app.ct.preprocessing import LUNG_LEVEL, TISSUE_LEVEL, LungBox, Prepared
from tests.training.audits.scorers import a_chest
from training.audits.alterations import Alteration
from training.audits.blanking import (
    BOX_BLANKED,
    LUNGS_BLANKED,
    OUTSIDE_BLANKED,
    blankings,
    box_region,
    levels,
    lung_region,
)

BY_NAME: dict[str, Alteration] = {alteration.name: alteration for alteration in blankings("lung-box")}


@pytest.fixture(scope="module")
def chest() -> Prepared:
    return LungBox(size=160)(Slice(a_chest(ill=1)))


def blanked(name: str, prepared: Prepared) -> np.ndarray:
    looked = BY_NAME[name].look(prepared)
    assert looked is not None
    return looked.image


def test_nothing_of_the_lungs_is_left(chest: Prepared) -> None:
    for name in (LUNGS_BLANKED, BOX_BLANKED):
        assert (blanked(name, chest)[chest.lung] == LUNG_LEVEL).all()


def test_what_lies_outside_the_lungs_stays_as_it_is(chest: Prepared) -> None:
    image = blanked(LUNGS_BLANKED, chest)

    outside = ~lung_region(chest)
    assert outside.mean() > 0.05
    assert (image[outside] == chest.image[outside]).all()


def test_lungs_and_all_else_make_up_the_picture(chest: Prepared) -> None:
    without, alone = blanked(LUNGS_BLANKED, chest), blanked(OUTSIDE_BLANKED, chest)

    region = lung_region(chest)
    assert (alone[region] == chest.image[region]).all()
    assert (alone[~region] == TISSUE_LEVEL).all()
    assert (np.where(region, alone, without) == chest.image).all()


def test_a_lesion_at_the_pleura_that_the_finder_left_out_is_blanked_too(chest: Prepared) -> None:
    rows, columns = np.nonzero(chest.lung)
    row = int(np.median(rows))
    edge = int(columns[rows == row].min())
    bitten = chest.lung.copy()
    bitten[row - 8 : row + 8, edge : edge + 12] = False

    found = lung_region(replace(chest, lung=bitten))

    assert found[row - 8 : row + 8, edge + 3 : edge + 12].all()


def test_consolidation_behind_is_blanked_down_to_the_picture_s_margin(chest: Prepared) -> None:
    column = int(np.flatnonzero(chest.lung.any(axis=0))[10])
    lowest = int(np.flatnonzero(chest.lung[:, column]).max())

    assert lung_region(chest)[lowest : lowest + 12, column].all()
    assert box_region(chest)[-1].any()


def test_the_blanked_box_says_nothing_of_the_lungs_shape(chest: Prepared) -> None:
    region = box_region(chest)

    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    assert region[rows[0] :, columns[0] : columns[-1] + 1].all()
    assert not region.all()


def test_what_is_filled_in_does_not_depend_on_the_slice() -> None:
    assert levels("lung-box") == (LUNG_LEVEL, TISSUE_LEVEL)
    lung, tissue = levels("paper")
    assert 60 < lung < 110 < 200 < tissue


def test_a_slice_without_lungs_cannot_be_blanked(chest: Prepared) -> None:
    lost = replace(chest, lung_share=0.0)

    assert [alteration.look(lost) for alteration in BY_NAME.values()] == [None] * 3


def test_lungs_of_a_single_line_are_blanked_as_they_are(chest: Prepared) -> None:
    line = np.zeros_like(chest.lung)
    line[80, 20:30] = True

    assert lung_region(replace(chest, lung=line))[80, 20:30].all()
