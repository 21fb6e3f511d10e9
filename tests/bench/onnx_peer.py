"""ONNX Runtime with the served weights: a peer of the engines, in float32. The service does not use it."""

import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench.rounds import Run

if TYPE_CHECKING:
    import keras

NAME = "ONNX Runtime f32"
_OPSET = 17


def onnx_run(network: "keras.Model") -> Run:
    """The network converted and loaded.

    Raises:
        ImportError: onnxruntime, onnx or tf2onnx is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(_converted(network), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(images: np.ndarray) -> np.ndarray:
        said = session.run(None, {"gray": images[..., None].astype(np.float32)})
        return np.asarray(said[names.index("logit")])

    return run


def _converted(network: "keras.Model") -> bytes:
    """The network as ONNX. Needs the TensorFlow backend."""
    import tensorflow as tf
    import tf2onnx

    size = network.input_shape[1]
    signature = [tf.TensorSpec((None, size, size, 1), tf.float32, name="gray")]
    function = tf.function(lambda gray: network(gray, training=False), input_signature=signature)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=_OPSET)
    _set_constants(model.graph, function.get_concrete_function())
    return bytes(model.SerializeToString())


def _set_constants(graph: Any, function: Any) -> None:
    """Tensors that the function holds, such as the means of normalization, come out as inputs; they are no inputs."""
    import onnx

    held = {inner.name: outer for outer, inner in function.graph.captures}
    for given in [i for i in graph.input if i.name in held]:
        graph.input.remove(given)
        if any(given.name in node.input for node in graph.node):
            graph.initializer.append(onnx.numpy_helper.from_array(held[given.name].numpy(), given.name))
