"""ONNX Runtime runs the network that it is given."""

import keras
import numpy as np

from tests.bench.onnx_peer import onnx_run


def test_onnx_runtime_says_what_keras_says() -> None:
    gray = keras.Input((8, 8, 1), name="gray")
    # Normalization holds its mean as a constant of the function, which is no input of the converted network.
    centered = keras.layers.Normalization(mean=(3.0,), variance=(4.0,))(gray)
    share = keras.layers.Conv2D(1, 3, name="share")(centered)
    network = keras.Model(gray, {"logit": keras.ops.mean(share, axis=(1, 2, 3)), "share": share})
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8), np.uint8)

    said = onnx_run(network)(images)

    assert np.allclose(said, network(images[..., None].astype(np.float32))["logit"], atol=1e-4)
