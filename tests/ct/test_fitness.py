"""What is not judged at all, and that it is not."""

import numpy as np
import pytest

from app.ct.classifier import Classifier
from app.ct.errors import BrokenModel, NoLung, UnlikeTraining
from app.ct.exam import Slice
from app.ct.fitness import TrainingSlices, check_likeness, check_lung_area, is_like_training, may_be_told
from app.ct.phantom import phantom
from tests.fakes import a_fitness, some_training_features, some_training_slices
from tests.models import the_served_model


def test_what_lies_one_deviation_off_in_every_direction_is_at_distance_one():
    assert some_training_features().distance(np.array([[13, -2, 0.5, 0.5]])) == pytest.approx([1.0])


def test_a_direction_that_hardly_varies_in_training_weighs_more():
    far = some_training_features().distance(np.array([[13.0, 0, 0, 0], [10, 0, 3, 0]]))

    assert far[1] > 5 * far[0]


@pytest.mark.parametrize(
    "fault",
    [
        {"mean": np.zeros(3)},
        {"variance": np.ones(3)},
        {"rest": np.zeros(1)},
        {"scale": np.array([1, 1, 1, np.nan])},
        {"variance": np.array([1, np.nan])},
        {"rest": np.array([np.inf])},
        {"axes": np.eye(4), "variance": np.ones(4)},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(fault):
    with pytest.raises(ValueError, match=r"must be positive|differ in|no number"):
        some_training_features(**fault)


@pytest.mark.parametrize("masked", [None, some_training_features(mean=np.ones(4))])
def test_what_was_saved_is_loaded(tmp_path, masked):
    saved, slices = some_training_slices(masked), (np.ones((2, 4)), np.array([True, False]))
    saved.save(tmp_path / "fitness.safetensors")

    loaded = TrainingSlices.load(tmp_path / "fitness.safetensors")

    limits = a_fitness(masked_distance_limit=3.0)
    assert (loaded.distance(*slices, limits) == saved.distance(*slices, limits)).all()
    assert (loaded.masked is None) == (masked is None)


def test_slices_with_blackened_surroundings_are_compared_with_their_own_kind():
    both = some_training_slices(some_training_features(mean=np.zeros(4)))
    features = np.array([[0, 0, 0.5, 0.5], [10, 0, 0.5, 0.5]])

    found = both.distance(features, np.array([True, False]), a_fitness(distance_limit=2.0, masked_distance_limit=4.0))

    assert found == pytest.approx([0.5**0.5 / 4, 0.5**0.5 / 2])


def test_a_file_of_other_arrays_is_a_broken_model(tmp_path):
    (tmp_path / "fitness.safetensors").write_bytes(b"something else")

    with pytest.raises(BrokenModel, match="cannot be read"):
        TrainingSlices.load(tmp_path / "fitness.safetensors")


@pytest.mark.parametrize(("distance", "like"), [([1, 1, 9], True), ([1, 9], True), ([1, 9, 9], False), ([1.1], False)])
def test_an_exam_is_unlike_training_where_most_of_its_slices_are(distance, like):
    assert is_like_training(np.array(distance)) is like


def test_a_slice_whose_distance_is_no_number_is_unlike_training():
    with pytest.raises(UnlikeTraining):
        check_likeness(np.array([np.nan]), to_score=1)


@pytest.mark.parametrize(("far", "of"), [(2, 2), (3, 4), (3, 5)])
def test_an_exam_is_refused_as_soon_as_most_of_it_is_unlike_for_certain(far, of):
    check_likeness(np.full(of // 2, 3.0), to_score=of)

    with pytest.raises(UnlikeTraining, match=f"{far} of {of} slices"):
        check_likeness(np.full(far, 3.0), to_score=of)


@pytest.mark.parametrize(
    ("so_far", "told"), [([0.5, 0.5], True), ([0.5, 3.0], False), ([0.5, 0.5, 0.5, 0.5, 3.0], True), ([3.0], False)]
)
def test_what_slices_add_up_to_is_told_only_of_what_is_like_training(so_far, told):
    assert may_be_told(np.array(so_far), to_score=8) is told


def test_an_exam_without_enough_lung_on_any_slice_is_refused():
    check_lung_area(np.array([0.0, 0.03]), 0.02)

    with pytest.raises(NoLung):
        check_lung_area(np.array([0.0, 0.019]), 0.02)


def test_the_served_model_knows_a_chest_from_noise():
    classifier = Classifier.load(the_served_model(), engine="openvino")
    chest = phantom(slices=9, size=256).exam().slices[4]
    noise = Slice(np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8))

    near, far = classifier.score([chest, noise]).distance

    assert near <= 1 < far
