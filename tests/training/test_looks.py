from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.phantom import phantom
from app.ct.preprocessing import LungBox
from training.imaging.looks import LookSettings, is_healthy, looks_of, mask_in_box, prepare_record
from training.records.catalog import CatalogError, Part, Record


@pytest.fixture(scope="module")
def slice_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looks") / "slice.png"
    Image.fromarray(phantom(slices=9, lesions="none", seed=1, size=256).exam().slices[4].gray).save(path)
    return path


def a_record(file: Path, *, dataset: str = "luna", label: int = 0, mask: Path | None = None, part=Part.TRAIN) -> Record:
    return Record(file, label, dataset, group="g", mask=mask, part=part)


def a_mask(folder: Path, *, row: int = 120, column: int = 70, size: int = 256, level: int = 255) -> Path:
    """A lesion of 20 x 20 pixels on a slice of 256 x 256."""
    mask = np.zeros((size, size), np.uint8)
    mask[row : row + 20, column : column + 20] = level
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "mask.png"


def looks(record: Record, **settings):
    return list(looks_of(record, LungBox(), LookSettings(**settings), np.random.default_rng(0)))


def test_lesions_are_drawn_on_healthy_lungs_only(slice_file):
    assert is_healthy(a_record(slice_file, dataset="soares"))
    assert not is_healthy(a_record(slice_file, dataset="soares", label=1))
    assert not is_healthy(a_record(slice_file, dataset="covid-ct"))


def test_a_healthy_slice_gives_clean_looks_and_drawn_ones(slice_file):
    found = looks(a_record(slice_file), altered=1, infiltrates=2, other=1)

    assert [look.number for look in found] == [0, 1, 2, 3, 4]
    assert [bool(look.mask.max() > 0.5) for look in found] == [False, False, True, True, True]
    assert [look.label for look in found] == [0, 0, 1, 1, 0]
    assert [look.drawn for look in found] == [False, False, True, True, True]


def test_a_mask_lands_where_the_lesion_is_shown(slice_file, tmp_path):
    record = a_record(slice_file, label=1, mask=a_mask(tmp_path, row=120, column=70))
    prepared, gray = prepare_record(record, LungBox())

    mask = mask_in_box(record, prepared, gray.shape)

    top, left, bottom, right = prepared.box
    row, column = (np.average(np.arange(299), weights=mask.sum(axis=k)) for k in (1, 0))
    assert row == pytest.approx((130 - top) / (bottom - top) * 299, abs=2)
    assert column == pytest.approx((80 - left) / (right - left) * 299, abs=2)


def test_a_mask_of_zeros_and_ones_shows_the_same_lesion(slice_file, tmp_path):
    known = [looks(a_record(slice_file, mask=a_mask(tmp_path, level=level)))[0].mask for level in (255, 1)]

    assert known[0].max() > 0.5
    assert np.array_equal(*known)


def test_a_mask_of_another_size_than_its_slice_is_refused(slice_file, tmp_path):
    with pytest.raises(CatalogError, match="another size"):
        looks(a_record(slice_file, mask=a_mask(tmp_path, size=200)))


def test_where_nobody_drew_the_lesions_the_map_is_not_known(slice_file):
    assert all(look.mask is None for look in looks(a_record(slice_file, dataset="covid-ct", label=1)))


def test_a_data_set_may_have_a_number_of_looks_of_its_own(slice_file):
    settings = {"altered": 1, "altered_of": {"covid-ct": 4}}

    assert len(looks(a_record(slice_file, dataset="covid-ct"), **settings)) == 5
    assert len(looks(a_record(slice_file, dataset="tcga-luad"), **settings)) == 2


def test_masks_drawn_by_people_are_moved_with_the_looks(slice_file, tmp_path):
    record = a_record(slice_file, dataset="vol20", label=1, mask=a_mask(tmp_path, row=120, column=70))

    found = looks(record, altered=2)

    assert all(look.mask is not None and 0 < look.mask.mean() < 0.1 for look in found)
