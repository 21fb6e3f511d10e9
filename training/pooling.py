"""Features pooled over the places with evidence: what the linear part learns from, one short vector a picture."""

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from app.ct.manifest import NetworkSpec
from app.ct.network import EVIDENCE_LAYER, Attention, ToGrid


def pooling_model(backbone: keras.Model, head: keras.Model, spec: NetworkSpec) -> keras.Model:
    """From gray pictures to what the linear part sees.

    Args:
        backbone: of ``training.features.build_backbone``, stages 3 and 4.
        head: of ``training.evidence.build_head``, its evidence trained.
        spec: the network's.

    Returns:
        Model with the output ``pooled`` (batch, channels of all stages + 2): the attention-weighted sums of the standardized
        maps, of the evidence logit and of 1.
    """
    maps = {int(k): v for k, v in backbone.output.items()}
    lesion = keras.Model(head.inputs, head.get_layer(EVIDENCE_LAYER).output)(list(maps.values()))
    weights = Attention(spec.null_evidence, name="attention")(lesion)
    rows, columns = weights.shape[1:3]
    standard = [head.get_layer(f"head{k}_standardize")(x) for k, x in maps.items()]
    enlarged = [ToGrid(rows, columns, name=f"pool{k}_to_grid")(x) for k, x in enumerate(standard)]
    everything = ops.concatenate([*enlarged, lesion, ops.ones_like(lesion)], axis=-1)
    pooled = ops.sum(everything * weights, axis=(1, 2))
    return keras.Model(backbone.inputs, {"pooled": pooled})


def split_coefficients(coefficients: np.ndarray, channels: dict[int, int]) -> Iterator[tuple[str, np.ndarray]]:
    """The linear part's coefficients as the kernels of the head's layers.

    Args:
        coefficients: float (features,), in the order of ``pooled``.
        channels: stage -> channels, finest first.

    Yields:
        Name of a weight and its array.
    """
    start = 0
    for stage, count in channels.items():
        yield f"head{stage}_value_conv/kernel", coefficients[start : start + count].reshape(1, 1, count, 1)
        start += count
    yield "head_lesion_conv/kernel", coefficients[start].reshape(1, 1, 1, 1)
    yield "head_lesion_conv/bias", coefficients[start + 1].reshape(1)
