"""The CPU engine: OpenVINO on a graph converted at release. Starts in half a second, without TensorFlow."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino

from app.ct.engines import BATCH, OUTPUTS, NetworkOutput
from app.ct.precision import Precision
from app.ct.processors import cpus

if TYPE_CHECKING:
    import keras

_HINTS: dict[Precision, str] = {"f32": "f32", "bf16": "bf16", "int8": "bf16"}
"""What a graph computes in where it is not quantized; without bfloat16 OpenVINO takes float32, which is as good."""
_INT8_INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8")
"""Without one of them sums of int8 products are kept in 16 bits, which may overflow, and little is won."""
_CPU_INFO = Path("/proc/cpuinfo")


class OpenVinoEngine:
    """Runs a converted network on the CPU."""

    name = "openvino"
    on_gpu = False

    def __init__(self, graph: Path, precision: Precision) -> None:
        """Compile ``graph`` (the .xml; its .bin lies beside it), telling the precision explicitly.

        Left to itself OpenVINO takes bfloat16 wherever the processor has it; asked for bfloat16 on a processor without
        it, it computes in float32. A graph for int8 says itself what is quantized.
        """
        self.precision: Precision = precision
        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": cpus(),
        }
        self._request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run the network; see ``Engine``."""
        batches = [images[k : k + BATCH] for k in range(0, len(images), BATCH)]
        return NetworkOutput.joined([self._run(batch) for batch in batches])

    def _run(self, batch: np.ndarray) -> NetworkOutput:
        self._request.infer({"gray": batch[..., None].astype(np.float32)})
        return NetworkOutput.of({k: self._request.get_tensor(k).data.copy() for k in OUTPUTS})


def native_precisions(cpu_info: Path = _CPU_INFO) -> frozenset[Precision]:
    """What this processor has instructions for; float32 always, int8 only where that is known for certain.

    Args:
        cpu_info: what Linux says of the processor; elsewhere there is no such file.
    """
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    flags = cpu_info.read_text(encoding="utf-8").split() if cpu_info.is_file() else []
    found: set[Precision] = {"f32"}
    if "BF16" in able:
        found.add("bf16")
    if "INT8" in able and not set(_INT8_INSTRUCTIONS).isdisjoint(flags):
        found.add("int8")
    return frozenset(found)


def converted(network: "keras.Model") -> openvino.Model:
    """A Keras network from "gray" to named outputs as an OpenVINO model. Needs the TensorFlow backend."""
    import tensorflow as tf

    size = network.input_shape[1]
    signature = [tf.TensorSpec((None, size, size, 1), tf.float32, name="gray")]
    return openvino.convert_model(tf.function(lambda gray: network(gray, training=False), input_signature=signature))


def export_openvino(network: "keras.Model", graph: Path) -> None:
    """Convert a trained network and write ``graph`` (.xml) and its .bin, kernels as float16."""
    openvino.save_model(converted(network), graph, compress_to_fp16=True)
