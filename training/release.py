"""``covidct-train release``: a run becomes a model folder, whole or not at all.

Written beside its place, checked by loading it with every engine, and only then renamed.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from app.ct.classifier import SELFTEST_FILE, WEIGHTS_FILE, Classifier
from app.ct.engines import Engine
from app.ct.exam import Slice
from app.ct.fitness import TrainingSlices
from app.ct.lungs import find_lungs
from app.ct.manifest import EngineSpec, FitnessSpec, Manifest, Measured, NetworkSpec, file_sha256, write_manifest
from app.ct.phantom import phantom
from app.ct.preprocessing import spec_of
from training.report import model_card
from training.run import REFUSALS, TRANSFERS, WEIGHTS, Evaluation, Run, RunError, Source, read_evaluations

CARD = "MODEL_CARD.md"
GRAPH = "openvino.xml"
MAX_MB = 100
TOLERANCES = {"f32": 0.005, "bf16": 0.03}
"""Largest difference of a probability from the reference, by precision of the CPU engine."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_ENGINES = ("keras", "openvino")
_SELFTEST_SIZE = 256
_SELFTEST_SLICES = 9
_SELFTEST_SHOWN = slice(2, 7, 2)


def release(
    run_folder: Path,
    *,
    name: str,
    store: Path,
    precision: str = "f32",
    tolerances: Mapping[str, float] = TOLERANCES,
    max_mb: float = MAX_MB,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write ``store/name`` from a run; a model of that name is replaced.

    Args:
        run_folder: as ``fit`` leaves it, with the evaluations made since.
        name: of the model.
        store: folder of models.
        precision: of the CPU engine, "f32" or "bf16".
        tolerances: how far the CPU engine may be from the reference, by precision.
        max_mb: what the folder must stay below.
        progress: told what is going on, in words.

    Returns:
        The model's folder.

    Raises:
        RunError: the run is incomplete, was altered or evaluated with other weights; or the name is not one.
        BrokenModel: a weight is not finite as stored, or an engine does not give the scores of the reference.
    """
    if not _NAME.fullmatch(name):
        raise RunError("A model's name is lower-case letters, digits, dots and hyphens.")
    run = Run.read(run_folder)
    evaluations = read_evaluations(run_folder)
    with _aside(store, name) as folder:
        _write_weights(run_folder, folder)
        _copy_features(run_folder, run.fitness, folder)
        progress("converting for the CPU engine")
        _write_graph(run.network, folder)
        spec = {"file": GRAPH, "precision": precision, "tolerance": tolerances[precision]}
        manifest = _manifest(name, run, evaluations, folder, engine=EngineSpec.model_validate(spec))
        transfers = read_evaluations(run_folder, TRANSFERS)
        _check_evaluations(evaluations, transfers, manifest)
        progress("recording the self-test")
        _write_selftest(manifest, folder)
        refusals = read_evaluations(run_folder, REFUSALS)
        _check_evaluations(refusals, [], manifest)
        card = model_card(name, run, evaluations, transfers, refusals)
        (folder / CARD).write_text(card, encoding="utf-8")
        write_manifest(folder, manifest.model_copy(update={"files": _digests(folder)}))
        _check_size(folder, max_mb)
        _open_to_readers(folder)
        for engine in _ENGINES:
            progress(f"loading with {engine}")
            Classifier.load(folder, engine=engine)
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


def _write_weights(run_folder: Path, folder: Path) -> None:
    from app.ct.weights import as_stored, save_weights

    try:
        weights = load_file(run_folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{WEIGHTS} of the run cannot be read.") from error
    save_weights(as_stored(weights), folder / WEIGHTS_FILE)


def _copy_features(run_folder: Path, fitness: FitnessSpec, folder: Path) -> None:
    try:
        shutil.copyfile(run_folder / fitness.file, folder / fitness.file)
    except OSError as error:
        raise RunError(f"{fitness.file} of the run cannot be read.") from error


def _check_evaluations(evaluations: Sequence[Evaluation], transfers: Sequence[Evaluation], manifest: Manifest) -> None:
    """A figure counts only for the weights and the thresholds it was measured with; a transfer is of other weights."""
    weights = manifest.files[WEIGHTS_FILE]
    foreign = [e.title for e in evaluations if e.model.weights_sha256 != weights]
    if foreign:
        raise RunError(f"Evaluations of other weights than the run's: {', '.join(foreign)}.")
    outdated = [e.title for e in evaluations if e.model.judgement_sha256 != manifest.judgement_sha256]
    if outdated:
        raise RunError(f"Evaluations with other thresholds or another exam rule than the run's: {', '.join(outdated)}.")
    own = [e.title for e in transfers if e.model.weights_sha256 == weights]
    if own:
        raise RunError(f"These transfers were measured with the run's own weights: {', '.join(own)}.")


def _write_graph(spec: NetworkSpec, folder: Path) -> None:
    from app.ct.engines.openvino import export_openvino
    from app.ct.network import build_network
    from app.ct.weights import load_weights

    network = build_network(spec)
    load_weights(network, folder / WEIGHTS_FILE)
    export_openvino(network, folder / GRAPH)


def _write_selftest(manifest: Manifest, folder: Path) -> None:
    """Slices of phantoms and what the reference engine says of them with the weights as stored."""
    training = TrainingSlices.load(folder / manifest.fitness.file)
    classifier = Classifier(manifest, _reference(manifest, folder), training)
    scores = classifier.score(slices := _selftest_slices())
    recorded = {
        "slices": np.stack([s.gray for s in slices]),
        "probability": scores.probabilities.astype(np.float32),
        "logit": scores.logits,
        "share": scores.share,
        "distance": scores.distance,
    }
    save_file({key: np.ascontiguousarray(array) for key, array in recorded.items()}, folder / SELFTEST_FILE)


def _reference(manifest: Manifest, folder: Path) -> Engine:
    from app.ct.engines.keras import KerasEngine

    return KerasEngine(manifest.network, folder / WEIGHTS_FILE)


def _selftest_slices() -> list[Slice]:
    """The middle of a healthy and of a diseased phantom, and one slice with blackened surroundings."""
    drawn = [
        phantom(slices=_SELFTEST_SLICES, lesions="none", seed=1, size=_SELFTEST_SIZE),
        phantom(slices=_SELFTEST_SLICES, lesions="many", seed=2, size=_SELFTEST_SIZE),
    ]
    slices = [s for chest in drawn for s in chest.exam().slices[_SELFTEST_SHOWN]]
    return [*slices, _blackened(slices[-1])]


def _blackened(ct_slice: Slice) -> Slice:
    """The slice with all but its lungs black, as some data sets come."""
    lungs = find_lungs(ct_slice.gray)
    if lungs is None:
        raise ValueError("the phantom has lungs")
    shown = Image.fromarray(lungs.mask).resize((ct_slice.width, ct_slice.height))
    return Slice(np.where(np.asarray(shown), ct_slice.gray, 0).astype(np.uint8))


def _manifest(name: str, run: Run, evaluations: Sequence[Evaluation], folder: Path, *, engine: EngineSpec) -> Manifest:
    here = spec_of(run.preprocessing.name, run.preprocessing.size)
    if here != run.preprocessing:
        raise RunError("Preprocessing has changed since the run was trained.")
    return Manifest(
        name=name,
        files=_digests(folder),
        network=run.network,
        preprocessing=run.preprocessing,
        calibration=run.calibration,
        image=run.image,
        exam_rule=run.exam_rule,
        fitness=run.fitness,
        engines={"openvino": engine},
        measured=tuple(figure for e in evaluations for figure in _measured(e)),
        trained_with={
            "command": run.command,
            "recipe": run.recipe,
            "date": str(run.date),
            "seed": str(run.seed),
            "hours": f"{run.hours:.1f}",
            "hardware": run.hardware,
            "data": ", ".join(sorted({c.dataset for c in run.data if c.part == "train"})),
        },
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


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file but the manifest and the card, which serving does not need."""
    return {p.name: file_sha256(p) for p in sorted(folder.iterdir()) if p.name not in (CARD, "manifest.json")}


def _open_to_readers(folder: Path) -> None:
    """Some writers make files for their owner only; the service may run as somebody else."""
    for path in folder.iterdir():
        path.chmod(0o644)


def _check_size(folder: Path, max_mb: float) -> None:
    megabytes = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
    if megabytes >= max_mb:
        raise RunError(f"The model takes {megabytes:.0f} MB; less than {max_mb:.0f} MB is allowed.")
