import numpy as np
import pytest

from app.ct.phantom import phantom
from app.ct.preprocessing import LungBox, Prepared
from training.augmentation import Augmentation
from training.looks import coverage_on_grid
from training.synthesis import Synthesis


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

    assert coverage_on_grid(mask, 2).tolist() == [[0.5, 0.0], [0.0, 0.0]]
