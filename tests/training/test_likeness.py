import numpy as np
import pytest

from training.likeness import fit_features


def some(count: int, *, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Features of ten channels, most of whose variance lies in two directions."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(0, 3, (count, 2)) @ np.random.default_rng(9).normal(0, 1, (2, 10))
    return (mixed + rng.normal(0, 0.3, (count, 10)) + shift).astype(np.float32)


def test_training_slices_are_at_distance_one_on_average():
    features = some(2000)

    distance = fit_features(features, ["a"] * 2000, directions=2).distance(features)

    assert np.sqrt(np.mean(distance**2)) == pytest.approx(1.0, abs=0.01)


def test_new_slices_of_the_same_kind_are_near_and_others_far():
    fitted = fit_features(some(500), ["a"] * 500, directions=2)

    assert np.quantile(fitted.distance(some(500, seed=1)), 0.99) < 2
    assert np.median(fitted.distance(np.random.default_rng(2).normal(0, 3, (500, 10)))) > 3


def test_a_small_data_set_counts_more_than_its_share_of_slices():
    features = np.concatenate([some(900), some(9, seed=1, shift=4.0)])
    apart = fit_features(features, ["a"] * 900 + ["b"] * 9, directions=2)
    together = fit_features(features, ["a"] * 909, directions=2)

    assert apart.distance(features[900:]).mean() < together.distance(features[900:]).mean()
