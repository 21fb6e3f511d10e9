"""From what was found to the public JSON."""

from typing import Literal

from pydantic import ValidationError

from app.course import Course, Reading, Received, Scoring
from app.ct.affected import Estimate
from app.ct.exam_rule import ExamRule, TopShareMean
from app.kept import KeptExam
from app.outcome import Timed
from app.service import Diagnosed, SliceClassifier
from app.web.languages import ENGLISH, Words
from app.web.problems import OtherVersion, kept_problem
from app.web.schemas import (
    ExamReport,
    ExamRuleReport,
    ExamStatus,
    ExamSummary,
    FindingReport,
    InputReport,
    ModelReport,
    PreprocessingReport,
    ProgressReport,
    RejectedSeriesReport,
    SeriesReport,
    ServedModel,
    ShareReport,
    SliceReport,
    TimingReport,
)

PictureKind = Literal["image.png", "image.jpg", "heatmap.png", "overlay.png", "pixels"]
DIGITS = 6


def exam_url(exam_id: str) -> str:
    """Where an exam stands."""
    return f"/api/v1/exams/{exam_id}"


def picture_url(exam_id: str, index: int, kind: PictureKind) -> str:
    """Where a picture of a slice stands."""
    return f"{exam_url(exam_id)}/slices/{index}/{kind}"


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
        fitness=manifest.fitness,
        affected=manifest.affected,
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
        held_back=diagnosis.held_back,
        probability=round(diagnosis.probability, DIGITS),
        judged_by=diagnosis.judged_by,
        threshold=diagnosis.threshold,
        inconclusive_band=diagnosis.band,
        image_threshold=classifier.manifest.image.threshold,
        image_band=classifier.manifest.image.band,
        affected_share=_share(diagnosed.affected.exam),
        heatmap=f"{exam_url(kept.id)}/heatmap.png",
        strongest_slice=strongest,
        findings=[
            FindingReport(slice=f.slice_index, probability=round(f.probability, DIGITS)) for f in diagnosis.findings
        ],
        slices=_slices(kept.id, diagnosed),
        input=_input(diagnosed, kept.input_sha256),
        model=_model(classifier),
        timing_s=TimingReport(**{name: round(getattr(timed, name), 3) for name in TimingReport.model_fields}),
    )


def _slices(exam_id: str, diagnosed: Diagnosed) -> list[SliceReport]:
    scores = diagnosed.scores
    row_of = {index: row for row, index in enumerate(scores.indices)}
    reports = []
    for index, one in enumerate(diagnosed.exam.slices):
        row = row_of.get(index)
        plain = SliceReport(
            index=index,
            z_mm=one.z_mm,
            instance_number=one.instance_number,
            scored=row is not None,
            pixel_spacing_mm=one.pixel_spacing_mm,
            image=picture_url(exam_id, index, "image.png"),
            compressed=picture_url(exam_id, index, "image.jpg"),
            pixels=None if one.values is None else picture_url(exam_id, index, "pixels"),
        )
        if row is not None:
            plain.probability = round(float(scores.probabilities[row]), DIGITS)
            plain.lung_found = bool(scores.lung_found[row])
            plain.training_distance = round(float(scores.distance[row]), DIGITS)
            plain.evidence_in_lung = round(float(scores.evidence_in_lung[row]), DIGITS)
            plain.affected_share = _share(diagnosed.affected.slices[row])
            plain.heatmap = picture_url(exam_id, index, "heatmap.png")
            plain.overlay = picture_url(exam_id, index, "overlay.png")
        reports.append(plain)
    return reports


def _share(estimate: Estimate | None) -> ShareReport | None:
    if estimate is None:
        return None
    return ShareReport(
        value=round(estimate.value, DIGITS), low=round(estimate.low, DIGITS), high=round(estimate.high, DIGITS)
    )


def _input(diagnosed: Diagnosed, sha256: str | None) -> InputReport:
    exam, choice = diagnosed.exam, diagnosed.exam.series
    series = None
    if choice is not None:
        rejected = [RejectedSeriesReport(series=r.series, slices=r.slices, why=r.why) for r in choice.rejected]
        series = SeriesReport(chosen=choice.chosen, why=choice.why, rejected=rejected)
    return InputReport(
        kind=exam.kind,
        files=exam.files,
        sha256=sha256,
        slices=len(exam.slices),
        scored=len(diagnosed.scores.indices),
        few_scored=bool(diagnosed.few),
        order=exam.order,
        oriented=exam.is_oriented,
        head_known=exam.is_head_known,
        synthetic=diagnosed.synthetic,
        series=series,
        warnings=list(diagnosed.warnings),
    )


def _model(classifier: SliceClassifier) -> ModelReport:
    manifest, rule = classifier.manifest, classifier.manifest.exam_rule
    return ModelReport(
        name=manifest.name,
        sha256=manifest.sha256,
        preprocessing=manifest.preprocessing.name,
        preprocessing_fingerprint=manifest.preprocessing.fingerprint,
        engine=classifier.engine_name,
        exam_rule=_exam_rule(rule),
        affected_rests_on=None if manifest.affected is None else manifest.affected.rests_on,
    )


def _exam_rule(rule: ExamRule) -> ExamRuleReport:
    return ExamRuleReport(
        name=rule.name,
        top_share=rule.top_share if isinstance(rule, TopShareMean) else None,
        in_words=rule.in_words,
        rests_on=rule.rests_on,
    )


def kept_report(kept: str) -> ExamReport:
    """A report as it was kept.

    Raises:
        OtherVersion: it was written by a version of the service whose reports looked different.
    """
    try:
        return ExamReport.model_validate_json(kept)
    except ValidationError as error:
        raise OtherVersion from error


def exam_status(kept: KeptExam, course: Course | None, words: Words = ENGLISH) -> ExamStatus:
    """Where an exam without a diagnosis stands."""
    problem = None if kept.problem is None else kept_problem(kept.problem, words=words, instance=exam_url(kept.id))
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
