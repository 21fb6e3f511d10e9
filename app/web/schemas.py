"""The public JSON: what leaves the service, field by field."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app import NOTICE, __version__
from app.ct.diagnosis import HeldBack, JudgedBy, Verdict
from app.ct.exam import InputKind, Order
from app.ct.manifest import AffectedSpec, ExamRule, FitnessSpec, Measured
from app.ct.words import Sentence, in_a_row, sentence
from app.kept import Status
from app.web.problems import Problem


class ShareReport(BaseModel):
    """An estimated share, 0 to 1, with the band its true value lies in for most exams."""

    value: float
    low: float
    high: float


class SliceReport(BaseModel):
    """One slice, in order from head to feet; where the exam's order is not by position, from the first sent or numbered."""

    index: int
    z_mm: float | None = Field(description="Position along the slice normal, growing towards the head.")
    instance_number: int | None
    scored: bool
    probability: float | None = Field(default=None, description="Of COVID-19; for scored slices.")
    lung_found: bool | None = Field(
        default=None, description="For scored slices: cropped to the lungs, or scored whole because none were found."
    )
    evidence_in_lung: float | None = Field(
        default=None, description="Share of the positive evidence inside the lungs; 0 where none were found."
    )
    affected_share: ShareReport | None = Field(
        default=None,
        description="Share of the lung on this slice that looks affected by any disease; null where the model does not"
        " estimate it or no lungs were found.",
    )
    training_distance: float | None = Field(
        default=None, description="How far a scored slice is from those the model was trained on; above 1, unlike them."
    )
    pixel_spacing_mm: tuple[float, float] | None = Field(
        default=None, description="Between rows, and between columns; null where it is not known."
    )
    image: str
    compressed: str = Field(default="", description="The same picture as JPEG, to look at quickly.")
    pixels: str | None = Field(
        default=None, description="Hounsfield units, int16; null where there are none or they are not kept."
    )
    heatmap: str | None = Field(default=None, description="For scored slices.")
    overlay: str | None = Field(default=None, description="For scored slices.")


class RejectedSeriesReport(BaseModel):
    """A series that was left out."""

    series: str
    slices: int
    why: str


class SeriesReport(BaseModel):
    """Which series was diagnosed, and why."""

    chosen: str
    why: str
    rejected: list[RejectedSeriesReport]


class InputReport(BaseModel):
    """What was read, chosen and left out."""

    kind: InputKind
    files: int = Field(description="After an archive was opened.")
    sha256: str | None = Field(
        default=None,
        description="Of the SHA-256 digests of the files as sent, one after the other in that order; null of reports kept"
        " before it was told.",
    )
    slices: int
    scored: int
    few_scored: bool = Field(
        default=False, description="Fewer slices were asked for than anybody measured what a verdict is worth with."
    )
    order: Order = Field(description="What the slices were ordered by.")
    oriented: bool = Field(
        default=False, description="Whether it is known which sides of the pictures are the patient's right and front."
    )
    head_known: bool = Field(
        default=False, description="Whether it is known that the first slice is the one nearest to the head."
    )
    synthetic: bool = Field(default=False, description="The page's example: drawn by the service, nobody's lungs.")
    series: SeriesReport | None
    warnings: list[str]


class ExamRuleReport(BaseModel):
    """How the model judges an exam of several slices, and how far that can be trusted."""

    name: str
    top_share: float | None = Field(
        default=None,
        description="Share of the scored slices, the strongest ones, whose mean counts; null of other rules.",
    )
    in_words: str = Field(default="", description="What the rule takes of the scored slices, in a sentence.")
    rests_on: str = Field(description="What the exam rule's calibration and threshold were chosen on.")


class ModelReport(BaseModel):
    """What made the diagnosis."""

    name: str
    sha256: str
    preprocessing: str
    preprocessing_fingerprint: str
    engine: str
    version: str = __version__
    exam_rule: ExamRuleReport
    affected_rests_on: str | None = Field(
        default=None, description="What the estimated share of lung affected was fitted on; null where there is none."
    )


class TimingReport(BaseModel):
    """Seconds."""

    receive: float
    wait: float
    read: float
    select: float
    score: float
    total: float


class FindingReport(BaseModel):
    """A slice at or above the image threshold."""

    slice: int
    probability: float


_WHY_HELD_BACK = {
    HeldBack.GAP_IN_LUNGS: sentence("Slices are missing within the lungs, so the probability decides nothing.")
}


class ExamReport(BaseModel):
    """A diagnosed exam."""

    id: str
    status: Literal[Status.DONE] = Status.DONE
    created_at: datetime
    expires_at: datetime
    verdict: Verdict
    held_back: HeldBack | None = Field(
        default=None,
        description="Why the verdict is INCONCLUSIVE whatever the probability says; null where the probability decides.",
    )
    probability: float = Field(description="Of COVID-19, 0 to 1.")
    judged_by: JudgedBy = Field(description="The exam rule; for an exam of a single image the image threshold.")
    threshold: float = Field(description="What the verdict was judged by.")
    inconclusive_band: tuple[float, float]
    image_threshold: float = Field(description="A slice at or above it is a finding.")
    image_band: tuple[float, float] | None = Field(
        default=None,
        description="Where a slice's own probability says little; null of reports kept before it was told.",
    )
    affected_share: ShareReport | None = Field(
        default=None,
        description="Share of the lung that looks affected by any disease, on the scored slices together; null where the"
        " model does not estimate it.",
    )
    heatmap: str = Field(description="Overlay of the slice with the strongest evidence.")
    strongest_slice: int
    findings: list[FindingReport]
    slices: list[SliceReport]
    input: InputReport
    model: ModelReport
    timing_s: TimingReport
    notice: str = NOTICE

    @property
    def why_held_back(self) -> Sentence | None:
        """Why the verdict is inconclusive whatever the probability says, in a whole sentence."""
        return None if self.held_back is None else _WHY_HELD_BACK[self.held_back]

    @property
    def affected_in_words(self) -> Sentence | None:
        """The estimated share of lung affected with its error, in a whole sentence; None where there is none."""
        share = self.affected_share
        if share is None:
            return None
        return sentence(
            "About {value:.0f} % of the lung on the scored slices looks affected, probably between {low:.0f} % and"
            " {high:.0f} %.",
            value=100 * share.value,
            low=100 * share.low,
            high=100 * share.high,
        )

    @property
    def rests_on(self) -> Sentence:
        """What the verdict was judged by and what that rests on, in whole sentences."""
        if self.judged_by is JudgedBy.IMAGE_THRESHOLD:
            return sentence("A single image, judged by the image threshold; the exam rule was not used.")
        rule = self.model.exam_rule
        return in_a_row(said for said in (rule.in_words, rule.rests_on) if said)


class MapReport(BaseModel):
    """A scored slice's map as the network gave it."""

    slice: int
    box: tuple[int, int, int, int] = Field(
        description="Top, left, bottom, right of what the map covers, in slice pixels, ends excluded."
    )
    rows: int
    columns: int
    heat: str = Field(description="Base64 of one byte a place, row by row; 255 is the most heat.")


class MapList(BaseModel):
    """All maps of an exam, in the order of its slices."""

    maps: list[MapReport]
    notice: str = NOTICE


class ProgressReport(BaseModel):
    """How far a diagnosis has come."""

    stage: Literal["received", "reading", "scoring"]
    scored: int | None = None
    to_score: int | None = None
    probability: float | None = Field(
        default=None, description="What the slices scored so far add up to; not a result."
    )


class ExamStatus(BaseModel):
    """An exam without a diagnosis: queued, running, refused or failed."""

    id: str
    status: Status
    created_at: datetime
    expires_at: datetime
    progress: ProgressReport | None = None
    problem: Problem | None = None
    notice: str = NOTICE


class ExamSummary(BaseModel):
    """One exam of the list."""

    id: str
    status: Status
    created_at: datetime
    expires_at: datetime
    files: int = Field(description="As sent: an archive is one.")
    exam: str


class ExamList(BaseModel):
    """Exams, newest first; ``next`` leads on where there are more."""

    exams: list[ExamSummary]
    next: str | None
    notice: str = NOTICE


class PreprocessingReport(BaseModel):
    """What is done to a slice before the network sees it."""

    name: str
    size: int
    fingerprint: str


class ServedModel(BaseModel):
    """The model in service."""

    name: str
    sha256: str
    version: str = __version__
    engine: str
    positive_class: str
    preprocessing: PreprocessingReport
    image_threshold: float
    image_band: tuple[float, float]
    exam_threshold: float
    inconclusive_band: tuple[float, float]
    exam_rule: ExamRule
    fitness: FitnessSpec = Field(description="What is refused instead of judged, and what that rests on.")
    affected: AffectedSpec | None = Field(
        default=None,
        description="How the share of lung affected is estimated, and what that rests on; null if it is not.",
    )
    measured: list[Measured]
    trained_with: dict[str, str]
    notice: str = NOTICE
