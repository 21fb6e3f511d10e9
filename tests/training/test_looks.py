from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.phantom import phantom
from app.ct.preprocessing import LungBox
from training.catalog import Part, Record
from training.looks import Drawn, is_healthy, labelled_looks, map_looks, mask_in_box, prepare_record


@pytest.fixture(scope="module")
def slice_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looks") / "slice.png"
    Image.fromarray(phantom(slices=9, lesions="none", seed=1, size=256).exam().slices[4].gray).save(path)
    return path


def a_record(file: Path, *, dataset: str = "luna", label: int = 0, mask: Path | None = None, part=Part.TRAIN) -> Record:
    return Record(file, label, dataset, group="g", mask=mask, part=part)


def a_mask(folder: Path, *, row: int, column: int) -> Path:
    """A lesion of 20 x 20 pixels on a slice of 256 x 256."""
    mask = np.zeros((256, 256), np.uint8)
    mask[row : row + 20, column : column + 20] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "mask.png"


def test_lesions_are_drawn_on_healthy_lungs_only(slice_file):
    assert is_healthy(a_record(slice_file, dataset="soares"))
    assert not is_healthy(a_record(slice_file, dataset="soares", label=1))
    assert not is_healthy(a_record(slice_file, dataset="covid-ct"))


def test_a_healthy_slice_gives_two_clean_looks_and_the_synthetic_ones(slice_file):
    found = list(map_looks([(7, a_record(slice_file))], LungBox(), drawn=Drawn(infiltrates=2, other=1), seed=0))

    assert [look.number for look in found] == [0, 1, 2, 3, 4]
    assert [bool(look.mask.max() > 0.5) for look in found] == [False, False, True, True, True]
    assert [look.label for look in found] == [0, 0, 1, 1, 0]
    assert {look.record for look in found} == {7}


def test_a_mask_lands_where_the_lesion_is_shown(slice_file, tmp_path):
    record = a_record(slice_file, label=1, mask=a_mask(tmp_path, row=120, column=70))
    prepared, gray = prepare_record(record, LungBox())

    mask = mask_in_box(record, prepared, gray.shape)

    top, left, bottom, right = prepared.box
    row, column = (np.average(np.arange(299), weights=mask.sum(axis=k)) for k in (1, 0))
    assert row == pytest.approx((130 - top) / (bottom - top) * 299, abs=2)
    assert column == pytest.approx((80 - left) / (right - left) * 299, abs=2)


def test_a_slice_whose_lesions_nobody_drew_does_not_teach_the_map(slice_file):
    record = a_record(slice_file, dataset="covid-ct", label=1)

    assert not list(map_looks([(0, record)], LungBox(), drawn=Drawn(infiltrates=2, other=1), seed=0))


def test_validation_slices_are_shown_as_served_only(slice_file):
    records = [(0, a_record(slice_file)), (1, a_record(slice_file, part=Part.VALIDATION))]

    found = [(k.record, k.number) for k in labelled_looks(records, LungBox(), altered=2, altered_of={}, seed=0)]

    assert found == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_a_records_looks_do_not_depend_on_the_others(slice_file):
    records = [(0, a_record(slice_file)), (1, a_record(slice_file))]

    def last(chosen):
        return list(labelled_looks(chosen, LungBox(), altered=1, altered_of={}, seed=0))[-1].image

    assert (last(records) == last(records[1:])).all()
