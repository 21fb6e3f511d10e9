"""What a model folder says about itself, read with checks and written whole."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from app.ct.affected import AffectedSpec
from app.ct.errors import BrokenModel
from app.ct.exam_rule import Decision, ExamRule
from app.ct.part import Part
from app.ct.precision import EngineSpec

__all__ = [
    "FILE_NAME",
    "SEAL_NAME",
    "AffectedSpec",
    "Decision",
    "EngineSpec",
    "ExamRule",
    "FitnessSpec",
    "Manifest",
    "Measured",
    "NetworkSpec",
    "PreprocessingSpec",
    "file_sha256",
    "read_manifest",
    "write_manifest",
]

FILE_NAME = "manifest.json"
SEAL_NAME = "manifest.sha256"
"""The digest of the manifest, which itself holds those of all other files; ``sha256sum -c`` reads it."""


class NetworkSpec(Part):
    """Which network the weights fit; see ``app.ct.network.build_network``.

    Attributes:
        head: ``attention`` (served) or ``linear`` (the paper's).
        size: rows and columns of the input.
        stages: backbone stages the head reads, of 3, 4, 5.
        evidence_channels: hidden channels of the evidence map.
        null_evidence: mean squared evidence at which "nothing to see" counts as much as all places together.
        dropout: rate while training.
    """

    head: Literal["attention", "linear"]
    size: int = Field(default=299, ge=32)
    stages: tuple[int, ...] = (3, 4, 5)
    evidence_channels: int = Field(default=64, ge=1)
    null_evidence: float = Field(default=0.003, ge=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)


class PreprocessingSpec(Part):
    """Which preprocessor made the training inputs, and the fingerprint of what it does."""

    name: Literal["paper", "lung-box"]
    size: int = Field(ge=32)
    fingerprint: str


class FitnessSpec(Part):
    """What an exam must be like to be given a probability; fitted by ``covidct-train fit`` on slices, without labels.

    Attributes:
        file: how training features spread; see ``app.ct.fitness.TrainingSlices``.
        least_lung_area: share of the picture that must be lung on one slice at least.
        distance_limit: largest distance from training features at which a slice counts as like them.
        masked_distance_limit: the same of slices whose surroundings came blackened; None where training had too few.
        rests_on: what the limits were chosen on, in a sentence.
    """

    file: str
    least_lung_area: float = Field(gt=0, lt=1)
    distance_limit: float = Field(gt=0)
    masked_distance_limit: float | None = Field(default=None, gt=0)
    rests_on: str


class Measured(Part):
    """One measured figure with its 95 % interval, from an ``evaluate`` run."""

    data: str
    by: Literal["slice", "patient", "exam"]
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    groups: int


class ScoreReference(Part):
    """What the model says of slices that never trained, to hold what it says in service against.

    Attributes:
        data: which slices, in words.
        slices: how many.
        at_most: shares of them with a probability of at most .1, .2 ... 1.
    """

    data: str
    slices: int = Field(gt=0)
    at_most: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=10, max_length=10)


class Manifest(Part):
    """The whole manifest.

    Attributes:
        files: sha256 of every other file of the folder that serving needs, by name.
        image: threshold and band for slices and single images.
        exam_rule: how an exam is judged.
        fitness: what is not judged at all.
        affected: how the share of lung affected is estimated; None where it is not.
        calibration: slope and intercept applied to the network's logit before anything else.
        tolerance: largest allowed difference of a probability of the reference engine on the self-test.
        scores: how its probabilities of slices are spread where it was measured; None where that was not recorded.
        measured: figures produced by ``covidct-train evaluate``.
        trained_with: command, recipe, data and date, for people.
    """

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    positive_class: Literal["COVID-19"] = "COVID-19"
    files: dict[str, str]
    network: NetworkSpec
    preprocessing: PreprocessingSpec
    calibration: tuple[float, float] = (1.0, 0.0)
    image: Decision
    exam_rule: ExamRule
    fitness: FitnessSpec
    affected: AffectedSpec | None = Field(default=None, exclude_if=lambda spec: spec is None)
    engines: dict[Literal["openvino"], EngineSpec] = Field(default_factory=dict)
    tolerance: float = Field(default=0.001, gt=0)
    scores: ScoreReference | None = Field(default=None, exclude_if=lambda spec: spec is None)
    measured: tuple[Measured, ...] = ()
    trained_with: dict[str, str] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Names the model: digest over the digests of its files and all that decides what it answers."""
        return _digest({"files": self.files, "judgement": self.judgement_sha256})

    @property
    def judgement_sha256(self) -> str:
        """Digest over what turns the network's output into an answer, or none: figures hold for one judgement only."""
        parts = ("network", "preprocessing", "calibration", "image", "exam_rule", "fitness", "affected")
        training_features = {"training_features": self.files.get(self.fitness.file)}
        return _digest(self.model_dump(mode="json", include=set(parts)) | training_features)


def _digest(parts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``folder``'s manifest, its own digest and that of every file it names.

    Raises:
        BrokenModel: a file is missing or altered, or the manifest is not valid.
    """
    try:
        manifest = Manifest.model_validate_json((folder / FILE_NAME).read_bytes())
    except OSError as error:
        raise BrokenModel(f"No {FILE_NAME} in the model folder.") from error
    except ValidationError as error:
        raise BrokenModel(f"{FILE_NAME} is not valid: {error.error_count()} fields.") from error
    _check_seal(folder)
    for name, digest in manifest.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise BrokenModel(f"The model folder lacks {name}.")
        try:
            is_the_one = file_sha256(path) == digest
        except OSError as error:
            raise BrokenModel(f"{name} cannot be read ({error.strerror}).") from error
        if not is_the_one:
            raise BrokenModel(f"{name} is not the file the manifest names.")
    return manifest


def _check_seal(folder: Path) -> None:
    try:
        seal = (folder / SEAL_NAME).read_bytes()
    except OSError as error:
        raise BrokenModel(f"The model folder lacks {SEAL_NAME}.") from error
    if seal != _seal_of(folder):
        raise BrokenModel(f"{FILE_NAME} is not the file {SEAL_NAME} names.")


def _seal_of(folder: Path) -> bytes:
    return f"{file_sha256(folder / FILE_NAME)}  {FILE_NAME}\n".encode()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest`` into ``folder``, and its digest."""
    (folder / FILE_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / SEAL_NAME).write_bytes(_seal_of(folder))
