"""Seconds of each stage of a diagnosis, through ``DiagnosisService`` itself."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from app.ct.classifier import WEIGHTS_FILE, Classifier
from app.ct.engines import Engine, NetworkOutput
from app.ct.errors import EngineUnavailable
from app.ct.fitness import TrainingSlices
from app.ct.heatmap import overlay_png
from app.ct.manifest import Manifest
from app.ct.precision import Precision
from app.ct.selection import CPU_SLICES
from app.ct.workers import ON_THE_SPOT, Workers
from app.exam_folder import ExamFolder, Wish
from app.service import Diagnosed, DiagnosisService
from app.settings import Settings
from app.uploads import Limits, unpack
from tests.bench.figures import Figure
from tests.bench.sent import SentExam
from tests.bench.tables import Table, figure

WISHES = {str(CPU_SLICES): Wish(slices=CPU_SLICES), "all": Wish(slices=0)}
_NOTES = (
    "Median of the rounds, stage by stage. Preprocess: what of scoring is not the network; it runs in worker processes, ahead of "
    "it, so that this is waiting. Judge: the exam rule.",
    "Keep: slices and maps written to the store. Receiving is among the exams over HTTP.",
    "Not in the total: unzip, unpacking the same exam sent as ZIP; overlay, drawing one picture when it is asked for.",
)


@dataclass(frozen=True)
class StageSeconds:
    """One diagnosis."""

    unzip: float
    unpack: float
    read: float
    select: float
    preprocess: float
    network: float
    judge: float
    keep: float
    overlay: float

    @property
    def total(self) -> float:
        """From the files to slices and maps in the store."""
        return float(sum(seconds for stage, seconds in asdict(self).items() if stage not in ("unzip", "overlay")))


@dataclass(frozen=True)
class ExamStages:
    """One exam, diagnosed several times.

    Attributes:
        exam: its name.
        asked: slices asked for, "64" or "all".
        slices, scored: read and scored.
        rounds: one entry per diagnosis.
    """

    exam: str
    asked: str
    slices: int
    scored: int
    rounds: tuple[StageSeconds, ...]

    def median(self, stage: str) -> float:
        """Of one stage, or of the total."""
        return float(statistics.median(getattr(seconds, stage) for seconds in self.rounds))


@dataclass
class TimedEngine:
    """An engine, and the seconds it has run."""

    engine: Engine
    seconds: float = 0.0
    name: str = field(init=False)
    on_gpu: bool = field(init=False)
    precision: Precision = field(init=False)

    def __post_init__(self) -> None:
        engine = self.engine
        self.name, self.on_gpu, self.precision = engine.name, engine.on_gpu, engine.precision

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """Run it."""
        start = time.perf_counter()
        try:
            return self.engine(images)
        finally:
            self.seconds += time.perf_counter() - start


def reference_engine(folder: Path, manifest: Manifest) -> Engine:
    """Keras in float32.

    Raises:
        EngineUnavailable: it is not installed.
    """
    try:
        from app.ct.engines.keras import KerasEngine
    except ImportError as error:
        raise EngineUnavailable("The engine keras is not installed.") from error
    return KerasEngine(manifest.network, folder / WEIGHTS_FILE)


def precision_of(manifest: Manifest, name: str) -> Precision:
    """What an engine computes in with these weights on this machine.

    Raises:
        EngineUnavailable: it is not installed, or the model has no files for it.
    """
    try:
        if name == "keras":
            from app.ct.engines.keras import fastest_allowed

            return fastest_allowed(manifest)
        from app.ct.engines.openvino import native_precisions
    except ImportError as error:
        raise EngineUnavailable(f"The engine {name} is not installed.") from error
    spec = manifest.engines.get("openvino")
    if spec is None:
        raise EngineUnavailable("The model has no files for the OpenVINO engine.")
    return spec.runs_in(native_precisions())


def measure_stages(
    exams: Sequence[SentExam],
    manifest: Manifest,
    engine: Engine,
    training: TrainingSlices,
    *,
    workers: Workers = ON_THE_SPOT,
    rounds: int,
    on_exam: Callable[[str], None],
) -> list[ExamStages]:
    """Diagnose every exam ``rounds`` times, with 64 slices and with all; once before that, untimed.

    Args:
        exams: to diagnose.
        manifest: of the model.
        engine: runs the network.
        training: of the model.
        workers: decode and prepare.
        rounds: at least 1; exams take turns.
        on_exam: told what is diagnosed.
    """
    timed = TimedEngine(engine)
    classifier = Classifier(manifest, timed, training)
    service = DiagnosisService(classifier, limits=Limits(), keep_values=Settings().keep_values, workers=workers)
    diagnose_once(exams[-1], Wish(), service, timed)
    found: dict[tuple[str, str], list[tuple[Diagnosed, StageSeconds]]] = {}
    for number in range(1, rounds + 1):
        for exam in exams:
            # One slice is one slice, however many are asked for.
            for asked, wish in WISHES.items() if len(exam.files) > 1 else [("all", WISHES["all"])]:
                on_exam(f"stages, round {number} of {rounds}: {exam.name}, {asked} slices")
                found.setdefault((exam.name, asked), []).append(diagnose_once(exam, wish, service, timed))
    return [_exam_stages(name, asked, diagnoses) for (name, asked), diagnoses in found.items()]


def _exam_stages(exam: str, asked: str, diagnoses: Sequence[tuple[Diagnosed, StageSeconds]]) -> ExamStages:
    first = diagnoses[0][0]
    seconds = tuple(spent for _, spent in diagnoses)
    return ExamStages(exam, asked, len(first.exam.slices), len(first.scores.indices), seconds)


def diagnose_once(
    exam: SentExam, wish: Wish, service: DiagnosisService, engine: TimedEngine
) -> tuple[Diagnosed, StageSeconds]:
    """One diagnosis from files to the store, and one picture."""
    clock = _Laps()
    with tempfile.TemporaryDirectory(prefix="covidct-bench-") as room:
        folder = ExamFolder(Path(room) / "exam")
        folder.create()
        with clock("unzip"):
            unpack([exam.archive], service.limits, spool=folder.new_spool())
        spool, network_before = folder.new_spool(), engine.seconds
        with clock("unpack"):
            files = unpack(exam.files, service.limits, spool=spool)
        with clock("diagnose"):
            diagnosed = service.diagnose(files, spool=spool, wish=wish, on_progress=lambda _: None)
        network = engine.seconds - network_before
        with clock("keep"):
            folder.keep(diagnosed.exam, diagnosed.scores)
        with clock("overlay"):
            _strongest_overlay(diagnosed)
    timing, laps = diagnosed.timing, clock.seconds
    return diagnosed, StageSeconds(
        unzip=laps["unzip"],
        unpack=laps["unpack"],
        read=timing.read,
        select=timing.select,
        preprocess=timing.score - network,
        network=network,
        judge=laps["diagnose"] - timing.read - timing.select - timing.score,
        keep=laps["keep"],
        overlay=laps["overlay"],
    )


@dataclass
class _Laps:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, lap: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[lap] = time.perf_counter() - start


def _strongest_overlay(diagnosed: Diagnosed) -> bytes:
    scores = diagnosed.scores
    row = int(scores.logits.argmax())
    top, left, bottom, right = (int(edge) for edge in scores.boxes[row])
    return overlay_png(diagnosed.exam.slices[scores.indices[row]].gray, scores.heat[row], (top, left, bottom, right))


def stages_table(exams: Sequence[ExamStages], *, engine: str, absent: Sequence[str]) -> Table:
    """A row per exam and number of slices."""
    stages = (*StageSeconds.__dataclass_fields__, "total")
    rows = tuple(
        (e.exam, e.asked, str(e.slices), str(e.scored), *(_seconds(e.median(stage)) for stage in stages)) for e in exams
    )
    columns = ("exam", "asked", "slices", "scored", *stages)
    return Table(f"Stages of an exam: seconds ({engine} engine)", columns, rows, (*_NOTES, *absent))


def stage_figures(exams: Sequence[ExamStages]) -> list[Figure]:
    """Each stage of each exam, and the total."""
    stages = (*StageSeconds.__dataclass_fields__, "total")
    return [
        Figure(f"stages: {e.exam}, {e.asked} scored, {stage}", "s", tuple(getattr(r, stage) for r in e.rounds))
        for e in exams
        for stage in stages
    ]


def _seconds(value: float) -> str:
    """Short stages in thousandths."""
    return figure(value) if value >= 0.1 else f"{value:.3f}"
