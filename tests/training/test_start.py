import keras
import numpy as np
import pytest

from app.ct.manifest import NetworkSpec
from app.ct.weights import weights_of
from tests.builders import shared_data
from training.learning.start import standardize, start_network
from training.run import RunError

SPEC = NetworkSpec(head="attention", size=64, stages=(3,), evidence_channels=4)


def test_start_weights_that_lack_a_layer_are_refused(tmp_path):
    with pytest.raises(RunError, match="lack"):
        start_network(SPEC, str(tmp_path))


def test_a_folder_of_start_weights_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RunError, match="no folder"):
        start_network(SPEC, str(tmp_path / "no"))


def test_the_partial_imagenet_weights_fit_and_stay_finite():
    network = start_network(SPEC, str(shared_data() / "resnet50-imagenet-partial"))

    stored = weights_of(network)

    assert stored["conv1_bn/moving_variance"].max() > 65_504
    assert stored["conv1_conv/kernel"].shape == (7, 7, 3, 64)
    told = network(np.full((1, 64, 64, 1), 120.0, np.float32), training=False)
    assert np.isfinite(keras.ops.convert_to_numpy(told["features"])).all()


def test_what_the_head_reads_is_standardized_over_the_pictures_that_train():
    network = start_network(SPEC, "none")
    images = np.random.default_rng(0).integers(0, 255, (6, 64, 64), dtype=np.uint8)
    images[5] = 255
    chances = np.array([0.2] * 5 + [0.0])

    standardize(network, images, chances=chances, seed=0)

    layer = network.get_layer("head3_standardize")
    seen = keras.Model(network.input, layer.output).predict_on_batch(images[:5, ..., None].astype(np.float32))
    assert np.abs(seen.mean(axis=(0, 1, 2))).max() < 0.05
    assert seen.std(axis=(0, 1, 2)).max() == pytest.approx(1, abs=0.05)
