import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from app.ct.classifier import WEIGHTS_FILE, make_engine
from app.ct.engines import keras as engine
from app.ct.engines.keras import KerasEngine, fastest_allowed, gpu_precisions
from app.ct.manifest import Manifest, read_manifest
from app.ct.precision import EngineSpec
from tests.models import the_served_model


@pytest.fixture(scope="module")
def served() -> tuple[Path, Manifest]:
    folder = the_served_model()
    return folder, read_manifest(folder)


_OFF_IN_BFLOAT16 = """
import sys
from pathlib import Path

from app.ct.classifier import WEIGHTS_FILE, Classifier
from app.ct.engines.keras import KerasEngine
from app.ct.fitness import TrainingSlices
from app.ct.manifest import read_manifest

folder = Path(sys.argv[1])
manifest = read_manifest(folder)
engine = KerasEngine(manifest.network, folder / WEIGHTS_FILE, precision="bf16", batch=1)
print(Classifier(manifest, engine, TrainingSlices.load(folder / manifest.fitness.file)).self_test(folder))
"""


def test_bfloat16_passes_the_self_test_of_the_served_model_and_is_not_float32(served):
    folder, manifest = served
    # oneDNN has bfloat16 for some processors alone; what TensorFlow does without it, it does on all.
    anywhere = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"}

    command = [sys.executable, "-c", _OFF_IN_BFLOAT16, str(folder)]
    said = subprocess.run(command, env=anywhere, capture_output=True, text=True, check=True).stdout

    assert 1e-5 < float(said) <= manifest.engines["openvino"].choices["bf16"].tolerance


def test_pictures_go_to_the_device_as_bytes(served, monkeypatch):
    folder, manifest = served
    running = KerasEngine(manifest.network, folder / WEIGHTS_FILE, batch=1)
    sent = []
    run = running._network.predict_on_batch
    monkeypatch.setattr(running._network, "predict_on_batch", lambda images: sent.append(images.dtype) or run(images))

    running(np.zeros((1, manifest.network.size, manifest.network.size), np.uint8))

    assert sent == [np.uint8]


def test_float32_is_not_rounded_to_eleven_bits_on_a_gpu(served):
    tf = pytest.importorskip("tensorflow")
    folder, manifest = served
    tf.config.experimental.enable_tensor_float_32_execution(True)

    KerasEngine(manifest.network, folder / WEIGHTS_FILE, batch=1)

    assert not tf.config.experimental.tensor_float_32_execution_enabled()


@pytest.mark.parametrize(
    ("capabilities", "native"), [([(9, 0)], {"bf16"}), ([(8, 0), (7, 5)], set()), ([(6, 1)], set()), ([None], set())]
)
def test_a_gpu_computes_bfloat16_where_it_has_instructions_for_it(monkeypatch, capabilities, native):
    tf = pytest.importorskip("tensorflow")
    devices = dict(enumerate(capabilities))
    details = {place: {} if able is None else {"compute_capability": able} for place, able in devices.items()}
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: [f"{kind}:{place}" for place in devices])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(devices) if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)

    assert gpu_precisions() == native


def test_without_a_gpu_the_reference_runs_in_float32(served):
    assert fastest_allowed(served[1]) == "f32"


_UNMEASURED = {"openvino": EngineSpec(file="graph.xml", precision="bf16", tolerance=0.03)}


@pytest.mark.parametrize(
    ("altered", "runs_in"), [({}, "bf16"), ({"engines": {}}, "f32"), ({"engines": _UNMEASURED}, "f32")]
)
def test_a_gpu_computes_in_what_was_measured_on_the_weights(served, monkeypatch, altered, runs_in):
    monkeypatch.setattr(engine, "gpu_precisions", lambda: frozenset({"bf16"}))

    assert fastest_allowed(served[1].model_copy(update=altered)) == runs_in


def test_what_is_allowed_is_what_the_engine_computes_in(served, monkeypatch):
    folder, manifest = served
    asked = []
    monkeypatch.setattr(engine, "gpu_precisions", lambda: frozenset({"bf16"}))
    monkeypatch.setattr(engine, "KerasEngine", lambda *_, precision: asked.append(precision))

    make_engine(folder, manifest, "keras")

    assert asked == ["bf16"]


def test_a_gpu_is_given_full_batches_and_what_fills_them_is_dropped(served, monkeypatch):
    folder, manifest = served
    running = KerasEngine(manifest.network, folder / WEIGHTS_FILE, batch=2)
    monkeypatch.setattr(running, "on_gpu", True)
    sizes = []
    run = running._network.predict_on_batch
    monkeypatch.setattr(running._network, "predict_on_batch", lambda images: sizes.append(len(images)) or run(images))
    gray = np.random.default_rng(0).integers(0, 255, (3, manifest.network.size, manifest.network.size), dtype=np.uint8)

    found = running(gray)

    assert sizes == [2, 2]
    assert len(found.logit) == 3
