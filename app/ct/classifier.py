"""Network, weights, preprocessor and rule from one model folder: slices in, scores out."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file

from app.ct.affected import LungAreas, lung_areas
from app.ct.engines import BATCH, GPU_BATCH, Engine
from app.ct.engines.turns import Turns
from app.ct.errors import BrokenModel, EngineUnavailable
from app.ct.exam import Exam, Slice
from app.ct.fitness import TrainingSlices
from app.ct.manifest import Manifest, read_manifest
from app.ct.preprocessing import Prepared, fingerprint, make_preprocessor
from app.ct.scores import SliceScores
from app.ct.workers import ON_THE_SPOT, Workers, taken

WEIGHTS_FILE, SELFTEST_FILE = "weights.safetensors", "selftest.safetensors"
_ALIKE = 0.98
"""Least correlation of the self-test's maps with those recorded; rounding to bfloat16 leaves above .999."""

_SAME_DISTANCE = 0.05
"""Largest difference of a distance from training; rounding to bfloat16 makes 0.004, 1 is the limit."""


class Classifier:
    """Scores slices with one model; loaded once. Of several callers each has a batch scored in turn.

    Attributes:
        manifest: what the model says about itself.
        engine_name: "openvino" or "keras".
        precision: what the engine computes in on this machine.
        on_gpu: whether scoring runs on a GPU.
    """

    def __init__(self, manifest: Manifest, engine: Engine, training: TrainingSlices) -> None:
        """A classifier from its parts; ``load`` also checks them."""
        self.manifest = manifest
        self.engine_name, self.on_gpu, self.precision = engine.name, engine.on_gpu, engine.precision
        self._engine, self._turns, self._training = engine, Turns(), training
        self._preprocessor = make_preprocessor(manifest.preprocessing.name, manifest.preprocessing.size)

    @classmethod
    def load(cls, folder: Path, *, engine: str = "auto") -> Self:
        """Load a model folder, check it, and run its self-test.

        Args:
            folder: as ``covidct-train release`` writes it.
            engine: ``auto`` (the GPU where there is one, else the CPU engine), ``keras`` or ``openvino``.

        Raises:
            BrokenModel: a file is missing or altered, or the scores of the self-test are not those recorded.
            EngineUnavailable: the engine is not installed, or the model has no files for it.
        """
        manifest = read_manifest(folder)
        _check_listed(manifest)
        training = TrainingSlices.load(folder / manifest.fitness.file)
        if (training.masked is None) != (manifest.fitness.masked_distance_limit is None):
            raise BrokenModel("Training features and limits do not fit together.")
        classifier = cls(manifest, make_engine(folder, manifest, engine), training)
        classifier.self_test(folder)
        return classifier

    def self_test(self, folder: Path) -> float:
        """Score the recorded slices and compare with the recorded scores.

        Returns:
            The largest difference of a probability.

        Raises:
            BrokenModel: preprocessing does something else than in training, or a probability, a map or a distance
                differs by more than allowed.
        """
        spec = self.manifest.preprocessing
        if fingerprint(self._preprocessor) != spec.fingerprint:
            raise BrokenModel("Preprocessing here is not what the model was trained with.")
        try:
            recorded = load_file(folder / SELFTEST_FILE)
            slices, expected, share = recorded["slices"], recorded["probability"], recorded["share"]
            distance = recorded["distance"]
        except (OSError, KeyError, SafetensorError) as error:
            raise BrokenModel("The self-test cannot be read.") from error
        found = self.score([Slice(s) for s in slices])
        alike = float(np.corrcoef(found.share.ravel(), share.ravel())[0, 1])
        if not alike >= _ALIKE:
            raise BrokenModel(f"The self-test's maps are off: they correlate by {alike:.3f}, {_ALIKE} is wanted.")
        off = float(np.abs(found.distance - distance).max())
        if not off <= _SAME_DISTANCE:
            raise BrokenModel(
                f"The self-test's distances from training are off by {off:.3f}; {_SAME_DISTANCE} is allowed."
            )
        largest = float(np.abs(found.probabilities - expected).max())
        # "not <=" so that a probability that is not a number fails too.
        if not largest <= self._tolerance():
            raise BrokenModel(f"The self-test is off by {largest:.4f}; {self._tolerance():.4f} is allowed.")
        return largest

    def _tolerance(self) -> float:
        if self.engine_name == "keras" and self.precision == "f32":
            return self.manifest.tolerance
        return self.manifest.engines["openvino"].choices[self.precision].tolerance

    def score_chunks(
        self, exam: Exam, indices: Sequence[int], *, chunk: int | None = None, workers: Workers = ON_THE_SPOT
    ) -> Iterator[SliceScores]:
        """Score slices in chunks, each spread over the exam, so that early chunks already speak for the whole.

        Args:
            exam: read and ordered.
            indices: which slices, as ``select_slices`` gives them.
            chunk: slices at a time; by default as many as the engine runs at once.
            workers: prepare the slices, those of the next chunks while the network runs.

        Yields:
            Scores of up to ``chunk`` slices; ``SliceScores.joined`` of all is the whole.
        """
        chunk = chunk or (GPU_BATCH if self.on_gpu else BATCH)
        spread = _spread_out(len(indices))
        parts = [sorted(indices[k] for k in spread[start : start + chunk]) for start in range(0, len(spread), chunk)]
        slices = [exam.slices[i] for part in parts for i in part]
        prepared = map(taken, workers.map(self._preprocessor, slices))
        for part in parts:
            yield self.score_prepared(list(islice(prepared, len(part))), indices=part)

    def score(self, slices: Sequence[Slice], *, indices: Sequence[int] | None = None) -> SliceScores:
        """Score slices.

        Args:
            slices: at least one.
            indices: their places in the exam; 0, 1, 2 ... by default.
        """
        return self.score_prepared([self.prepare(s) for s in slices], indices=indices)

    def prepare(self, ct_slice: Slice) -> Prepared:
        """Make the network's input of a slice."""
        return self._preprocessor(ct_slice)

    def score_prepared(self, prepared: Sequence[Prepared], *, indices: Sequence[int] | None = None) -> SliceScores:
        """Score what ``prepare`` made of slices; an audit may have altered it.

        Args:
            prepared: at least one.
            indices: as for ``score``.
        """
        images = np.stack([p.image for p in prepared])
        with self._turns:
            output = self._engine(images)
        slope, intercept = self.manifest.calibration
        boxes = np.array([p.box for p in prepared], dtype=np.int32)
        found = np.array([p.lung_share > 0 for p in prepared])
        lung = lung_on_grid(prepared, output.share.shape[1:])
        return SliceScores(
            tuple(range(len(prepared)) if indices is None else indices),
            logits=(slope * output.logit + intercept).astype(np.float32),
            share=(slope * output.share).astype(np.float32),
            evidence=output.evidence,
            boxes=boxes,
            evidence_in_lung=_evidence_in_lung(output.share, lung, found),
            lung_found=found,
            distance=self._training.distance(
                output.features, np.array([p.masked for p in prepared]), self.manifest.fitness
            ),
            areas=self._areas(output.evidence, lung, boxes, found),
        )

    def _areas(self, evidence: np.ndarray, lung: np.ndarray, boxes: np.ndarray, found: np.ndarray) -> LungAreas | None:
        spec = self.manifest.affected
        return None if spec is None else lung_areas(evidence, lung, boxes, found=found, threshold=spec.threshold)


def lung_on_grid(prepared: Sequence[Prepared], grid: tuple[int, ...]) -> np.ndarray:
    """Share of each place of a map of ``grid`` rows and columns that is lung, float32 (slices, rows, columns)."""
    size = (grid[1], grid[0])
    pictures = (Image.fromarray(p.lung.astype(np.float32)) for p in prepared)
    return np.stack([np.asarray(picture.resize(size, resample=Image.Resampling.BOX)) for picture in pictures])


def _evidence_in_lung(share: np.ndarray, lung: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share of the positive heat inside the lungs, float32 (slices,).

    1 where nothing speaks for COVID-19; 0 where the lungs were not found.
    """
    positive = np.maximum(share, 0.0)
    total = positive.sum(axis=(1, 2))
    inside = (positive * lung).sum(axis=(1, 2))
    return np.asarray(np.where(total > 0, inside / np.maximum(total, 1e-12), 1.0) * found, dtype=np.float32)


def _spread_out(count: int) -> list[int]:
    """0 ... count - 1 in an order whose every beginning is spread over the whole (bit reversal)."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = (int(f"{k:0{bits}b}"[::-1], 2) for k in range(2**bits))
    return [k for k in reversed_bits if k < count]


def _check_listed(manifest: Manifest) -> None:
    """What serving reads must be among the files whose digests were checked."""
    graphs = [choice.file for spec in manifest.engines.values() for choice in spec.choices.values()]
    needed = {WEIGHTS_FILE, SELFTEST_FILE, manifest.fitness.file, *graphs, *(Path(g).stem + ".bin" for g in graphs)}
    if missing := sorted(needed - set(manifest.files)):
        raise BrokenModel(f"The manifest has no digest of {', '.join(missing)}.")


def make_engine(folder: Path, manifest: Manifest, name: str) -> Engine:
    """The engine ``openvino``, ``keras`` or what ``auto`` takes here, with the model's weights.

    Raises:
        EngineUnavailable: it is not installed, or the model has no files for it.
    """
    if name == "auto":
        name = "keras" if _gpu_usable() or "openvino" not in manifest.engines else "openvino"
    if name == "openvino":
        return _openvino(folder, manifest)
    if name == "keras":
        return _keras(folder, manifest)
    raise EngineUnavailable(f"There is no engine {name!r}.")


def _openvino(folder: Path, manifest: Manifest) -> Engine:
    spec = manifest.engines.get("openvino")
    if spec is None:
        raise EngineUnavailable("The model has no files for the OpenVINO engine.")
    try:
        from app.ct.engines.openvino import OpenVinoEngine, native_precisions
    except ImportError as error:
        raise EngineUnavailable("OpenVINO is not installed.") from error
    precision = spec.runs_in(native_precisions())
    return OpenVinoEngine(folder / spec.choices[precision].file, precision)


def _keras(folder: Path, manifest: Manifest) -> Engine:
    try:
        from app.ct.engines.keras import KerasEngine, fastest_allowed
    except ImportError as error:
        raise EngineUnavailable("Keras and TensorFlow are not installed.") from error
    return KerasEngine(manifest.network, folder / WEIGHTS_FILE, precision=fastest_allowed(manifest))


def _gpu_usable() -> bool:
    """Whether an NVIDIA driver and Keras are both there; found out without importing TensorFlow."""
    import importlib.util

    return Path("/proc/driver/nvidia/version").exists() and importlib.util.find_spec("keras") is not None
