import numpy as np
import pytest

from app.ct.exam import Slice
from app.ct.lungs import find_lungs
from app.ct.phantom import phantom
from app.ct.preprocessing import LUNG_LEVEL, TISSUE_LEVEL, LungBox, Paper, fingerprint, make_preprocessor, spec_of


@pytest.fixture(scope="module")
def middle() -> Slice:
    return phantom(slices=9, lesions="none", seed=1, size=256).exam().slices[4]


def test_the_served_preprocessor_brings_lung_and_tissue_to_their_levels(middle):
    prepared = LungBox()(middle)

    assert prepared.image.shape == (299, 299)
    assert abs(np.percentile(prepared.image[prepared.lung], 40) - LUNG_LEVEL) < 8
    assert abs(np.median(prepared.image[~prepared.lung & (prepared.image > 120)]) - TISSUE_LEVEL) < 15


@pytest.mark.parametrize(("gain", "shift"), [(0.7, 20), (0.5, 60), (0.9, 0)])
def test_the_served_preprocessor_undoes_another_window(middle, gain, shift):
    other = Slice(np.clip(middle.gray * gain + shift, 0, 255).astype(np.uint8))

    difference = np.abs(LungBox()(other).image.astype(int) - LungBox()(middle).image)

    assert np.median(difference) <= 3


@pytest.mark.parametrize("name", ["paper", "lung-box"])
def test_no_lung_is_cropped_away(middle, name):
    prepared = make_preprocessor(name, 299)(middle)
    lungs = find_lungs(middle.gray)

    assert lungs is not None
    top, left, bottom, right = prepared.box
    assert top <= lungs.box[0]
    assert left <= lungs.box[1]
    assert bottom >= lungs.box[2]
    assert right >= lungs.box[3]


def test_the_papers_crop_takes_50_of_512_rows_where_no_lung_is():
    gray = np.full((512, 512), 130, np.uint8)

    assert Paper()(Slice(gray)).box == (50, 0, 462, 512)


def test_a_slice_without_lungs_is_shown_whole():
    prepared = LungBox()(Slice(np.full((60, 80), 130, np.uint8)))

    assert prepared.box == (0, 0, 60, 80)
    assert prepared.lung_share == 0


def test_outside_of_masked_lungs_becomes_soft_tissue(middle):
    lungs = find_lungs(middle.gray)
    assert lungs is not None
    masked = Slice(np.where(lungs.mask, middle.gray, 0).astype(np.uint8))

    prepared = LungBox()(masked)

    assert (prepared.image[~prepared.lung] == TISSUE_LEVEL).all()


def test_the_fingerprint_tells_preprocessors_and_sizes_apart():
    assert len({fingerprint(p) for p in (LungBox(), LungBox(size=300), Paper())}) == 3


def test_the_fingerprint_covers_behavior_not_only_settings():
    class Shifted(LungBox):
        def __call__(self, ct_slice: Slice):
            return super().__call__(Slice(np.roll(ct_slice.gray, 1, axis=1)))

    assert fingerprint(Shifted()) != fingerprint(LungBox())


def test_the_spec_names_what_makes_it():
    spec = spec_of("lung-box", 299)

    assert spec.fingerprint == fingerprint(make_preprocessor(spec.name, spec.size))
