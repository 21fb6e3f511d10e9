"""``covidct-train release``: a run becomes a model folder, whole or not at all.

Written beside its place, checked by loading it with every engine and in every precision it may run in, and only then
renamed. Which precisions these are, ``covidct-train precision`` measured.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.ct.classifier import Classifier
from app.ct.manifest import Manifest, Measured, write_manifest
from app.ct.precision import EngineSpec, Precision, PrecisionSpec
from training.measured import GRAPHS
from training.releasing import packing
from training.releasing.findings import Findings
from training.releasing.packing import CARD, GRAPH
from training.releasing.precision_report import Candidate, PrecisionReport
from training.releasing.report import model_card
from training.run import WEIGHTS, Evaluation, Run, RunError, Source
from training.seal import check_seal

MAX_MB = 100
TOLERANCES: Mapping[Precision, float] = {"f32": 0.005, "bf16": 0.03, "int8": 0.05}
"""Largest difference of a probability from the reference on the self-test, by precision of the CPU engine. Its slices are
phantoms, further from training than what the precisions were measured on, so more than the rule's .02 is borne with."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_ENGINES = ("keras", "openvino")
_INT8_GRAPH = "openvino-int8.xml"


def release(
    run_folder: Path,
    *,
    name: str,
    store: Path,
    precision: Precision | None = None,
    tolerances: Mapping[Precision, float] = TOLERANCES,
    max_mb: float = MAX_MB,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write ``store/name`` from a run; a model of that name is replaced.

    Args:
        run_folder: as ``fit`` leaves it, with what was measured since.
        name: of the model.
        store: folder of models.
        precision: a slower allowed one to serve; by default the fastest allowed, float32 where none was measured.
        tolerances: how far the CPU engine may be from the reference, by precision.
        max_mb: what the folder must stay below.
        progress: told what is going on, in words.

    Returns:
        The model's folder.

    Raises:
        RunError: the run is incomplete, there to be compared alone, was altered or measured with other weights; the
            precision is not allowed; or the name is not one.
        BrokenModel: a weight is not finite as stored, or an engine does not give the scores of the reference.
    """
    if not _NAME.fullmatch(name):
        raise RunError("A model's name is lower-case letters, digits, dots and hyphens.")
    run = Run.read(run_folder)
    if run.compare_only:
        raise RunError(run.compare_only)
    check_seal(run_folder)
    findings = Findings.read(run_folder)
    with _aside(store, name) as folder:
        packing.write_weights(run_folder, folder)
        packing.copy_features(run_folder, run.fitness, folder)
        bare = packing.bare_manifest(name, run, folder, scores=packing.score_reference(run_folder, run.calibration))
        findings.check(bare, run)
        if findings.precision is not None:
            findings.precision.check(run_folder, run, weights_sha256=bare.files[WEIGHTS])
        progress("converting for the CPU engine")
        packing.write_graph(run.network, folder)
        chosen = _chosen(findings.precision, precision)
        engine = EngineSpec.of({p: _packed(c, run_folder, folder, tolerances[p]) for p, c in chosen.items()})
        progress("recording the self-test")
        packing.write_selftest(bare, folder)
        packing.keep_measured(run_folder, folder)
        (folder / CARD).write_text(model_card(name, run, findings, engine), encoding="utf-8")
        manifest = _whole(bare, run, findings.evaluations, engine, folder)
        write_manifest(folder, manifest)
        _check_size(folder, max_mb)
        _open_to_readers(folder)
        _prove(manifest, folder, progress)
    return store / name


@contextmanager
def _aside(store: Path, name: str) -> Iterator[Path]:
    """A folder beside ``store/name`` that takes its place when the block ends well, and is gone when it does not."""
    store.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=store))
    new, old, place = room / "new", room / "old", store / name
    new.mkdir()
    try:
        yield new
        if place.exists():
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
    finally:
        shutil.rmtree(room)


def _chosen(report: PrecisionReport | None, wanted: Precision | None) -> dict[Precision, Candidate | None]:
    """The precisions to release, the one to serve first; float32 alone where nothing was measured.

    Raises:
        RunError: the one wanted was not measured or is not allowed, or not even float32 is near enough.
    """
    if report is None:
        if wanted not in (None, "f32"):
            raise RunError(f"{wanted} was not measured on this run: `covidct-train precision` does.")
        return {"f32": None}
    allowed = report.allowed()
    if "f32" not in allowed:
        raise RunError("The CPU engine in float32 is not near enough to the reference, as precision.json says.")
    if wanted is not None and wanted not in allowed:
        raise RunError(f"{wanted} is not allowed by what precision.json measured.")
    names = list(allowed)
    return {p: allowed[p] for p in names[0 if wanted is None else names.index(wanted) :]}


def _packed(candidate: Candidate | None, run_folder: Path, folder: Path, tolerance: float) -> PrecisionSpec:
    """A precision's graph in the model's folder: the shared one, or a copy of the quantized one."""
    measured = None if candidate is None else candidate.measured
    names = [] if candidate is None else list(candidate.files)
    for name in names:
        shutil.copyfile(run_folder / GRAPHS / name, (folder / _INT8_GRAPH).with_suffix(Path(name).suffix))
    return PrecisionSpec(file=_INT8_GRAPH if names else GRAPH, tolerance=tolerance, measured=measured)


def _whole(bare: Manifest, run: Run, evaluations: Sequence[Evaluation], engine: EngineSpec, folder: Path) -> Manifest:
    return bare.model_copy(
        update={
            "files": packing.digests(folder),
            "engines": {"openvino": engine},
            "measured": tuple(figure for e in evaluations for figure in _measured(e)),
            "trained_with": {
                "command": run.command,
                "recipe": run.recipe,
                "settings": run.settings,
                "date": str(run.date),
                "seed": str(run.seed),
                "hours": f"{run.hours:.1f}",
                "hardware": run.hardware,
                "data": ", ".join(sorted({c.dataset for c in run.data if c.part == "train"})),
            },
        }
    )


def _measured(evaluation: Evaluation) -> Iterator[Measured]:
    where = f" ({', '.join(evaluation.where)})" if evaluation.where else ""
    parts: list[tuple[str, Source]] = [(evaluation.title, evaluation)]
    if len(evaluation.per_source) > 1:
        parts += [(f"{evaluation.title}: {name}", source) for name, source in sorted(evaluation.per_source.items())]
    for title, part in parts:
        for metric, figure in part.metrics.items():
            yield Measured(
                data=f"{title}{where}",
                by=evaluation.by,
                metric=metric,
                value=figure.value,
                low=figure.low,
                high=figure.high,
                n=part.n,
                groups=part.groups,
            )


def _prove(manifest: Manifest, folder: Path, progress: Callable[[str], None]) -> None:
    """The self-test on every engine as it will be loaded here, and in every precision another machine may take."""
    from app.ct.engines.openvino import OpenVinoEngine

    for engine in _ENGINES:
        progress(f"loading with {engine}")
        Classifier.load(folder, engine=engine)
    for precision, choice in manifest.engines["openvino"].choices.items():
        progress(f"testing {precision}")
        packing.with_engine(manifest, folder, OpenVinoEngine(folder / choice.file, precision)).self_test(folder)


def _open_to_readers(folder: Path) -> None:
    """Some writers make files for their owner only; the service may run as somebody else."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _check_size(folder: Path, max_mb: float) -> None:
    megabytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
    if megabytes >= max_mb:
        raise RunError(f"The model takes {megabytes:.0f} MB; less than {max_mb:.0f} MB is allowed.")
