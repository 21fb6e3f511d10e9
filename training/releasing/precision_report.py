"""precision.json: what ``covidct-train precision`` measured, and what it allows."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app import NOTICE
from app.ct.exam_rule import Decision
from app.ct.manifest import PreprocessingSpec, file_sha256
from app.ct.precision import Agreement, Precision
from training.measured import GRAPHS, PRECISION
from training.releasing.agreement import Rule
from training.run import Run, RunError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(_Part):
    """One precision that was measured.

    Attributes:
        name: of the way it was quantized; of float32 and bfloat16 the precision's own.
        precision: what the engine is told.
        keeps: parts that stayed in floating point.
        files: sha256 of its graph's files by name; none for float32 and bfloat16, which share the graph of ``release``.
        measured: against the reference.
        faults: what of the rule does not hold; allowed where there is none.
    """

    name: str
    precision: Precision
    keeps: tuple[str, ...] = ()
    files: dict[str, str] = {}
    measured: Agreement
    faults: tuple[str, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether the rule holds."""
        return not self.faults


class Calibrated(_Part):
    """The slices that int8's ranges were measured on."""

    part: Literal["train"]
    slices: int
    by_dataset: dict[str, int]


class PrecisionReport(_Part):
    """The whole of precision.json.

    Attributes:
        weights_sha256: of the weights as they are served.
        preprocessing, calibration, image: of the run; a change of a probability or a verdict is one under these.
        rule: limits that were fixed beforehand.
        quantized_on, measured_on: slices by data set.
        draws, seed: of the bootstrap.
        hardware, native: the processor that measured, and what it has instructions for.
        versions: of the libraries.
        candidates: the fastest first.
    """

    notice: str = NOTICE
    weights_sha256: str
    preprocessing: PreprocessingSpec
    calibration: tuple[float, float]
    image: Decision
    rule: Rule
    quantized_on: Calibrated
    measured_on: dict[str, int]
    draws: int
    seed: int
    hardware: str
    native: tuple[str, ...]
    versions: dict[str, str]
    candidates: tuple[Candidate, ...] = Field(min_length=1)

    @classmethod
    def read(cls, run_folder: Path) -> Self | None:
        """The run's precision.json; None where nothing was measured.

        Raises:
            RunError: it is not valid.
        """
        path = run_folder / PRECISION
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise RunError(f"{PRECISION} of the run is not valid.") from error

    def write(self, run_folder: Path) -> None:
        """Write precision.json, whole or not at all."""
        aside = run_folder / f"{PRECISION}.new"
        aside.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        aside.replace(run_folder / PRECISION)

    def allowed(self) -> dict[Precision, Candidate]:
        """The fastest allowed candidate of each precision, the fastest first."""
        found: dict[Precision, Candidate] = {}
        for candidate in self.candidates:
            if candidate.is_allowed:
                found.setdefault(candidate.precision, candidate)
        return found

    def check_model(self, run: Run, *, weights_sha256: str) -> None:
        """Refuse figures of another model; see ``check``."""
        if self.weights_sha256 != weights_sha256:
            raise RunError(f"{PRECISION} was measured with other weights than the run's.")
        if (self.preprocessing, self.calibration, self.image) != (run.preprocessing, run.calibration, run.image):
            raise RunError(f"{PRECISION} was measured with other thresholds or preprocessing than the run's.")

    def check(self, run_folder: Path, run: Run, *, weights_sha256: str) -> None:
        """Refuse figures of another model, and graphs that are not those measured.

        Args:
            run_folder: where the graphs lie.
            run: whose weights are to be released.
            weights_sha256: of its weights as they are served.

        Raises:
            RunError: measured with other weights, thresholds or preprocessing, allowed though the rule forbids it, or a
                graph is missing or altered.
        """
        self.check_model(run, weights_sha256=weights_sha256)
        for candidate in self.allowed().values():
            if Rule().faults(candidate.measured):
                raise RunError(f"{PRECISION} allows {candidate.name}, which the rule of a release does not.")
            for name, digest in candidate.files.items():
                path = run_folder / GRAPHS / name
                if Path(name).name != name or not path.is_file() or file_sha256(path) != digest:
                    raise RunError(f"{name} is not the graph that {PRECISION} measured.")
