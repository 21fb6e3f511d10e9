"""The CPU engine: OpenVINO on a graph converted at release. Starts in half a second, without TensorFlow."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import openvino

from app.ct.engines import OUTPUTS, NetworkOutput

if TYPE_CHECKING:
    import keras

Precision = Literal["f32", "bf16"]
_BATCH = 8


class OpenVinoEngine:
    """Runs a converted network on the CPU."""

    name = "openvino"
    on_gpu = False

    def __init__(self, graph: Path, precision: Precision) -> None:
        """Compile ``graph`` (the .xml; its .bin lies beside it), telling the precision explicitly.

        Left to itself OpenVINO takes bfloat16 wherever the processor has it; asked for bfloat16 on a processor without
        it, it computes in float32.
        """
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": _cpus(),
        }
        self._request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network; see ``Engine``."""
        batches = [images[k : k + _BATCH] for k in range(0, len(images), _BATCH)]
        return NetworkOutput.joined([self._run(batch) for batch in batches])

    def _run(self, batch: np.ndarray) -> NetworkOutput:
        self._request.infer({"gray": batch[..., None].astype(np.float32)})
        return NetworkOutput.of({k: self._request.get_tensor(k).data.copy() for k in OUTPUTS})


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def converted(network: "keras.Model") -> openvino.Model:
    """A Keras network from "gray" to named outputs as an OpenVINO model. Needs the TensorFlow backend."""
    import tensorflow as tf

    size = network.input_shape[1]
    signature = [tf.TensorSpec((None, size, size, 1), tf.float32, name="gray")]
    return openvino.convert_model(tf.function(lambda gray: network(gray, training=False), input_signature=signature))


def export_openvino(network: "keras.Model", graph: Path) -> None:
    """Convert a trained network and write ``graph`` (.xml) and its .bin, kernels as float16."""
    openvino.save_model(converted(network), graph, compress_to_fp16=True)
