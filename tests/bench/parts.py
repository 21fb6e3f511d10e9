"""The parts of a run: what is measured with what, in which order, how often."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.ct.classifier import Classifier, make_engine
from app.ct.engines import Engine
from app.ct.fitness import TrainingSlices
from app.ct.manifest import Manifest
from app.ct.phantom import Phantom, phantom
from app.ct.processors import cpus
from app.ct.workers import Workers
from app.ct.workers.pool import WorkerPool
from app.service import DiagnosisService
from app.uploads import Limits
from tests.bench import codings, costs, crowd, crowds, decoders, exams, over_http, peers, stages, startup
from tests.bench.agreement import agreement_figures, agreement_table, measure_agreement
from tests.bench.client import Form, client_of
from tests.bench.engines import Served, engine_figures, engines_table, measure_engines
from tests.bench.extent import Extent, Name
from tests.bench.goals import Runs
from tests.bench.process import ROOT, serving
from tests.bench.report import Part
from tests.bench.sent import RAW_SLICES, SINGLE, SentExam, Supply, supply

REAL_EXAMS = ROOT.parent / "shared" / "data" / "exams"
KINDS = (codings.RAW, codings.JPEG_LOSSLESS, codings.JPEG_2000, codings.JPEG, codings.JPEG_LARGE)
_DECODED = 32
_CROWD_SLICES = 120


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        model: its folder.
        manifest: of the model.
        runs: what diagnoses exams in every part.
        extent: how much is measured.
        work: a folder to write to.
        tell: told what goes on.
    """

    model: Path
    manifest: Manifest
    runs: Runs
    extent: Extent
    work: Path
    tell: Callable[[str], None]

    @cached_property
    def engine(self) -> Engine:
        """Loaded when it is first needed in this process: on a GPU it would leave little room to a server."""
        return make_engine(self.model, self.manifest, self.runs.engine)

    @cached_property
    def chest(self) -> Phantom:
        """The largest exam, drawn when first asked for."""
        slices = max(RAW_SLICES, *self.extent.sizes)
        self.tell(f"drawing {slices} slices")
        return phantom(slices=slices, lesions="few")

    def coded(self, coding: str, *, slices: int | None = None) -> codings.Coded:
        """The chest in a coding, every so many-th slice of it; written once."""
        chest = self.chest if slices is None else thinned(self.chest, slices)
        folder = self.work / "coded" / f"{len(chest.hu)} {coding}"
        if folder.is_dir():
            return codings.found(folder, coding)
        self.tell(f"writing {len(chest.hu)} slices: {coding}")
        return codings.coded(chest, coding, folder)

    @cached_property
    def sent(self) -> Supply:
        """The exams that are sent whole: a synthetic one, real ones, a picture."""
        return supply(self.work, raw=self.coded(codings.RAW).thinned(RAW_SLICES).files, real=REAL_EXAMS)

    @cached_property
    def training(self) -> TrainingSlices:
        """What the model was trained on."""
        return TrainingSlices.load(self.model / self.manifest.fitness.file)

    def engines(self) -> Part:
        """ms per slice."""
        rounds = self.extent.engines
        turns, absent = measure_engines(
            self.model,
            Served(self.manifest, self.engine, self.training),
            rounds=rounds,
            on_round=self._counted("engines", rounds),
        )
        return Part(Name.ENGINES, [*turns, *absent], [engines_table(turns, absent)], engine_figures(turns))

    def agreement(self) -> Part:
        """The served engine beside the reference."""
        with self._workers() as workers:
            served, reference = (
                DiagnosisService(self._classifier(engine), limits=Limits(), workers=workers)
                for engine in (self.engine, stages.reference_engine(self.model, self.manifest))
            )
            found = measure_agreement(self.sent.exams, served, reference, on_exam=self.tell)
        return Part(Name.AGREEMENT, found, [agreement_table(found, engine=self.runs.engine)], agreement_figures(found))

    def decoders(self) -> Part:
        """Reading by coding."""
        rounds, slices = self.extent.decoders, _DECODED
        with self._workers() as workers:
            found = decoders.measure_decoders(
                [self.coded(coding, slices=slices) for coding in codings.CODINGS],
                workers=workers,
                rounds=rounds,
                on_round=self._counted("decoders", rounds),
            )
        table = decoders.decoders_table(found, slices=slices, processes=cpus())
        return Part(Name.DECODERS, found, [table], decoders.decoder_figures(found))

    def stages(self) -> Part:
        """An exam's stages."""
        with self._workers() as workers:
            found = stages.measure_stages(
                self.sent.exams,
                self.manifest,
                self.engine,
                self.training,
                workers=workers,
                rounds=self.extent.stages,
                on_exam=self.tell,
            )
        table = stages.stages_table(found, engine=self.runs.engine, absent=self.sent.absent)
        return Part(Name.STAGES, found, [table], stages.stage_figures(found))

    def exams(self) -> Part:
        """Exams by kind and size, over HTTP."""
        kinds = [self.coded(kind) for kind in KINDS]
        with serving(self.model, engine=self.runs.engine) as server, client_of(server) as client:
            found = exams.measure_exams(
                client, kinds, sizes=self.extent.sizes, rounds=self.extent.exams, on_exam=self.tell
            )
        table, figures = exams.exams_table(found, engine=self.runs.engine), exams.exam_figures(found)
        return costs.with_courses(Part(Name.EXAMS, found, [table], figures), exams.courses_over_slices(found))

    def clients(self) -> Part:
        """Several at once."""
        form = Form.of(self.coded(codings.JPEG).thinned(_CROWD_SLICES).files)
        single = Form.of(self._exam(SINGLE).files)
        found: list[crowd.Crowd] = []
        with serving(self.model, engine=self.runs.engine) as server:
            alone_s = crowd.alone(server, single, rounds=3)
            crowd.alone(server, form, rounds=1)
            for number in range(1, self.extent.clients + 1):
                for clients in self.extent.crowds:
                    self.tell(f"clients, round {number} of {self.extent.clients}: {clients} at once")
                    found.append(crowd.measure_crowd(server, form, single, clients=clients))
        exam = f"{_CROWD_SLICES} x {codings.JPEG}, {form.megabytes} MB"
        table = crowds.crowds_table(found, exam=exam, engine=self.runs.engine)
        part = Part(Name.CLIENTS, found, [table], crowds.crowd_figures(found, alone_s))
        return costs.with_courses(part, crowds.course_over_clients(found))

    def start(self) -> Part:
        """Start-up."""
        rounds = self.extent.start
        starts = startup.measure_startup(
            self.model, engine=self.runs.engine, rounds=rounds, on_round=self._counted("start-up", rounds)
        )
        table = startup.startup_table(starts, engine=self.runs.engine)
        return Part(Name.START, starts, [table], startup.startup_figures(starts))

    def memory(self) -> Part:
        """Real exams and ZIPs over HTTP, and memory."""
        found = over_http.measure_over_http(
            self.sent.exams, self.model, engine=self.runs.engine, rounds=self.extent.memory, on_exam=self.tell
        )
        tables = [
            over_http.answers_table(found, engine=self.runs.engine, absent=self.sent.absent),
            over_http.memory_table(found, engine=self.runs.engine),
        ]
        return Part(Name.MEMORY, found, tables, over_http.over_http_figures(found))

    def peers(self) -> Part:
        """Beside what a user would write."""
        both = [exam for exam in self.sent.exams if exam.name in self.extent.peered]
        found = peers.measure_peers(
            both, self.model, engine=self.runs.engine, rounds=self.extent.peers, on_exam=self.tell
        )
        table = peers.peers_table(found, engine=self.runs.engine)
        return Part(Name.PEERS, found, [table], peers.peer_figures(found))

    def _classifier(self, engine: Engine) -> Classifier:
        return Classifier(self.manifest, engine, self.training)

    def _exam(self, name: str) -> SentExam:
        return next(exam for exam in self.sent.exams if exam.name == name)

    def _counted(self, part: str, rounds: int) -> Callable[[int], None]:
        return lambda number: self.tell(f"{part}, round {number} of {rounds}")

    @contextmanager
    def _workers(self) -> Iterator[Workers]:
        with WorkerPool() as pool:
            yield pool


def thinned(chest: Phantom, slices: int) -> Phantom:
    """Every so many-th slice of a phantom."""
    step = len(chest.hu) // slices
    some = slice(0, step * slices, step)
    depth, *pixel = chest.spacing_mm
    return Phantom(
        chest.hu[some], chest.lesions[some], chest.lungs[some], (depth * step, pixel[0], pixel[1]), chest.seed
    )


def in_order(bench: Bench, names: list[Name]) -> list[Callable[[], Part]]:
    """What to measure; those that bring TensorFlow into this process come last, for it stays there."""
    parts = {
        Name.START: bench.start,
        Name.MEMORY: bench.memory,
        Name.EXAMS: bench.exams,
        Name.CLIENTS: bench.clients,
        Name.PEERS: bench.peers,
        Name.DECODERS: bench.decoders,
        Name.STAGES: bench.stages,
        Name.AGREEMENT: bench.agreement,
        Name.ENGINES: bench.engines,
    }
    return [part for name, part in parts.items() if name in names]
