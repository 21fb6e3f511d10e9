"""The page: the form, an exam's result, and every state between. Works without JavaScript; with it, it is livelier."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from app.ct.words import sentence
from app.exam_folder import Wish
from app.kept import KeptExam, Status
from app.said import Said
from app.web.callers import Asking, Caller
from app.web.drawing import Curve, Scale, draw_curve, draw_scale, strongest
from app.web.history import history_of
from app.web.intake import take_example, take_in
from app.web.parts import FoundExam, Parts, Wired, find_exam
from app.web.pictures import FORGET
from app.web.preferences import page_of, words_of
from app.web.problems import NotFound, Problem
from app.web.reporting import exam_status, kept_report, served_model
from app.web.schemas import ExamReport
from app.web.templating import render
from app.web.worth import worth_of

router = APIRouter(include_in_schema=False)

REFRESH_S = 3
STRONGEST = 6


def is_page(request: Request) -> bool:
    """Whether a person is reading, rather than a program."""
    path = request.url.path
    return path == "/covid" or path.startswith("/covid/")


def problem_page(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """A problem as a page."""
    sent = headers or {}
    shown = {"problem": problem, "again_s": sent.get("Retry-After"), "exam": _exam_of_form(request, problem)}
    answer = render(request, "problem.html", shown, status_code=problem.status)
    answer.headers.update(sent)
    return answer


def _exam_of_form(request: Request, problem: Problem) -> str | None:
    """The page of the exam that a form was about which was not taken; None of others, or where there is no such exam."""
    page = page_of(request)
    is_of_one = request.method == "POST" and page.startswith("/covid/exams/") and problem.status not in (404, 410)
    return page if is_of_one else None


@router.get("/")
def get_root() -> Response:
    """Lead to the page."""
    return RedirectResponse("/covid", status_code=307)


@router.get("/covid")
def get_form(
    request: Request, parts: Wired, caller: Asking, before: Annotated[int | None, Query(ge=1, le=2**62)] = None
) -> Response:
    """The form."""
    classifier = parts.desk.classifier
    shown = {
        "model": None if classifier is None else served_model(classifier),
        "has_failed": parts.desk.failure is not None,
        "settings": parts.settings,
        "history": history_of(parts, caller, before=before),
    }
    return render(request, "upload.html", shown)


@router.post("/covid")
async def post_form(request: Request, parts: Wired, caller: Asking) -> Response:
    """Take the form's files in and lead to the exam's page."""
    kept, _ = await take_in(parts, caller, request, wish=Wish())
    return RedirectResponse(f"/covid/exams/{kept.id}", status_code=303)


@router.post("/covid/example")
async def post_example(parts: Wired, caller: Asking) -> Response:
    """Diagnose a synthetic exam, for visitors without CT data, and lead to its page."""
    kept = await take_example(parts, caller)
    return RedirectResponse(f"/covid/exams/{kept.id}", status_code=303)


@router.post("/covid/exams/{exam_id}/delete")
async def post_delete(kept: FoundExam, parts: Wired, unless: Literal["done"] | None = None) -> Response:
    """Erase the exam and lead back to the form; who cancels one that ended meanwhile is led to its result instead."""
    if unless == kept.status:
        return RedirectResponse(f"/covid/exams/{kept.id}", status_code=303)
    await run_in_threadpool(parts.desk.erase, kept.id, owner=kept.owner)
    return RedirectResponse("/covid", status_code=303, headers=FORGET)


@router.get("/covid/compare")
async def get_compared(request: Request, parts: Wired, caller: Asking, first: str, second: str) -> Response:
    """Two diagnosed exams side by side."""
    (one, said), (other, also) = [await _diagnosed(parts, caller, exam_id) for exam_id in (first, second)]
    knows_head = one.input.head_known and other.input.head_known
    shown = {"first": one, "second": other, "said": {**said, **also}, "knows_head": knows_head}
    return render(request, "compare.html", shown)


async def _diagnosed(parts: Parts, caller: Caller, exam_id: str) -> tuple[ExamReport, Said]:
    kept = await find_exam(parts, caller, exam_id)
    if kept.report is None:
        raise NotFound(sentence("An exam that is not diagnosed cannot be set beside another."))
    return await run_in_threadpool(kept_report, kept.report), kept.said


@router.get("/covid/exams/{exam_id}")
def get_exam_page(
    request: Request, kept: FoundExam, parts: Wired, at: Annotated[int | None, Query(alias="slice", ge=0)] = None
) -> Response:
    """The result; before there is one, how far the exam has come."""
    if kept.report is not None:
        return _result(request, parts, kept, at=at)
    if not kept.status.is_final:
        return _progress(request, kept, parts)
    status = exam_status(kept, None, words_of(request))
    shown = {"problem": status.problem, "status": kept.status, "refused": kept.status is Status.REFUSED, "exam": status}
    return render(request, "refused.html", shown)


def _progress(request: Request, kept: KeptExam, parts: Parts) -> Response:
    shown = {"exam": exam_status(kept, parts.desk.course(kept.id)), "refresh_s": REFRESH_S, "files": kept.files}
    return render(request, "progress.html", shown)


def _result(request: Request, parts: Parts, kept: KeptExam, *, at: int | None) -> Response:
    report, classifier = kept_report(kept.report or ""), parts.desk.classifier
    manifest = None if classifier is None else classifier.manifest
    index = report.strongest_slice if at is None else min(at, len(report.slices) - 1)
    scale: Scale = draw_scale(report.probability, report.threshold, report.inconclusive_band)
    curve: Curve = draw_curve(report.slices, threshold=report.image_threshold, band=report.image_band, current=index)
    shown = {
        "report": report,
        "said": kept.said,
        "scale": scale,
        "curve": curve,
        "strongest": strongest(report.slices, most=STRONGEST),
        "current": report.slices[index],
        "is_single": len(report.slices) == 1,
        "knows_head": report.input.head_known,
        "reviews": parts.store.reviews.of_exam(report.id),
        "worth": worth_of(report, manifest.measured) if manifest and manifest.sha256 == report.model.sha256 else None,
    }
    return render(request, "exam.html", shown)
