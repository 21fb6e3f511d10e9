"""ResNet50 and its heads, as functions from tensor to tensor; nothing here is trained or read from disk.

Written with keras layers and ``keras.ops`` only, so that TensorFlow, JAX and torch run the same network. Layers of the
backbone carry the names Keras gives them in ``keras.applications.ResNet50``, so its weights fit by name.

The input is the prepared gray picture itself, 0..255; the ImageNet ("caffe") normalization is the network's first step.

Source: He et al., "Deep residual learning for image recognition", CVPR 2016.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import keras
from keras import layers, ops

from app.ct.manifest import NetworkSpec

Tensor: TypeAlias = keras.KerasTensor

CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
CAFFE_LAYER, EVIDENCE_LAYER = "caffe_normalization", "head_evidence_logit_conv"
_EPSILON = 1.001e-5
_STAGES = {2: (64, 3, 1), 3: (128, 4, 2), 4: (256, 6, 2), 5: (512, 3, 2)}
"""Width, number of blocks and stride of each stage."""


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """What is built within computes so: Keras's dtype policy, such as ``mixed_bfloat16``."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def caffe_normalization(gray: Tensor) -> Tensor:
    """Gray (batch, rows, columns, 1), 0..255 -> BGR minus the ImageNet means (batch, rows, columns, 3)."""
    bgr = layers.Concatenate(name="gray_to_bgr")([gray, gray, gray])
    return layers.Normalization(mean=CAFFE_MEAN_BGR, variance=(1.0, 1.0, 1.0), name=CAFFE_LAYER)(bgr)


def _conv_bn(x: Tensor, channels: int, kernel: int, *, name: str, stride: int = 1, padding: str = "valid") -> Tensor:
    x = layers.Conv2D(channels, kernel, strides=stride, padding=padding, name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)


def _block(x: Tensor, width: int, *, name: str, stride: int, widen: bool) -> Tensor:
    shortcut = _conv_bn(x, 4 * width, 1, name=f"{name}_0", stride=stride) if widen else x
    x = layers.ReLU(name=f"{name}_1_relu")(_conv_bn(x, width, 1, name=f"{name}_1", stride=stride))
    x = layers.ReLU(name=f"{name}_2_relu")(_conv_bn(x, width, 3, name=f"{name}_2", padding="same"))
    x = _conv_bn(x, 4 * width, 1, name=f"{name}_3")
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def stage(x: Tensor, number: int) -> Tensor:
    """One stage of ResNet50 (2 to 5) applied to the map of the stage before."""
    width, blocks, stride = _STAGES[number]
    for k in range(1, blocks + 1):
        x = _block(x, width, name=f"conv{number}_block{k}", stride=stride if k == 1 else 1, widen=k == 1)
    return x


def backbone(gray: Tensor, stages: Sequence[int]) -> dict[int, Tensor]:
    """Maps after the named stages; stages beyond the last named one are not built.

    Args:
        gray: (batch, size, size, 1), 0..255.
        stages: of 3, 4, 5.

    Returns:
        At size 299: 3 -> (batch, 38, 38, 512), 4 -> (batch, 19, 19, 1024), 5 -> (batch, 10, 10, 2048).
    """
    x = layers.ZeroPadding2D(3, name="conv1_pad")(caffe_normalization(gray))
    x = layers.ReLU(name="conv1_relu")(_conv_bn(x, 64, 7, name="conv1", stride=2))
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(layers.ZeroPadding2D(1, name="pool1_pad")(x))
    maps: dict[int, Tensor] = {}
    for number in range(2, max(stages) + 1):
        x = maps[number] = stage(x, number)
    return {number: maps[number] for number in stages}


@keras.saving.register_keras_serializable("covidct")
class ToGrid(layers.Layer):  # type: ignore[misc]
    """Bilinear enlargement of a map to rows x columns."""

    def __init__(self, rows: int, columns: int, **kwargs: object) -> None:
        """Rows and columns of the output."""
        super().__init__(**kwargs)
        self.rows, self.columns = rows, columns

    def call(self, x: Tensor) -> Tensor:
        """(batch, any, any, channels) -> (batch, rows, columns, channels)."""
        if (x.shape[1], x.shape[2]) == (self.rows, self.columns):
            return x
        return ops.image.resize(x, (self.rows, self.columns), interpolation="bilinear")


@keras.saving.register_keras_serializable("covidct")
class Attention(layers.Layer):  # type: ignore[misc]
    """How much each place counts: its squared evidence over that of the whole picture and of an empty place beside it.

    ``weight_i = evidence_i^2 / (sum_j evidence_j^2 + null * places)``. Where nothing looks like a lesion the empty place
    takes nearly all, and the logit falls back to its bias: a healthy slice is judged healthy, not by its faintest shadow.
    """

    def __init__(self, null: float, **kwargs: object) -> None:
        """``null``: the mean squared evidence at which the empty place counts as much as all others together."""
        super().__init__(**kwargs)
        self.null = null

    def call(self, evidence_logit: Tensor) -> Tensor:
        """(batch, rows, columns, 1) -> weights of the same shape, whose sum is below 1."""
        squared = ops.square(ops.sigmoid(evidence_logit))
        places = squared.shape[1] * squared.shape[2]
        return squared / (ops.sum(squared, axis=(1, 2), keepdims=True) + self.null * places)


@keras.saving.register_keras_serializable("covidct")
class Total(layers.Layer):  # type: ignore[misc]
    """The logit: the sum of the shares and a bias."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """One number."""
        del shape
        self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")

    def call(self, share: Tensor) -> Tensor:
        """(batch, rows, columns, 1) -> (batch,)."""
        return ops.sum(share, axis=(1, 2, 3)) + self.bias[0]


def evidence_logit(maps: Mapping[int, Tensor], *, channels: int) -> Tensor:
    """How much each place looks like a lesion of any kind, before the sigmoid: (batch, rows, columns, 1).

    Args:
        maps: standardized, stage -> (batch, rows, columns, channels), finest first.
        channels: hidden ones.
    """
    grid = next(iter(maps.values())).shape[1:3]
    # The convolution at the map's own grid: a 1 x 1 convolution and a bilinear enlargement commute.
    narrow = [
        ToGrid(*grid, name=f"head{k}_to_grid")(
            layers.Conv2D(channels, 1, use_bias=False, name=f"head{k}_evidence_conv")(features)
        )
        for k, features in maps.items()
    ]
    hidden = layers.BatchNormalization(name="head_evidence_bn")(_sum(narrow, "head_evidence_sum"))
    hidden = layers.ReLU(name="head_evidence_relu")(hidden)
    return layers.Conv2D(1, 1, name=EVIDENCE_LAYER)(hidden)


def value_map(features: Tensor, number: int, grid: tuple[int, int], *, dropout: float) -> Tensor:
    """What each place of one stage's standardized map says for COVID-19: (batch, *grid, 1).

    Dropout takes whole channels, as dropout on the pooled vector would.
    """
    features = layers.SpatialDropout2D(dropout, name=f"head{number}_dropout")(features)
    value = layers.Conv2D(1, 1, use_bias=False, name=f"head{number}_value_conv")(features)
    return ToGrid(*grid, name=f"head{number}_value_to_grid")(value)


def attention_head(
    maps: Mapping[int, Tensor], *, evidence_channels: int, null: float, dropout: float
) -> dict[str, Tensor]:
    """Evidence map -> attention over places -> weighted mean of features -> linear, at the finest map's grid.

    A linear layer on a weighted mean of features is the weighted sum of a 1 x 1 convolution; so each place's share of the
    logit is exact, and nothing needs a backward pass. The evidence map reads stages 3 and 4, whose grids can place a lesion.

    Args:
        maps: stage -> (batch, rows, columns, channels), finest first.
        evidence_channels: hidden channels of the evidence map.
        null: see ``Attention``.
        dropout: rate.

    Returns:
        ``logit`` (batch,), ``evidence`` (batch, rows, columns) 0..1, ``share`` (batch, rows, columns); the logit is the
        sum of the shares plus a bias.
    """
    grid = next(iter(maps.values())).shape[1:3]
    standard = {
        k: layers.BatchNormalization(center=False, scale=False, name=f"head{k}_standardize")(x) for k, x in maps.items()
    }
    lesion = evidence_logit({k: x for k, x in standard.items() if k < 5}, channels=evidence_channels)
    values = [value_map(x, k, grid, dropout=dropout) for k, x in standard.items()]
    value = _sum([*values, layers.Conv2D(1, 1, name="head_lesion_conv")(lesion)], "head_value_sum")
    share = layers.Multiply(name="head_share")([value, Attention(null, name="head_attention")(lesion)])
    return {
        "logit": Total(name="head_logit")(share),
        "evidence": ops.sigmoid(lesion)[..., 0],
        "share": share[..., 0],
    }


def _sum(tensors: Sequence[Tensor], name: str) -> Tensor:
    return layers.Add(name=name)(list(tensors)) if len(tensors) > 1 else tensors[0]


def linear_head(maps: Mapping[int, Tensor], *, dropout: float) -> dict[str, Tensor]:
    """The paper's: global average pooling -> dropout -> linear, written as a 1 x 1 convolution before the pooling.

    The same function as pooling first; each place's share of the logit is the Grad-CAM of that logit before its ReLU.

    Returns:
        As ``attention_head``; ``evidence`` is the sigmoid of each place's own logit.
    """
    features = list(maps.values())[-1]
    features = layers.SpatialDropout2D(dropout, name="head_dropout")(features)
    value = layers.Conv2D(1, 1, name="head_value_conv")(features)
    places = value.shape[1] * value.shape[2]
    return {
        "logit": ops.mean(value, axis=(1, 2, 3)),
        "evidence": ops.sigmoid(value)[..., 0],
        "share": value[..., 0] / places,
    }


def head(maps: Mapping[int, Tensor], spec: NetworkSpec) -> dict[str, Tensor]:
    """The head the spec names, on the maps of the spec's stages."""
    if spec.head == "linear":
        return linear_head(maps, dropout=spec.dropout)
    return attention_head(maps, evidence_channels=spec.evidence_channels, null=spec.null_evidence, dropout=spec.dropout)


def build_network(spec: NetworkSpec) -> keras.Model:
    """The whole network, untrained.

    Args:
        spec: head, input size, stages.

    Returns:
        Model from gray (batch, size, size, 1), float32 0..255, to ``logit``, ``evidence`` and ``share`` (see the heads), and
        ``features`` (see ``mean_features``).
    """
    gray = keras.Input((spec.size, spec.size, 1), name="gray")
    maps = backbone(gray, spec.stages)
    return keras.Model(gray, {**head(maps, spec), "features": mean_features(maps)}, name="covidct")


def mean_features(maps: Mapping[int, Tensor]) -> Tensor:
    """What a picture looks like as a whole: every channel's mean over the places, stage after stage: (batch, channels)."""
    means = [layers.GlobalAveragePooling2D(name=f"features{k}")(x) for k, x in maps.items()]
    return layers.Concatenate(name="features")(means) if len(means) > 1 else means[0]
