"""Milliseconds per slice: every engine beside Keras's own ``predict()``, with the same weights on the same slices."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.ct.classifier import WEIGHTS_FILE
from app.ct.manifest import Manifest
from app.ct.phantom import phantom
from app.ct.preprocessing import make_preprocessor
from tests.bench.rounds import Contender, Run, Turns, alternate
from tests.bench.tables import Table, figure, middle

if TYPE_CHECKING:
    import keras

BATCHES = (1, 8, 16)
BASELINE = "Keras `predict()`"
NOT_INSTALLED = "not installed"
_OPENVINO = {"f32": "OpenVINO engine f32", "bf16": "OpenVINO engine bf16"}
_SERVED, _EAGER, _COMPILED = "Keras engine as served", "Keras eager `model(x)`", "TensorFlow `tf.function`"
_NOTES = (
    "Median of the rounds, in brackets from where to where they lie; `x` is how many times as fast as `predict()` at that batch.",
    "The engines make their own batches: Keras's is filled up where there are fewer slices, OpenVINO's cut where there are more.",
    "Difference: the largest of a probability from `predict()`, on the same slices.",
)


@dataclass(frozen=True)
class Absent:
    """A contender that cannot run here."""

    name: str
    why: str


Entrant = tuple[str, Run] | Absent


def measure_engines(
    folder: Path, manifest: Manifest, *, rounds: int, on_round: Callable[[int], None]
) -> tuple[list[Turns], list[Absent]]:
    """Time every way to run the network.

    Args:
        folder: of the model.
        manifest: the model's.
        rounds: turns of each contender at each batch.
        on_round: told the number of each round as it begins.

    Returns:
        Figures of what is installed, in the order of the table; what is not.
    """
    entrants = [*openvino_entrants(folder, manifest), *keras_entrants(folder, manifest)]
    contenders = [Contender(e[0], b, e[1]) for e in entrants if not isinstance(e, Absent) for b in BATCHES]
    absent = [e for e in entrants if isinstance(e, Absent)]
    turns = alternate(contenders, network_inputs(manifest), rounds=rounds, on_round=on_round) if contenders else []
    return turns, absent


def network_inputs(manifest: Manifest) -> np.ndarray:
    """uint8 (16, size, size): the middle slices of a diseased phantom, prepared as for serving."""
    drawn = phantom(slices=2 * max(BATCHES), lesions="many", size=256).exam().slices
    prepare = make_preprocessor(manifest.preprocessing.name, manifest.preprocessing.size)
    first = (len(drawn) - max(BATCHES)) // 2
    return np.stack([prepare(s).image for s in drawn[first : first + max(BATCHES)]])


def openvino_entrants(folder: Path, manifest: Manifest) -> list[Entrant]:
    """The CPU engine in each precision."""
    try:
        from app.ct.engines.openvino import OpenVinoEngine
    except ImportError:
        return [Absent(name, NOT_INSTALLED) for name in _OPENVINO.values()]
    spec = manifest.engines.get("openvino")
    if spec is None:
        return [Absent(name, "no files in the model") for name in _OPENVINO.values()]

    def run(precision: str) -> Run:
        # Both run on the graph that is not quantized; a quantized one is served beside it, never alone.
        graph = next(choice.file for name, choice in reversed(spec.choices.items()) if name != "int8")
        engine = OpenVinoEngine(folder / graph, "bf16" if precision == "bf16" else "f32")
        return lambda images: engine(images).logit

    return [(name, run(precision)) for precision, name in _OPENVINO.items()]


def keras_entrants(folder: Path, manifest: Manifest) -> list[Entrant]:
    """The reference engine, and Keras without it."""
    try:
        import keras

        from app.ct.engines.keras import KerasEngine
        from app.ct.network import build_network
        from app.ct.weights import load_weights
    except ImportError:
        return [Absent(name, NOT_INSTALLED) for name in (_SERVED, BASELINE, _EAGER, _COMPILED)]
    network = build_network(manifest.network)
    load_weights(network, folder / WEIGHTS_FILE)
    engine = KerasEngine(manifest.network, folder / WEIGHTS_FILE)
    compiled = _compiled(network) if keras.backend.backend() == "tensorflow" else None
    return [
        (_SERVED, lambda images: engine(images).logit),
        (BASELINE, lambda images: _logit(network.predict(_gray(images), batch_size=len(images), verbose=0))),
        (_EAGER, lambda images: _logit(network(_gray(images), training=False))),
        (_COMPILED, compiled) if compiled else Absent(_COMPILED, "Keras runs on another backend"),
    ]


def _compiled(network: "keras.Model") -> Run:
    import tensorflow as tf

    function = tf.function(lambda gray: network(gray, training=False))
    return lambda images: _logit(function(tf.constant(_gray(images))))


def _gray(images: np.ndarray) -> np.ndarray:
    return images[..., None].astype(np.float32)


def _logit(output: dict[str, object]) -> np.ndarray:
    return np.asarray(output["logit"])


def engines_table(turns: list[Turns], absent: list[Absent]) -> Table:
    """A row per contender, three columns per batch."""
    rows = [_row(name, turns) for name in dict.fromkeys(t.name for t in turns)]
    rows += [(a.name, a.why, *[""] * (2 * len(BATCHES))) for a in absent]
    columns = tuple(head for b in BATCHES for head in (f"batch {b}", "x"))
    return Table("Network: ms per slice", ("engine", *columns, "difference"), tuple(rows), _NOTES)


def _row(name: str, turns: list[Turns]) -> tuple[str, ...]:
    found = {(t.name, t.batch): t for t in turns}
    cells: list[str] = []
    differences: list[float] = []
    for batch in BATCHES:
        mine, baseline = found[name, batch], found.get((BASELINE, batch))
        cells += [middle(mine.ms_per_slice), "" if baseline is None else figure(baseline.median_ms / mine.median_ms)]
        differences += [] if baseline is None else [difference(mine, baseline)]
    return (name, *cells, f"{max(differences):.5f}" if differences else "")


def difference(one: Turns, other: Turns) -> float:
    """The largest difference of a probability."""
    a, b = (1 / (1 + np.exp(-np.array(t.logits, dtype=np.float64))) for t in (one, other))
    return float(np.abs(a - b).max())
