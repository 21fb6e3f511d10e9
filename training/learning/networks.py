"""The networks the paper compares, as functions from tensor to tensor; each with the paper's head, untrained.

ResNet50 is the served one's (``app.ct.network``). VGG16 is Keras's convolutions (Simonyan and Zisserman, ICLR 2015) without
the three fully connected layers, which fit one input size only: the paper says "fine-tuned" and no more, and one head for
all three leaves the convolutions as the only difference. GoogLeNet is Inception v1 as published: local response
normalization, no batch norm, two auxiliary heads that are there while training and nowhere else.

All take the prepared gray picture, 0..255, normalized as ``app.ct.network`` does.

Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, table 1 and section 5; what it leaves open (weights at
the start, local response normalization) as in its authors' predecessor, Krizhevsky et al. 2012, with Caffe's constants.
"""

from typing import Literal, TypeAlias

import keras
from keras import layers, ops

from app.ct.manifest import NetworkSpec
from app.ct.network import Tensor, build_network, caffe_normalization, linear_head, mean_features

Architecture: TypeAlias = Literal["resnet50", "vgg16", "googlenet"]

LOGIT = "logit"
AUXILIARY = ("auxiliary1", "auxiliary2")
AUXILIARY_WEIGHT = 0.3
"""Of each auxiliary loss against the main one; Szegedy et al., section 5."""

_INCEPTIONS = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
"""Channels of the 1 x 1, the 3 x 3 with its reduction, the 5 x 5 with its reduction, the projection after pooling."""
_DROPOUT, _AUXILIARY_DROPOUT = 0.4, 0.7
_FIRST_BIAS = 0.2


def build(architecture: Architecture, spec: NetworkSpec) -> keras.Model:
    """An untrained network.

    Args:
        architecture: which.
        spec: its size and its dropout; GoogLeNet's dropout is the published one.

    Returns:
        Model from gray (batch, size, size, 1), float32 0..255, to ``logit`` (batch,), ``features`` (see
        ``app.ct.network.mean_features``) and, of GoogLeNet, ``auxiliary1`` and ``auxiliary2`` (batch,).
    """
    if architecture == "resnet50":
        return build_network(spec)
    gray = keras.Input((spec.size, spec.size, 1), name="gray")
    features, auxiliary = (_vgg16(gray), {}) if architecture == "vgg16" else _googlenet(gray)
    dropout = spec.dropout if architecture == "vgg16" else _DROPOUT
    logit = linear_head({5: features}, dropout=dropout)[LOGIT]
    outputs = {LOGIT: logit, "features": mean_features({5: features}), **auxiliary}
    return keras.Model(gray, outputs, name=architecture)


def _vgg16(gray: Tensor) -> Tensor:
    """At size 299: (batch, 9, 9, 512); layers carry Keras's names, so that its ImageNet weights fit."""
    body = keras.applications.VGG16(include_top=False, weights=None, input_tensor=caffe_normalization(gray))
    return body.output


@keras.saving.register_keras_serializable("covidct")
class LocalResponseNormalization(layers.Layer):  # type: ignore[misc]
    """Each value divided by ``(1 + alpha / depth * sum of squares)^beta`` over the ``depth`` channels around it."""

    depth, alpha, beta = 5, 1e-4, 0.75

    def call(self, x: Tensor) -> Tensor:
        """(batch, rows, columns, channels) -> the same shape."""
        reach, channels = self.depth // 2, x.shape[-1]
        squared = ops.pad(ops.square(x), [[0, 0], [0, 0], [0, 0], [reach, reach]])
        around = sum(squared[..., k : k + channels] for k in range(self.depth))
        return x / ops.power(1 + self.alpha / self.depth * around, self.beta)


def _conv(x: Tensor, channels: int, kernel: int, *, name: str, stride: int = 1) -> Tensor:
    return layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        activation="relu",
        bias_initializer=keras.initializers.Constant(_FIRST_BIAS),
        name=name,
    )(x)


def _pool(x: Tensor, *, name: str, stride: int = 2) -> Tensor:
    return layers.MaxPooling2D(3, strides=stride, padding="same", name=name)(x)


def _inception(x: Tensor, number: str) -> Tensor:
    single, (reduce3, of3), (reduce5, of5), projected = _INCEPTIONS[number]
    name = f"inception_{number}"
    branches = [
        _conv(x, single, 1, name=f"{name}_1x1"),
        _conv(_conv(x, reduce3, 1, name=f"{name}_3x3_reduce"), of3, 3, name=f"{name}_3x3"),
        _conv(_conv(x, reduce5, 1, name=f"{name}_5x5_reduce"), of5, 5, name=f"{name}_5x5"),
        _conv(_pool(x, stride=1, name=f"{name}_pool"), projected, 1, name=f"{name}_projection"),
    ]
    return layers.Concatenate(name=name)(branches)


def _auxiliary(x: Tensor, *, name: str) -> Tensor:
    """5 x 5 average pooling, 1 x 1 convolution, 1024 units, dropout, linear: (batch,). Smaller maps are pooled whole."""
    pooled = layers.AveragePooling2D(min(5, x.shape[1]), strides=3, name=f"{name}_pool")(x)
    narrow = _conv(pooled, 128, 1, name=f"{name}_conv")
    hidden = layers.Dense(1024, activation="relu", name=f"{name}_hidden")(layers.Flatten(name=f"{name}_flat")(narrow))
    return layers.Dense(1, name=name)(layers.Dropout(_AUXILIARY_DROPOUT, name=f"{name}_dropout")(hidden))[:, 0]


def _googlenet(gray: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """At size 299: (batch, 10, 10, 1024), and the logits of the auxiliary heads by name."""
    x = _pool(_conv(caffe_normalization(gray), 64, 7, stride=2, name="conv1_7x7"), name="pool1")
    x = _conv(LocalResponseNormalization(name="norm1")(x), 64, 1, name="conv2_reduce")
    x = LocalResponseNormalization(name="norm2")(_conv(x, 192, 3, name="conv2_3x3"))
    x = _inception(_inception(_pool(x, name="pool2"), "3a"), "3b")
    first = _inception(_pool(x, name="pool3"), "4a")
    second = _inception(_inception(_inception(first, "4b"), "4c"), "4d")
    x = _inception(second, "4e")
    x = _inception(_inception(_pool(x, name="pool4"), "5a"), "5b")
    return x, {name: _auxiliary(map4, name=name) for name, map4 in zip(AUXILIARY, (first, second), strict=True)}


def training_model(network: keras.Model) -> keras.Model:
    """The same network with the outputs that have a loss, and no others."""
    return keras.Model(network.input, {k: v for k, v in network.output.items() if k in (LOGIT, *AUXILIARY)})


def loss_weights(model: keras.Model) -> dict[str, float]:
    """Of the losses of ``training_model``, by output."""
    return {name: 1.0 if name == LOGIT else AUXILIARY_WEIGHT for name in model.output}
