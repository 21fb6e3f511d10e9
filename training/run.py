"""What ``fit`` leaves behind: run.json, weights.safetensors, fitness.safetensors, history.csv.

Later also evaluations/*/metrics.json, and the same of transfers, cross-validations and refusals.
"""

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from app.ct.affected import AffectedSpec
from app.ct.diagnosis import Verdict
from app.ct.errors import CovidCTError
from app.ct.manifest import Decision, ExamRule, FitnessSpec, NetworkSpec, PreprocessingSpec

FILE_NAME = "run.json"
WEIGHTS = "weights.safetensors"
EVALUATIONS = "evaluations"
TRANSFERS = "transfers"
CROSS_VALIDATIONS = "cross-validations"
REFUSALS = "refusals"
METRICS = "metrics.json"


class RunError(CovidCTError):
    """A run's folder that is incomplete or was altered."""

    code = "bad-run"
    title = "The run cannot be used"
    advice = "Train again with `covidct-train fit`, or evaluate the run's own weights again."


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartCount(_Part):
    """How much of a data set was used for what; a row of ``counts`` in prepare.json."""

    dataset: str
    label: int
    part: str
    records: int
    groups: int


class Figure(_Part):
    """A figure and its 95 % interval; None where it does not exist."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Shortcut(_Part):
    """How far features that say nothing of disease tell the label; a row of ``shortcut`` in prepare.json."""

    fitted_on: str
    measured_on: str
    part: str
    features: str
    n: int
    groups: int
    value: float | None
    low: float | None
    high: float | None

    @property
    def figure(self) -> Figure:
        """The AUC with its interval."""
        return Figure(value=self.value, low=self.low, high=self.high)


class Run(_Part):
    """The whole of run.json.

    Attributes:
        recipe: name of the recipe.
        settings: digest of the recipe, which may change under its name; empty in older runs.
        summary: what the recipe does, in a few sentences; goes into the model card.
        command: that trained, for people.
        hours: how long the last session took; steps kept from earlier ones are not counted.
        hardware: processor or GPU, in words.
        versions: of the libraries that trained, by name.
        backbone_weights: what the backbone started from, in words.
        weights_from: the model that the weights were taken from as they are, and its training, in words; empty where the run
            trained them.
        calibration: slope and intercept applied to the network's logit.
        image: threshold and band for slices and single images.
        exam_rule: how an exam is judged, with what it rests on.
        fitness: what is not judged at all, with what that rests on.
        affected: how the share of lung affected is estimated; None where it is not.
        data: counts of everything the run saw, by data set, label and part.
        split: digest of which slices those are; empty in older runs.
        shortcut: how far trivial features alone tell the label, of the data sets the run saw.
        limitations: what is known to be wrong or untested, a sentence each; goes into the model card. As in ``summary``,
            figures are places to be filled; see ``training.stated``.
        compare_only: why the run can be compared with others but never released, in a sentence; empty where it can be.
    """

    recipe: str
    settings: str = ""
    summary: str = ""
    command: str
    seed: int
    date: date
    hours: float = Field(ge=0)
    hardware: str
    versions: dict[str, str] = {}
    backbone_weights: str = "none"
    weights_from: str = ""
    network: NetworkSpec
    preprocessing: PreprocessingSpec
    calibration: tuple[float, float] = (1.0, 0.0)
    image: Decision
    exam_rule: ExamRule
    fitness: FitnessSpec
    affected: AffectedSpec | None = None
    data: tuple[PartCount, ...]
    split: str = ""
    shortcut: tuple[Shortcut, ...] = ()
    limitations: tuple[str, ...] = ()
    compare_only: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read run.json.

        Raises:
            RunError: it is missing or not valid.
        """
        try:
            return cls.model_validate_json((folder / FILE_NAME).read_bytes())
        except OSError as error:
            raise RunError(f"There is no {FILE_NAME} in the run's folder.") from error
        except ValidationError as error:
            faults = ", ".join(".".join(str(k) for k in fault["loc"]) for fault in error.errors())
            raise RunError(f"{FILE_NAME} is not valid at {faults}.") from error

    def write(self, folder: Path) -> None:
        """Write run.json."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


class Verdicts(_Part):
    """How often each verdict is given to cases of the positive class and to the others."""

    positives: dict[Verdict, int]
    negatives: dict[Verdict, int]


class Source(BaseModel):
    """What an evaluation says of one data set: of ``cases`` that were sent ``n`` could be scored.

    Older evaluations do not tell ``verdicts``.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    positives: int
    groups: int
    refused: int
    cases: int
    refused_share: Figure
    metrics: dict[str, Figure]
    verdicts: Verdicts | None = None


class ModelUsed(_Part):
    """Which model an evaluation was made with."""

    name: str
    sha256: str
    weights_sha256: str
    judgement_sha256: str
    engine: str


class Refusal(_Part):
    """A record that serving would refuse: its file as the manifest names it, and the code of the refusal."""

    file: str
    why: str


class Evaluation(Source):
    """What the card needs of a metrics.json written by ``evaluate``.

    Attributes:
        title: name of the evaluation's folder; not in the file.
        trained_with: what the model's manifest says of its training.
    """

    title: str = ""
    model: ModelUsed
    data: tuple[str, ...]
    where: tuple[str, ...]
    by: Literal["slice", "patient", "exam"]
    positive_class: str
    threshold: float | None
    unscored: int
    refusals: tuple[Refusal, ...] = ()
    localization: dict[str, int | Figure | dict[str, Figure]] | None = None
    per_source: dict[str, Source]
    trained_with: dict[str, JsonValue] = {}

    @property
    def recipe(self) -> str:
        """That the model was trained with; empty where its manifest does not say."""
        return str(self.trained_with.get("recipe", ""))

    def is_of(self, recipe: str, settings: str) -> bool:
        """Whether the model was trained with a recipe of that name and, where both are known, those settings."""
        told = str(self.trained_with.get("settings", ""))
        return self.recipe == recipe and (not told or not settings or told == settings)

    @property
    def trained_on(self) -> frozenset[str]:
        """Data sets that the model has learned from; empty where its manifest does not say."""
        return frozenset(str(self.trained_with.get("data", "")).split(", ")) - {""}


def read_evaluations(folder: Path, kind: str = EVALUATIONS) -> tuple[Evaluation, ...]:
    """All evaluations of a run, by title.

    Args:
        folder: of the run.
        kind: ``EVALUATIONS``, of the run's own weights; ``TRANSFERS``, of the same recipe trained without a data set
            and measured on it; ``CROSS_VALIDATIONS``, of the same recipe trained on folds, all folds pooled;
            ``REFUSALS``, of the run's own weights on pictures to be refused.

    Raises:
        RunError: one is not what ``evaluate`` writes.
    """
    found = []
    for path in sorted((folder / kind).glob(f"*/{METRICS}")):
        try:
            evaluation = Evaluation.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise RunError(f"{METRICS} of the evaluation {path.parent.name} is not valid.") from error
        found.append(evaluation.model_copy(update={"title": path.parent.name}))
    return tuple(found)
