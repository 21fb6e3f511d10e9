"""What runs the network here: our engines, the libraries below them alone, and what else one would take."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.ct.classifier import WEIGHTS_FILE
from app.ct.manifest import Manifest
from app.ct.precision import EngineSpec, Precision
from tests.bench import onnx_peer
from tests.bench.gpu import gpu_name
from tests.bench.rounds import Run

if TYPE_CHECKING:
    import keras

BASELINE = "Keras `predict()`"
ALONE = "OpenVINO alone"
NOT_INSTALLED = "not installed"
_PRECISIONS: tuple[Precision, ...] = ("f32", "bf16", "int8")
KERAS_SERVED = "Keras engine as served"
_EAGER, _COMPILED = "Keras eager `model(x)`", "TensorFlow `tf.function`"
_OTHER_BACKEND = "Keras runs on another backend than TensorFlow"


@dataclass(frozen=True)
class Absent:
    """A contender that cannot run here."""

    name: str
    why: str


Entrant = tuple[str, Run] | Absent


def openvino_entrants(folder: Path, manifest: Manifest) -> list[Entrant]:
    """The CPU engine in each precision, then OpenVINO itself in the one that is served here."""
    names = [engine_name(precision) for precision in _PRECISIONS]
    try:
        from app.ct.engines.openvino import native_precisions
    except ImportError:
        return [Absent(name, NOT_INSTALLED) for name in (*names, ALONE)]
    spec = manifest.engines.get("openvino")
    if spec is None:
        return [Absent(name, "no files in the model") for name in (*names, ALONE)]
    alone = (ALONE, _alone(folder / spec.choices[spec.runs_in(native_precisions())].file, spec))
    return [*(_engine(folder, spec, precision) for precision in _PRECISIONS), alone]


def engine_name(precision: Precision) -> str:
    """Of the CPU engine in a precision."""
    return f"OpenVINO engine {precision}"


def _engine(folder: Path, spec: EngineSpec, precision: Precision) -> Entrant:
    """The engine; float32 and bfloat16 run on any graph that is not quantized, whether they are allowed or not."""
    from app.ct.engines.openvino import OpenVinoEngine

    # A quantized graph is served beside one that is not, never alone.
    graphs = {name: choice.file for name, choice in spec.choices.items()}
    graph = graphs.get(precision) or next((file for name, file in graphs.items() if name != "int8"), None)
    if graph is None or (precision == "int8" and precision not in graphs):
        return Absent(engine_name(precision), "no graph for it in the model")
    engine = OpenVinoEngine(folder / graph, precision)
    return engine_name(precision), lambda images: engine(images).logit


def _alone(graph: Path, spec: EngineSpec) -> Run:
    """The compiled graph as it is asked for the first time: the input is ready, of the outputs only the logit is taken."""
    import openvino

    from app.ct.engines.openvino import native_precisions

    hint = "f32" if spec.runs_in(native_precisions()) == "f32" else "bf16"
    core = openvino.Core()
    threads = len(os.sched_getaffinity(0))
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()
    ready: dict[int, np.ndarray] = {}

    def run(images: np.ndarray) -> np.ndarray:
        if len(images) not in ready:
            ready[len(images)] = _gray(images)
        request.infer({"gray": ready[len(images)]})
        return np.array(request.get_tensor("logit").data)

    return run


def keras_entrants(folder: Path, manifest: Manifest) -> list[Entrant]:
    """The reference engine, Keras without it, and the two that need Keras to be converted from."""
    try:
        import keras

        from app.ct.network import build_network
        from app.ct.weights import load_weights
    except ImportError:
        return [Absent(name, NOT_INSTALLED) for name in (KERAS_SERVED, BASELINE, _EAGER, _COMPILED, onnx_peer.NAME)]
    network = build_network(manifest.network)
    load_weights(network, folder / WEIGHTS_FILE)
    return [
        (KERAS_SERVED, _keras_engine(folder, manifest)),
        (BASELINE, lambda images: _logit(network.predict(_gray(images), batch_size=len(images), verbose=0))),
        (_EAGER, lambda images: _logit(network(_gray(images), training=False))),
        *_converted(network, keras.backend.backend()),
    ]


def _keras_engine(folder: Path, manifest: Manifest) -> Run:
    """As served: on a GPU every batch is filled up, so each size gets an engine of its own there."""
    from app.ct.engines.keras import KerasEngine, fastest_allowed

    precision = fastest_allowed(manifest)
    engines: dict[int | None, KerasEngine] = {}

    def run(images: np.ndarray) -> np.ndarray:
        size = len(images) if gpu_name() else None
        if size not in engines:
            weights = folder / WEIGHTS_FILE
            engines[size] = KerasEngine(manifest.network, weights, precision=precision, batch=size)
        return engines[size](images).logit

    return run


def _converted(network: "keras.Model", backend: str) -> list[Entrant]:
    if backend != "tensorflow":
        return [Absent(name, _OTHER_BACKEND) for name in (_COMPILED, onnx_peer.NAME)]
    try:
        onnx: Entrant = (onnx_peer.NAME, onnx_peer.onnx_run(network))
    except ImportError:
        onnx = Absent(onnx_peer.NAME, NOT_INSTALLED)
    return [(_COMPILED, _compiled(network)), onnx]


def _compiled(network: "keras.Model") -> Run:
    import tensorflow as tf

    function = tf.function(lambda gray: network(gray, training=False))
    return lambda images: _logit(function(tf.constant(_gray(images))))


def _gray(images: np.ndarray) -> np.ndarray:
    return images[..., None].astype(np.float32)


def _logit(output: dict[str, object]) -> np.ndarray:
    return np.asarray(output["logit"])
