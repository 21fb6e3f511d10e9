"""What readers say of diagnoses: over HTTP, from the page's form, and as a table."""

import csv
import io
from datetime import UTC, datetime
from typing import Annotated, Self
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from app import NOTICE
from app.ct.words import Sentence, sentence
from app.kept import KeptExam
from app.reviews import Judged, Opinion, Review
from app.spreadsheet import as_text
from app.web.callers import Asking
from app.web.parts import FoundExam, Parts, Wired
from app.web.problems import RESPONSES, InvalidRequest, NotFound
from app.web.receiving import small_body
from app.web.reporting import DIGITS, exam_url, kept_report

router = APIRouter(tags=["reviews"], responses=RESPONSES)

_LONGEST = 2000
"""Characters of a comment."""
_EMPTY = "empty-comment"
_MOST_BYTES = 32_768
_COLUMNS = (
    "review",
    "exam",
    "created_at",
    "opinion",
    "comment",
    "verdict",
    "probability",
    "threshold",
    "model",
    "model_sha256",
    "notice",
)


class ReviewGiven(BaseModel):
    """A reader's word on a diagnosis."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    opinion: Opinion
    comment: Annotated[
        str, Field(max_length=_LONGEST, description="Name no patient here. Not empty where it stands alone.")
    ] = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.opinion is Opinion.COMMENT and not self.comment:
            raise PydanticCustomError(_EMPTY, "a comment says something")
        return self


class ReviewReport(BaseModel):
    """A kept review."""

    review: int
    exam: str
    created_at: datetime
    opinion: Opinion
    comment: str
    notice: str = NOTICE


class ReviewList(BaseModel):
    """What was said of one exam, oldest first."""

    reviews: list[ReviewReport]
    notice: str = NOTICE


# The body is read by hand, so the framework does not describe it; Opinion it does, since ReviewReport has one too.
_GIVEN = ReviewGiven.model_json_schema(ref_template="#/components/schemas/{model}")
del _GIVEN["$defs"]


@router.post(
    "/api/v1/exams/{exam_id}/reviews",
    status_code=201,
    summary="Agree, disagree or comment",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _GIVEN}},
        }
    },
)
async def post_review(request: Request, kept: FoundExam, parts: Wired) -> ReviewReport:
    """Keep a reader's word beside the diagnosis, until the exam is erased; its opinion and scores longer."""
    body = await small_body(request, most=_MOST_BYTES)
    try:
        given = ReviewGiven.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(_what_is_wrong(error)) from error
    return _report(kept.id, await run_in_threadpool(_keep, parts, kept, given))


@router.get("/api/v1/exams/{exam_id}/reviews", summary="What readers said of an exam")
async def get_reviews(kept: FoundExam, parts: Wired) -> ReviewList:
    """Oldest first."""
    found = await run_in_threadpool(parts.store.reviews.of_exam, kept.id)
    return ReviewList(reviews=[_report(kept.id, review) for review in found])


@router.get(
    "/api/v1/reviews.csv",
    summary="All reviews with scores, as a table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "A table."}},
)
def get_table(parts: Wired, caller: Asking) -> Response:
    """Every review there is of what the caller may see, with what the model had said; of expired exams without comment and id."""
    rows = io.StringIO(newline="")
    writer = csv.writer(rows)
    writer.writerow(_COLUMNS)
    writer.writerows(_row(review) for review in parts.store.reviews.every(owner=caller.owner))
    headers = {"Content-Disposition": 'attachment; filename="reviews.csv"'}
    # The mark tells spreadsheets that it is UTF-8.
    return Response("\ufeff" + rows.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/covid/exams/{exam_id}/reviews", include_in_schema=False)
async def post_form(request: Request, kept: FoundExam, parts: Wired) -> Response:
    """Keep what the page's form says, and lead back to the result."""
    fields = parse_qs((await small_body(request, most=_MOST_BYTES)).decode("utf-8", "replace"))
    try:
        # A form sends two characters for what its box counts as one line break.
        given = ReviewGiven.model_validate({name: values[0].replace("\r\n", "\n") for name, values in fields.items()})
    except ValidationError as error:
        raise InvalidRequest(_what_is_wrong(error)) from error
    await run_in_threadpool(_keep, parts, kept, given)
    return RedirectResponse(f"/covid/exams/{kept.id}#reviews", status_code=303)


def _what_is_wrong(error: ValidationError) -> Sentence:
    """Which fields, without what they hold."""
    if any(fault["type"] == _EMPTY for fault in error.errors()):
        return sentence("Not valid: comment. A comment of its own must not be empty.")
    named = sorted({str(fault["loc"][0]) if fault["loc"] else "body" for fault in error.errors()})
    return sentence(
        "Not valid: {names}. opinion is one of {opinions}; a comment has up to {longest} characters.",
        names=", ".join(named),
        opinions=", ".join(Opinion),
        longest=_LONGEST,
    )


def _keep(parts: Parts, kept: KeptExam, given: ReviewGiven) -> Review:
    if kept.report is None:
        raise NotFound(sentence("The exam is not diagnosed, so there is nothing to review."))
    report = kept_report(kept.report)
    judged = Judged(report.verdict, report.probability, report.threshold, report.model.name, report.model.sha256)
    review = parts.store.reviews.add(
        kept.id, given.opinion, given.comment, judged=judged, now=datetime.now(UTC), owner=kept.owner
    )
    if review is None:
        raise NotFound(sentence("There is no exam of that id."))
    return review


def _report(exam_id: str, review: Review) -> ReviewReport:
    return ReviewReport(
        review=review.number,
        exam=exam_url(exam_id),
        created_at=review.created_at,
        opinion=review.opinion,
        comment=review.comment,
    )


def _row(review: Review) -> list[str]:
    judged, comment = review.judged, review.comment
    return [
        str(review.number),
        review.exam_id or "",
        review.created_at.isoformat(timespec="seconds"),
        review.opinion,
        as_text(comment),
        judged.verdict,
        f"{judged.probability:.{DIGITS}f}",
        f"{judged.threshold:.{DIGITS}f}",
        judged.model,
        judged.model_sha256,
        NOTICE,
    ]
