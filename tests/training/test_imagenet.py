import keras
import numpy as np
import pytest

from app.ct.weights import weights_of
from tests.builders import shared_data
from training.features import build_backbone
from training.run import RunError


def test_start_weights_that_lack_a_layer_are_refused(tmp_path):
    with pytest.raises(RunError, match="lack"):
        build_backbone(64, (3,), str(tmp_path))


def test_a_folder_of_start_weights_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RunError, match="no folder"):
        build_backbone(64, (3,), str(tmp_path / "no"))


def test_the_partial_imagenet_weights_fit_and_stay_finite():
    model = build_backbone(64, (3,), str(shared_data() / "resnet50-imagenet-partial"))

    stored = weights_of(model)

    assert stored["conv1_bn/moving_variance"].max() > 65_504
    assert stored["conv1_conv/kernel"].shape == (7, 7, 3, 64)
    maps = model(np.full((1, 64, 64, 1), 120.0, np.float32), training=False)
    assert np.isfinite(keras.ops.convert_to_numpy(maps["3"])).all()
