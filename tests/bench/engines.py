"""Milliseconds per slice: every engine beside Keras's own ``predict()``, with the same weights on the same slices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.ct.classifier import Classifier
from app.ct.engines import Engine
from app.ct.fitness import TrainingSlices
from app.ct.manifest import Manifest
from app.ct.phantom import phantom
from app.ct.preprocessing import Prepared, make_preprocessor
from tests.bench.entrants import BASELINE, Absent, Entrant, keras_entrants, openvino_entrants
from tests.bench.figures import Figure
from tests.bench.gpu import gpu_name
from tests.bench.rounds import Contender, Run, Turns, alternate
from tests.bench.tables import Table, figure, middle

CPU_BATCHES = (1, 8, 16)
GPU_BATCHES = (*CPU_BATCHES, 32, 64, 128)
SERVICE = "Service: scoring, as it runs here"
_NOTES = (
    "Median of the rounds, in brackets from where to where they lie; `x` is how many times as fast as `predict()` at that batch.",
    "The engines make their own batches: Keras's is filled up where there are fewer slices, OpenVINO's cut where there are more.",
    "Difference: the largest of a probability from `predict()`, on the same slices.",
    "The service scores chunks of 8: its engine with all that follows for maps, fitness and areas. "
    "Alone: the same compiled graph, asked without any of our code around it.",
)


@dataclass(frozen=True)
class Served:
    """What scoring needs besides the network, as the service has it."""

    manifest: Manifest
    engine: Engine
    training: TrainingSlices

    def entrant(self, slices: Sequence[Prepared]) -> tuple[str, Run]:
        """The service's own scoring of the first of ``slices``, whatever pictures it is asked about."""
        classifier = Classifier(self.manifest, self.engine, self.training)
        slope, intercept = self.manifest.calibration

        def run(images: np.ndarray) -> np.ndarray:
            scores = classifier.score_prepared(slices[: len(images)])
            return np.asarray((scores.logits - intercept) / slope)

        return SERVICE, run


def batches() -> tuple[int, ...]:
    """Those measured on this machine."""
    return GPU_BATCHES if gpu_name() else CPU_BATCHES


def measure_engines(
    folder: Path, served: Served, *, rounds: int, on_round: Callable[[int], None]
) -> tuple[list[Turns], list[Absent]]:
    """Time every way to run the network.

    Args:
        folder: of the model.
        served: the model as it is served.
        rounds: turns of each contender at each batch.
        on_round: told the number of each round as it begins.

    Returns:
        Figures of what is installed, in the order of the table; what is not.
    """
    slices = network_slices(served.manifest, max(batches()))
    entrants: list[Entrant] = [
        served.entrant(slices),
        *openvino_entrants(folder, served.manifest),
        *keras_entrants(folder, served.manifest),
    ]
    contenders = [Contender(e[0], b, e[1]) for e in entrants if not isinstance(e, Absent) for b in batches()]
    absent = [e for e in entrants if isinstance(e, Absent)]
    images = np.stack([one.image for one in slices])
    return alternate(contenders, images, rounds=rounds, on_round=on_round), absent


def network_slices(manifest: Manifest, count: int) -> list[Prepared]:
    """The middle slices of a diseased phantom, prepared as for serving; beyond 16 they come again."""
    distinct = min(count, max(CPU_BATCHES))
    drawn = phantom(slices=2 * distinct, lesions="many", size=256).exam().slices
    prepare = make_preprocessor(manifest.preprocessing.name, manifest.preprocessing.size)
    first = (len(drawn) - distinct) // 2
    prepared = [prepare(s) for s in drawn[first : first + distinct]]
    return [prepared[k % distinct] for k in range(count)]


def engines_table(turns: list[Turns], absent: list[Absent]) -> Table:
    """A row per contender, two columns per batch."""
    sizes = tuple(dict.fromkeys(t.batch for t in turns))
    rows = [_row(name, turns, sizes) for name in dict.fromkeys(t.name for t in turns)]
    rows += [(a.name, a.why, *[""] * (2 * len(sizes))) for a in absent]
    columns = tuple(head for b in sizes for head in (f"batch {b}", "x"))
    return Table("Network: ms per slice", ("engine", *columns, "difference"), tuple(rows), _NOTES)


def _row(name: str, turns: list[Turns], sizes: tuple[int, ...]) -> tuple[str, ...]:
    found = {(t.name, t.batch): t for t in turns}
    cells: list[str] = []
    differences: list[float] = []
    for batch in sizes:
        mine, baseline = found[name, batch], found.get((BASELINE, batch))
        cells += [middle(mine.ms_per_slice), "" if baseline is None else figure(baseline.median_ms / mine.median_ms)]
        differences += [] if baseline is None else [difference(mine, baseline)]
    return (name, *cells, f"{max(differences):.5f}" if differences else "")


def engine_figures(turns: Sequence[Turns]) -> list[Figure]:
    """ms per slice of each contender at each batch."""
    return [Figure(figure_name(t.name, t.batch), "ms/slice", t.ms_per_slice) for t in turns]


def figure_name(name: str, batch: int) -> str:
    """Of a contender at a batch."""
    return f"network: {name}, batch {batch}"


def difference(one: Turns, other: Turns) -> float:
    """The largest difference of a probability."""
    a, b = (1 / (1 + np.exp(-np.array(t.logits, dtype=np.float64))) for t in (one, other))
    return float(np.abs(a - b).max())
