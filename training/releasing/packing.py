"""From a run's folder to the files of a model's folder, one by one; ``release`` puts them together."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.special import expit

from app.ct.classifier import SELFTEST_FILE, WEIGHTS_FILE, Classifier
from app.ct.engines import Engine
from app.ct.exam import Slice
from app.ct.fitness import TrainingSlices
from app.ct.lungs import find_lungs
from app.ct.manifest import FitnessSpec, Manifest, NetworkSpec, ScoreReference, file_sha256
from app.ct.phantom import phantom
from app.ct.preprocessing import spec_of
from training.fitting.slice_scores import FILE_NAME as SCORES
from training.fitting.slice_scores import SliceScores
from training.measured import MEASURED, keep_measurements
from training.records.catalog import Part
from training.run import FILE_NAME, WEIGHTS, Run, RunError

CARD = "MODEL_CARD.md"
GRAPH = "openvino.xml"
MANIFEST = "manifest.json"

_SELFTEST_SIZE = 256
_SELFTEST_SLICES = 9
_SELFTEST_SHOWN = slice(2, 7, 2)


def write_weights(run_folder: Path, folder: Path) -> None:
    """The run's weights as they are served: kernels as float16.

    Raises:
        RunError: they cannot be read.
        BrokenModel: a value is not finite as stored.
    """
    from app.ct.weights import as_stored, save_weights

    try:
        weights = load_file(run_folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{WEIGHTS} of the run cannot be read.") from error
    save_weights(as_stored(weights), folder / WEIGHTS_FILE)


def copy_features(run_folder: Path, fitness: FitnessSpec, folder: Path) -> None:
    """The run's training features, as they are.

    Raises:
        RunError: they cannot be read.
    """
    try:
        shutil.copyfile(run_folder / fitness.file, folder / fitness.file)
    except OSError as error:
        raise RunError(f"{fitness.file} of the run cannot be read.") from error


def write_graph(spec: NetworkSpec, folder: Path) -> None:
    """The CPU engine's graph of the weights in ``folder``, which float32 and bfloat16 share."""
    from app.ct.engines.openvino import export_openvino
    from app.ct.network import build_network
    from app.ct.weights import load_weights

    network = build_network(spec)
    load_weights(network, folder / WEIGHTS_FILE)
    export_openvino(network, folder / GRAPH)


def bare_manifest(name: str, run: Run, folder: Path, *, scores: ScoreReference | None = None) -> Manifest:
    """What decides the model's answers, with the digests of what lies in ``folder`` so far.

    Args:
        name: of the model.
        run: that trained it.
        folder: the model's, so far.
        scores: what its answers can be held against.

    Raises:
        RunError: preprocessing does something else than when the run was trained.
    """
    here = spec_of(run.preprocessing.name, run.preprocessing.size)
    if here != run.preprocessing:
        raise RunError("Preprocessing has changed since the run was trained.")
    return Manifest(
        name=name,
        files=digests(folder),
        network=run.network,
        preprocessing=run.preprocessing,
        calibration=run.calibration,
        image=run.image,
        exam_rule=run.exam_rule,
        fitness=run.fitness,
        affected=run.affected,
        scores=scores,
    )


def score_reference(run_folder: Path, calibration: tuple[float, float]) -> ScoreReference | None:
    """How probabilities of the run's validation slices are spread; None where the run holds no scores of them.

    Raises:
        RunError: the scores cannot be read.
    """
    if not (run_folder / SCORES).is_file():
        return None
    scores = SliceScores.read(run_folder)
    logits = scores.logits[scores.parts == str(Part.VALIDATION)].astype(np.float64)
    if not logits.size:
        return None
    slope, intercept = calibration
    probabilities = expit(slope * logits + intercept)
    at_most = tuple(float((probabilities <= k / 10).mean()) for k in range(1, 11))
    return ScoreReference(data="validation slices", slices=len(logits), at_most=at_most)


def keep_measured(run_folder: Path, folder: Path) -> None:
    """What the card is made of, so that figures which take longer can be added to it; see ``amend``."""
    kept = folder / MEASURED
    kept.mkdir()
    shutil.copyfile(run_folder / FILE_NAME, kept / FILE_NAME)
    keep_measurements(run_folder, kept)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file that serving needs: not of the manifest, the card and what this was made of."""
    return {p.name: file_sha256(p) for p in sorted(folder.iterdir()) if p.is_file() and p.name not in (CARD, MANIFEST)}


def write_selftest(manifest: Manifest, folder: Path) -> None:
    """Slices of phantoms and what the reference engine says of them with the weights as stored."""
    scores = with_engine(manifest, folder, reference(manifest, folder)).score(slices := _selftest_slices())
    recorded = {
        "slices": np.stack([s.gray for s in slices]),
        "probability": scores.probabilities.astype(np.float32),
        "logit": scores.logits,
        "share": scores.share,
        "distance": scores.distance,
    }
    save_file({key: np.ascontiguousarray(array) for key, array in recorded.items()}, folder / SELFTEST_FILE)


def with_engine(manifest: Manifest, folder: Path, engine: Engine) -> Classifier:
    """A classifier of the files in ``folder`` as far as they are there; ``Classifier.load`` is for whole ones."""
    return Classifier(manifest, engine, TrainingSlices.load(folder / manifest.fitness.file))


def reference(manifest: Manifest, folder: Path) -> Engine:
    """Keras with the weights in ``folder``."""
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
