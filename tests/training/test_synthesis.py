import numpy as np
import pytest
from scipy import ndimage

from app.ct.phantom import phantom
from app.ct.preprocessing import LungBox, Prepared
from training.imaging.augmentation import Augmentation
from training.imaging.looks import coverage_on_grid
from training.imaging.other_disease import OtherDisease, effusion, lobar_consolidation, nodules, tree_in_bud
from training.imaging.synthesis import Synthesis


@pytest.fixture(scope="module")
def healthy() -> Prepared:
    return LungBox()(phantom(slices=9, lesions="none", seed=1, size=256).exam().slices[4])


def drawn(healthy: Prepared, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return Synthesis()(healthy.image, healthy.lung, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(8))
def test_lesions_never_darken_what_is_there(healthy, seed):
    image, _ = drawn(healthy, seed)

    assert (image >= healthy.image).all()


@pytest.mark.parametrize("seed", range(8))
def test_where_the_mask_is_empty_nothing_was_drawn(healthy, seed):
    image, mask = drawn(healthy, seed)

    untouched = mask < 0.01
    assert np.abs(image[untouched].astype(int) - healthy.image[untouched]).max() <= 12


def test_lesions_stay_in_the_lungs(healthy):
    masks = [drawn(healthy, seed)[1] for seed in range(8)]

    assert all(mask[~healthy.lung].mean() < 0.02 for mask in masks)
    assert max(mask.max() for mask in masks) > 0.5


def test_the_same_seed_draws_the_same_lesions(healthy):
    assert all((a == b).all() for a, b in zip(drawn(healthy, 3), drawn(healthy, 3), strict=True))


def test_dense_lesions_may_keep_their_bronchi_open(healthy):
    synthesis = Synthesis(most=1, paving_share=0, bronchogram_share=1)
    found = [synthesis(healthy.image, healthy.lung, np.random.default_rng(seed)) for seed in range(12)]

    assert all((image >= healthy.image).all() for image, _ in found)
    assert any((image[mask > 0.5] < 100).any() and image[mask > 0.5].mean() > 120 for image, mask in found)


@pytest.mark.parametrize("kind", [nodules, tree_in_bud, effusion, lobar_consolidation])
@pytest.mark.parametrize("seed", range(3))
def test_other_disease_only_brightens_and_covers_what_it_changed(healthy, kind, seed):
    drawn, coverage = kind(healthy.image.astype(np.float32), healthy.lung, np.random.default_rng(seed))

    assert (drawn >= healthy.image).all()
    assert coverage.max() > 0.5
    assert np.abs(drawn - healthy.image)[coverage < 0.01].max() <= 4


def test_fluid_gathers_behind(healthy):
    _, coverage = effusion(healthy.image.astype(np.float32), healthy.lung, np.random.default_rng(0))

    rows = np.flatnonzero(healthy.lung.any(axis=1))
    assert np.average(np.arange(len(coverage)), weights=coverage.sum(axis=1)) > rows.mean()


@pytest.mark.parametrize("seed", range(4))
def test_no_dark_rim_is_left_between_a_consolidation_and_the_wall(healthy, seed):
    drawn, coverage = lobar_consolidation(healthy.image.astype(np.float32), healthy.lung, np.random.default_rng(seed))

    rim = healthy.lung & ~ndimage.binary_erosion(healthy.lung, iterations=2) & (coverage > 0.9)
    assert np.median(drawn[rim]) > 110


def test_lungs_too_small_for_fluid_are_left_alone():
    none = np.zeros((64, 64), bool)
    drawn, coverage = lobar_consolidation(np.full((64, 64), 40, np.float32), none, np.random.default_rng(0))

    assert not coverage.any()
    assert (drawn == 40).all()


def test_the_same_seed_draws_the_same_other_disease(healthy):
    once, again = (OtherDisease()(healthy.image, healthy.lung, np.random.default_rng(5)) for _ in range(2))

    assert (once[0] == again[0]).all()
    assert (once[1] == again[1]).all()


def test_letters_and_arrows_mark_few_pixels(healthy):
    plain, _ = Augmentation(hide_outside=0, annotate=0)(healthy.image, healthy.lung, None, np.random.default_rng(4))
    marked, _ = Augmentation(hide_outside=0, annotate=1)(healthy.image, healthy.lung, None, np.random.default_rng(4))

    assert not np.array_equal(plain, marked)


def test_an_altered_look_moves_picture_and_mask_together(healthy):
    _, mask = drawn(healthy, 1)
    marked = np.where(mask > 0.5, 255, 40).astype(np.uint8)

    look, posed = Augmentation(hide_outside=0, annotate=0)(marked, healthy.lung, mask, np.random.default_rng(0))

    assert posed is not None
    assert look[posed > 0.8].mean() > look[posed < 0.1].mean() + 80


def test_hiding_the_outside_leaves_the_lungs(healthy):
    look, _ = Augmentation(hide_outside=1, annotate=0)(healthy.image, healthy.lung, None, np.random.default_rng(2))

    assert look.shape == healthy.image.shape
    assert np.ptp(look) > 60


def test_coverage_is_the_share_of_each_place():
    mask = np.zeros((8, 8), np.float32)
    mask[:4, :2] = 1

    assert coverage_on_grid(mask, (2, 2)).tolist() == [[0.5, 0.0], [0.0, 0.0]]
