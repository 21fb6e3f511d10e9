"""``covidct-train precision``: in which precisions the CPU engine may compute, measured on a run's own weights.

Float32, bfloat16 and several int8 variants of the CPU engine are compared with Keras in float32 on validation slices, and
``agreement.Rule`` says which are near enough. ``precision.json`` goes into the run, beside it the int8 graphs that
were allowed; ``release`` takes both.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from app.ct.classifier import WEIGHTS_FILE, Classifier
from app.ct.engines import Engine
from app.ct.manifest import file_sha256
from app.ct.precision import Agreement, Precision
from app.ct.preprocessing import Prepared, Preprocessor, make_preprocessor
from app.ct.scores import SliceScores
from training.hardware import processor, versions
from training.measured import GRAPHS
from training.metrics.evaluation import DRAWS
from training.records.catalog import CATALOG, Catalog, Part, Record
from training.releasing import packing
from training.releasing.agreement import Cases, Rule, Speed, agreement
from training.releasing.precision_report import Calibrated, Candidate, PrecisionReport
from training.releasing.quantization import VARIANTS, Variant, quantize
from training.run import Run, RunError

_BATCH = 8
"""As many as the classifier sends at a time."""
_CHUNK = 64


@dataclass(frozen=True)
class PrecisionSettings:
    """How the measurement is done.

    Attributes:
        rule: what is allowed.
        variants: of int8.
        calibration_slices: training slices that int8's ranges are measured on.
        rounds: batches timed for each engine, in turns.
        draws, seed: of the bootstrap; the seed also chooses the calibration slices.
    """

    rule: Rule = field(default_factory=Rule)
    variants: tuple[Variant, ...] = VARIANTS
    calibration_slices: int = 128
    rounds: int = 9
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True)
class Contender:
    """A graph and the precision it is run in."""

    name: str
    precision: Precision
    graph: Path
    keeps: tuple[str, ...] = ()

    def engine(self) -> Engine:
        """Compiled for this machine."""
        from app.ct.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(self.graph, self.precision)


def measure_precision(
    run_folder: Path,
    work: Path,
    *,
    settings: PrecisionSettings | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> PrecisionReport:
    """Write ``run_folder/precision.json`` and the graphs it allows.

    Args:
        run_folder: of the run.
        work: folder that ``prepare`` wrote for it.
        settings: how; the defaults are what is released by.
        progress: told what is going on, in words.

    Raises:
        RunError: the run cannot be read, or the catalog has no validation or training slices of its data sets.
        BrokenModel: a weight is not finite.
    """
    settings = settings or PrecisionSettings()
    run = Run.read(run_folder)
    calibration, validation = _records(run, work, settings)
    with tempfile.TemporaryDirectory(dir=run_folder, prefix=".precision-") as room:
        folder = Path(room)
        packing.write_weights(run_folder, folder)
        packing.copy_features(run_folder, run.fitness, folder)
        packing.write_graph(run.network, folder)
        preprocessor = make_preprocessor(run.preprocessing.name, run.preprocessing.size)
        contenders = _contenders(_images(_prepared(calibration, preprocessor)), folder, settings, progress)
        bench = Bench(run, folder, _prepared(validation, preprocessor), settings, progress)
        measured = bench.measured(contenders, cases=_cases(validation))
        report = PrecisionReport(
            weights_sha256=file_sha256(folder / WEIGHTS_FILE),
            preprocessing=run.preprocessing,
            calibration=run.calibration,
            image=run.image,
            rule=settings.rule,
            quantized_on=Calibrated(part="train", slices=len(calibration), by_dataset=_by_dataset(calibration)),
            measured_on=_by_dataset(validation),
            draws=settings.draws,
            seed=settings.seed,
            hardware=processor(),
            native=bench.native(),
            versions=versions("openvino", "nncf", "keras", "numpy"),
            candidates=measured,
        )
        _keep_graphs(report, folder, run_folder)
    report.write(run_folder)
    return report


def _records(run: Run, work: Path, settings: PrecisionSettings) -> tuple[list[Record], list[Record]]:
    """Training slices to quantize on and validation slices to measure on, of the data sets that the run saw."""
    catalog = Catalog.read(work / CATALOG)
    seen = {c.dataset for c in run.data}
    validation = [r for r in catalog.of_part(Part.VALIDATION) if r.dataset in seen and not r.is_exam]
    training = [r for r in catalog.training() if r.dataset in seen and not r.is_exam]
    if not validation or not training:
        raise RunError("The catalog has no training or no validation slices of the run's data sets.")
    return calibration_records(training, settings.calibration_slices, seed=settings.seed), validation


def calibration_records(training: Sequence[Record], count: int, *, seed: int) -> list[Record]:
    """Some training records, of each data set and label about as many.

    Args:
        training: records of part train.
        count: how many are wanted.
        seed: of the choice.

    Raises:
        ValueError: a record of another part.
    """
    if any(r.part is not Part.TRAIN for r in training):
        raise ValueError("int8 is calibrated on training slices only")
    turn: Counter[tuple[str, int]] = Counter()
    placed: list[tuple[int, int, Record]] = []
    for k in np.random.default_rng(seed).permutation(len(training)):
        cell = (training[k].dataset, training[k].label)
        turn[cell] += 1
        placed.append((turn[cell], len(placed), training[k]))
    return [record for _, _, record in sorted(placed, key=lambda p: p[:2])[:count]]


def _prepared(records: Sequence[Record], preprocessor: Preprocessor) -> list[Prepared]:
    return [preprocessor(r.read().slices[0]) for r in records]


def _images(prepared: Sequence[Prepared]) -> np.ndarray:
    return np.stack([p.image for p in prepared])


def _cases(records: Sequence[Record]) -> Cases:
    return Cases(np.array([r.label for r in records]), np.array([r.group for r in records]))


def _by_dataset(records: Sequence[Record]) -> dict[str, int]:
    return dict(sorted(Counter(r.dataset for r in records).items()))


def _contenders(
    images: np.ndarray, folder: Path, settings: PrecisionSettings, progress: Callable[[str], None]
) -> list[Contender]:
    graph = folder / packing.GRAPH
    found = [Contender("f32", "f32", graph), Contender("bf16", "bf16", graph)]
    for variant in settings.variants:
        progress(f"quantizing {variant.name} on {len(images)} training slices")
        quantize(graph, images, variant, to := folder / f"{variant.name}.xml")
        found.append(Contender(variant.name, "int8", to, variant.keeps))
    return found


_NOT_NATIVE = "not computed on this processor, which would have done it in float32"


@dataclass(frozen=True, eq=False)
class Bench:
    """Where contenders are measured: the run, the files made of it, and validation slices as served."""

    run: Run
    folder: Path
    prepared: Sequence[Prepared]
    settings: PrecisionSettings
    progress: Callable[[str], None]

    def native(self) -> tuple[str, ...]:
        """What this processor has instructions for."""
        from app.ct.engines.openvino import native_precisions

        return tuple(sorted(native_precisions()))

    def measured(self, contenders: Sequence[Contender], *, cases: Cases) -> tuple[Candidate, ...]:
        """Every contender with its figures and what speaks against it, the fastest first."""
        manifest = packing.bare_manifest("measured", self.run, self.folder)
        self.progress(f"Keras on {len(self.prepared)} validation slices")
        reference = self._scores(packing.with_engine(manifest, self.folder, packing.reference(manifest, self.folder)))
        engines = {c.name: c.engine() for c in contenders}
        times = in_turns(engines, _images(self.prepared[:_BATCH]), rounds=self.settings.rounds)
        found = []
        for contender in contenders:
            self.progress(f"{contender.name} on {len(self.prepared)} validation slices")
            scores = self._scores(packing.with_engine(manifest, self.folder, engines[contender.name]))
            milliseconds = times[contender.name]
            measured = agreement(
                reference,
                scores,
                cases,
                decision=self.run.image,
                speed=Speed(milliseconds, times["f32"] / milliseconds),
                draws=self.settings.draws,
                seed=self.settings.seed,
            )
            found.append(self._candidate(contender, measured))
        return tuple(sorted(found, key=lambda c: -c.measured.speed))

    def _candidate(self, contender: Contender, measured: Agreement) -> Candidate:
        graph = contender.graph
        files = (graph, graph.with_suffix(".bin")) if contender.precision == "int8" else ()
        # OpenVINO computes what a processor lacks in float32, which would agree with float32.
        foreign = () if contender.precision in self.native() else (_NOT_NATIVE,)
        return Candidate(
            name=contender.name,
            precision=contender.precision,
            keeps=contender.keeps,
            files={path.name: file_sha256(path) for path in files},
            measured=measured,
            faults=(*foreign, *self.settings.rule.faults(measured)),
        )

    def _scores(self, classifier: Classifier) -> SliceScores:
        places = range(len(self.prepared))
        chunks = [places[k : k + _CHUNK] for k in places[::_CHUNK]]
        return SliceScores.joined(
            [classifier.score_prepared([self.prepared[i] for i in chunk], indices=chunk) for chunk in chunks]
        )


def in_turns(engines: Mapping[str, Engine], images: np.ndarray, *, rounds: int) -> dict[str, float]:
    """Milliseconds per slice by name, the median of ``rounds``; in turns, so that what else the machine does hits all.

    Args:
        engines: compiled; each runs once before it is timed.
        images: uint8 (slices, size, size), one batch.
        rounds: at least one.
    """
    for engine in engines.values():
        engine(images)
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            started = perf_counter()
            engine(images)
            taken[name].append((perf_counter() - started) * 1e3 / len(images))
    return {name: median(times) for name, times in taken.items()}


def _keep_graphs(report: PrecisionReport, folder: Path, run_folder: Path) -> None:
    """Graphs that may be served, in the place of those of an earlier measurement."""
    kept = run_folder / GRAPHS
    shutil.rmtree(kept, ignore_errors=True)
    names = [name for candidate in report.allowed().values() for name in candidate.files]
    if names:
        kept.mkdir()
    for name in names:
        shutil.copyfile(folder / name, kept / name)
