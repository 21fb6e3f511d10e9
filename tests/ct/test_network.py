"""The network's own promises; on a small input, the width of ResNet50 does not change with it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from app.ct.manifest import NetworkSpec
from app.ct.network import build_network, head

SIZE = 64


def gray(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, SIZE, SIZE, 1)).astype(np.float32)


def shaken(model: keras.Model) -> keras.Model:
    """Head weights at random, so that no term is zero."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.name.startswith("head"):
            for variable in layer.trainable_weights:
                variable.assign(rng.normal(0, 0.5, variable.shape))
    return model


@pytest.fixture(scope="module")
def attention() -> keras.Model:
    keras.utils.set_random_seed(0)
    return shaken(build_network(NetworkSpec(head="attention", size=SIZE, stages=(3, 4, 5), evidence_channels=4)))


@pytest.fixture(scope="module")
def linear() -> keras.Model:
    keras.utils.set_random_seed(0)
    return shaken(build_network(NetworkSpec(head="linear", size=SIZE)))


def test_the_backbone_is_the_resnet50_of_keras(linear):
    theirs = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    ours = {layer.name: layer for layer in linear.layers}
    weighted = [layer for layer in theirs.layers if layer.weights]
    for layer in weighted:
        layer.set_weights(ours[layer.name].get_weights())
    pictures = gray()
    caffe = keras.applications.resnet50.preprocess_input(np.repeat(pictures, 3, axis=-1).copy())
    last = keras.Model(linear.input, linear.get_layer("conv5_block3_out").output)

    assert len(weighted) == 106
    np.testing.assert_allclose(last(pictures), theirs(caffe, training=False), rtol=1e-3, atol=1e-3)


def test_at_the_papers_size_the_last_map_is_ten_by_ten():
    network = build_network(NetworkSpec(head="linear", size=299))

    assert network.get_layer("conv5_block3_out").output.shape == (None, 10, 10, 2048)


def test_at_the_papers_size_the_map_is_38_by_38():
    network = build_network(NetworkSpec(head="attention", size=299, stages=(3, 4)))

    assert network.output["share"].shape == (None, 38, 38)
    assert not [layer for layer in network.layers if layer.name.startswith("conv5")]


@pytest.mark.parametrize("kind", ["attention", "linear"])
def test_the_shares_add_up_to_the_logit(kind, request):
    network = request.getfixturevalue(kind)

    found = network(gray(), training=False)

    bias = network.get_layer("head_logit").bias.numpy()[0] if kind == "attention" else 0.0
    np.testing.assert_allclose(np.sum(found["share"], axis=(1, 2)) + bias, found["logit"], rtol=1e-4)


def test_the_features_are_every_channels_mean_stage_after_stage(attention):
    maps = keras.Model(attention.input, [attention.get_layer(f"conv{k}_out").output for k in ("3_block4", "4_block6")])

    third, fourth = (np.mean(m, axis=(1, 2)) for m in maps(gray(), training=False))

    features = np.asarray(attention(gray(), training=False)["features"])
    np.testing.assert_allclose(features[:, :512], third, rtol=1e-4)
    np.testing.assert_allclose(features[:, 512:1536], fourth, rtol=1e-4)


def test_where_nothing_looks_like_a_lesion_the_logit_is_its_bias():
    network = build_network(NetworkSpec(head="attention", size=SIZE, stages=(3, 4), evidence_channels=4))
    shaken(network).get_layer("head_evidence_logit_conv").set_weights([np.zeros((1, 1, 4, 1)), np.array([-30.0])])

    found = network(gray(), training=False)

    np.testing.assert_allclose(found["logit"], network.get_layer("head_logit").bias.numpy().repeat(2), atol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.filterwarnings("ignore:Please import `zoom`:DeprecationWarning")  # tf-keras-vis's own import
def test_the_heatmap_of_the_linear_head_is_grad_cam_of_its_logit(linear, sign):
    from tf_keras_vis.gradcam import Gradcam

    value = linear.get_layer("head_value_conv")
    logit = keras.Model(linear.input, keras.layers.GlobalAveragePooling2D()(value.output))

    cam = Gradcam(logit, clone=False)(
        lambda output: sign * output[:, 0],
        gray(),
        penultimate_layer="conv5_block3_out",
        seek_penultimate_conv_layer=False,
        normalize_cam=False,
        expand_cam=False,
    )

    share = linear(gray(), training=False)["share"]
    bias = value.bias.numpy()[0] / np.prod(share.shape[1:])
    assert np.abs(share - bias).max() > 0.01
    np.testing.assert_allclose(np.reshape(cam, share.shape), np.maximum(sign * (share - bias), 0), rtol=1e-3, atol=1e-5)


def test_a_tape_gives_the_heatmap_of_the_linear_head(linear):
    features = keras.Model(linear.input, linear.get_layer("conv5_block3_out").output)(gray())
    above = {name: linear.output[name] for name in ("logit", "share")}
    top = keras.Model(linear.get_layer("conv5_block3_out").output, above)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logit = top(features, training=False)["logit"]

    gradient = tape.gradient(logit, features)

    share = top(features, training=False)["share"]
    bias = linear.get_layer("head_value_conv").bias.numpy()[0] / np.prod(share.shape[1:])
    np.testing.assert_allclose(np.sum(gradient * features, axis=-1) + bias, share, rtol=1e-3, atol=1e-5)


def test_a_tape_with_the_attention_held_fixed_gives_the_heatmap_of_the_attention_head():
    """HiResCAM: gradient times activation, place by place, of the features and of the evidence logit beside them."""
    spec = NetworkSpec(head="attention", size=SIZE, stages=(3,), evidence_channels=4)
    maps = {3: keras.Input((8, 8, 16))}
    model = shaken(keras.Model(maps[3], head(maps, spec)))
    part = {name: model.get_layer(name) for name in ("head3_value_conv", "head_lesion_conv", "head_attention")}
    features = tf.constant(np.random.default_rng(2).uniform(0, 2, (2, 8, 8, 16)).astype(np.float32))
    inner = keras.Model(
        model.input, [model.get_layer(n).output for n in ("head3_standardize", "head_evidence_logit_conv")]
    )
    standard, lesion = inner(features, training=False)
    weight = part["head_attention"](lesion)
    with tf.GradientTape() as tape:
        tape.watch([standard, lesion])
        value = part["head3_value_conv"](standard) + part["head_lesion_conv"](lesion)
        logit = tf.reduce_sum(value * weight, axis=(1, 2, 3))

    to_features, to_lesion = tape.gradient(logit, [standard, lesion])

    bias = part["head_lesion_conv"].bias.numpy()[0]
    cam = np.sum(to_features * standard, axis=-1) + (to_lesion * lesion)[..., 0] + bias * weight[..., 0]
    np.testing.assert_allclose(cam, model(features, training=False)["share"], rtol=1e-3, atol=1e-5)
