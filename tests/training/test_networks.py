import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from app.ct.manifest import NetworkSpec
from tests.training.networks import check_that_a_step_changes_every_weight
from training.learning.networks import LocalResponseNormalization, build, loss_weights, training_model

SPEC = NetworkSpec(head="linear", size=64, stages=(5,))
ARCHITECTURES = ("resnet50", "vgg16", "googlenet")
OTHERS = [b for b in ("jax", "torch") if find_spec(b)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_learns(architecture):
    check_that_a_step_changes_every_weight(architecture)


def test_every_weight_learns_on_every_other_backend_that_is_installed():
    for backend in OTHERS:
        check = "from tests.training import networks as n; [n.check_that_a_step_changes_every_weight(a) for a in {!r}]"
        environment = {**os.environ, "KERAS_BACKEND": backend}
        subprocess.run([sys.executable, "-c", check.format(ARCHITECTURES)], env=environment, check=True)


def test_vgg16_has_the_convolutions_of_keras_under_their_names():
    keras_own = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    theirs = {layer.name: [w.shape for w in layer.get_weights()] for layer in keras_own.layers if layer.weights}

    ours = {layer.name: [w.shape for w in layer.get_weights()] for layer in build("vgg16", SPEC).layers}

    assert len(theirs) == 13
    assert all(ours[name] == shapes for name, shapes in theirs.items())


def test_googlenet_has_as_many_weights_as_published():
    """6.8 million in Szegedy et al., table 1, of which 1.0 million are the thousand classes; ours has one logit."""
    network = build("googlenet", SPEC)
    body = keras.Model(network.input, network.output["features"])
    weights = sum(
        w.size for layer in body.layers if isinstance(layer, keras.layers.Conv2D) for w in layer.get_weights()
    )

    assert weights == 5_973_552
    assert network.output["features"].shape == (None, 1024)


def test_auxiliary_heads_are_there_in_training_alone():
    network = build("googlenet", SPEC)

    assert loss_weights(training_model(network)) == {"logit": 1.0, "auxiliary1": 0.3, "auxiliary2": 0.3}
    served = keras.Model(network.input, network.output["logit"])
    assert not any(layer.name.startswith("auxiliary") for layer in served.layers)


def test_local_response_normalization_divides_by_the_channels_around():
    x = np.random.default_rng(0).normal(0, 100, (1, 1, 1, 7)).astype(np.float32)
    around = np.array([np.square(x[0, 0, 0, max(0, k - 2) : k + 3]).sum() for k in range(7)])

    found = keras.ops.convert_to_numpy(LocalResponseNormalization()(x))[0, 0, 0]

    np.testing.assert_allclose(found, x[0, 0, 0] / (1 + 1e-4 / 5 * around) ** 0.75, rtol=1e-5)


def test_resnet50_is_the_served_one():
    network = build("resnet50", SPEC)

    assert {"logit", "evidence", "share", "features"} == set(network.output)
    assert training_model(network).output.keys() == {"logit"}
