"""The public JSON: what leaves the service, field by field."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app import NOTICE, __version__
from app.course import Course, Reading, Received, Scoring
from app.ct.diagnosis import Verdict
from app.ct.exam import Exam, InputKind, Order
from app.ct.manifest import ExamRule, Measured
from app.desk import Timed
from app.service import Diagnosed, SliceClassifier
from app.store import KeptExam, Status
from app.web.problems import Problem, kept_problem

DIGITS = 6


def exam_url(exam_id: str) -> str:
    """Where an exam stands."""
    return f"/api/v1/exams/{exam_id}"


class SliceReport(BaseModel):
    """One slice, in order from head to feet."""

    index: int
    z_mm: float | None = Field(description="Position along the slice normal, growing towards the head.")
    instance_number: int | None
    scored: bool
    probability: float | None = Field(default=None, description="Of COVID-19; for scored slices.")
    evidence_in_lung: float | None = Field(default=None, description="Share of the positive evidence inside the lungs.")
    image: str
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
    files: int
    slices: int
    scored: int
    order: Order = Field(description="What the slices were ordered by.")
    series: SeriesReport | None
    warnings: list[str]


class ModelReport(BaseModel):
    """What made the diagnosis."""

    name: str
    sha256: str
    preprocessing: str
    preprocessing_fingerprint: str
    engine: str
    version: str = __version__


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


class ExamReport(BaseModel):
    """A diagnosed exam."""

    id: str
    status: Literal[Status.DONE] = Status.DONE
    created_at: datetime
    expires_at: datetime
    verdict: Verdict
    probability: float = Field(description="Of COVID-19, 0 to 1.")
    threshold: float
    inconclusive_band: tuple[float, float]
    heatmap: str = Field(description="Overlay of the slice with the strongest evidence.")
    strongest_slice: int
    findings: list[FindingReport]
    slices: list[SliceReport]
    input: InputReport
    model: ModelReport
    timing_s: TimingReport
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
    files: int
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
    measured: list[Measured]
    trained_with: dict[str, str]
    notice: str = NOTICE


def served_model(classifier: SliceClassifier) -> ServedModel:
    """The manifest in public form."""
    manifest = classifier.manifest
    image, exam = manifest.image, manifest.exam_rule.decision
    return ServedModel(
        name=manifest.name,
        sha256=manifest.sha256,
        engine=classifier.engine_name,
        positive_class=manifest.positive_class,
        preprocessing=PreprocessingReport.model_validate(manifest.preprocessing.model_dump()),
        image_threshold=image.threshold,
        image_band=image.band,
        exam_threshold=exam.threshold,
        inconclusive_band=exam.band,
        exam_rule=manifest.exam_rule,
        measured=list(manifest.measured),
        trained_with=manifest.trained_with,
    )


def exam_report(kept: KeptExam, diagnosed: Diagnosed, timed: Timed, classifier: SliceClassifier) -> ExamReport:
    """Everything about a diagnosed exam."""
    diagnosis, scores = diagnosed.diagnosis, diagnosed.scores
    strongest = scores.indices[int(scores.logits.argmax())]
    return ExamReport(
        id=kept.id,
        created_at=kept.created_at,
        expires_at=kept.expires_at,
        verdict=diagnosis.verdict,
        probability=round(diagnosis.probability, DIGITS),
        threshold=diagnosis.threshold,
        inconclusive_band=diagnosis.band,
        heatmap=f"{exam_url(kept.id)}/heatmap.png",
        strongest_slice=strongest,
        findings=[
            FindingReport(slice=f.slice_index, probability=round(f.probability, DIGITS)) for f in diagnosis.findings
        ],
        slices=_slices(kept.id, diagnosed),
        input=_input(diagnosed.exam, scored=len(scores.indices)),
        model=_model(classifier),
        timing_s=TimingReport(**{name: round(getattr(timed, name), 3) for name in TimingReport.model_fields}),
    )


def _slices(exam_id: str, diagnosed: Diagnosed) -> list[SliceReport]:
    scores = diagnosed.scores
    row_of = {index: row for row, index in enumerate(scores.indices)}
    reports = []
    for index, one in enumerate(diagnosed.exam.slices):
        at, row = f"{exam_url(exam_id)}/slices/{index}", row_of.get(index)
        plain = SliceReport(
            index=index,
            z_mm=one.z_mm,
            instance_number=one.instance_number,
            scored=row is not None,
            image=f"{at}/image.png",
        )
        if row is not None:
            plain.probability = round(float(scores.probabilities[row]), DIGITS)
            plain.evidence_in_lung = round(float(scores.evidence_in_lung[row]), DIGITS)
            plain.heatmap, plain.overlay = f"{at}/heatmap.png", f"{at}/overlay.png"
        reports.append(plain)
    return reports


def _input(exam: Exam, *, scored: int) -> InputReport:
    choice = exam.series
    series = None
    if choice is not None:
        rejected = [RejectedSeriesReport(series=r.series, slices=r.slices, why=r.why) for r in choice.rejected]
        series = SeriesReport(chosen=choice.chosen, why=choice.why, rejected=rejected)
    return InputReport(
        kind=exam.kind,
        files=exam.files,
        slices=len(exam.slices),
        scored=scored,
        order=exam.order,
        series=series,
        warnings=list(exam.warnings),
    )


def _model(classifier: SliceClassifier) -> ModelReport:
    manifest = classifier.manifest
    return ModelReport(
        name=manifest.name,
        sha256=manifest.sha256,
        preprocessing=manifest.preprocessing.name,
        preprocessing_fingerprint=manifest.preprocessing.fingerprint,
        engine=classifier.engine_name,
    )


def exam_status(kept: KeptExam, course: Course | None) -> ExamStatus:
    """Where an exam without a diagnosis stands."""
    problem = None if kept.problem is None else kept_problem(kept.problem, instance=exam_url(kept.id))
    return ExamStatus(
        id=kept.id,
        status=kept.status,
        created_at=kept.created_at,
        expires_at=kept.expires_at,
        progress=None if course is None or kept.status.is_final else progress(course),
        problem=problem,
    )


def progress(course: Course) -> ProgressReport | None:
    """The latest event of a course, as progress."""
    match course.latest:
        case Received():
            return ProgressReport(stage="received")
        case Reading():
            return ProgressReport(stage="reading")
        case Scoring(scored, to_score, probability):
            return ProgressReport(stage="scoring", scored=scored, to_score=to_score, probability=probability)
        case _:
            return None


def exam_summary(kept: KeptExam) -> ExamSummary:
    """One row of the list."""
    return ExamSummary(
        id=kept.id,
        status=kept.status,
        created_at=kept.created_at,
        expires_at=kept.expires_at,
        files=kept.files,
        exam=exam_url(kept.id),
    )
