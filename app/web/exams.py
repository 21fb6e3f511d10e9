"""Exams over HTTP: send, follow, read, list, erase."""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app.course import Ended, Paused, Reading, Received, Scoring
from app.ct.words import sentence
from app.exam_folder import SlicesAsked, Wish
from app.kept import KeptExam
from app.web.callers import Asking, Caller
from app.web.intake import take_in
from app.web.languages import ENGLISH, Words, asked_words
from app.web.parts import FoundExam, Parts, Wired, find_exam
from app.web.pictures import FORGET
from app.web.problems import RESPONSES, Internal, InvalidRequest, kept_problem, problem_response, told_in
from app.web.reporting import exam_status, exam_summary, exam_url
from app.web.schemas import ExamList, ExamReport, ExamStatus

router = APIRouter(prefix="/api/v1/exams", tags=["exams"], responses=RESPONSES)

UPLOAD_FORM: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The slices of one exam as DICOM, JPEG or PNG, one ZIP of them, or one volume.",
                        }
                    },
                }
            }
        },
    }
}

_TAKEN = {"slices", "series_instance_uid", "csrf"}
"""In the address; the last is the door's."""
_LAST = "last"
"""Id of the event after which nothing happens."""
HowMany = Annotated[
    SlicesAsked | None,
    Query(
        description="How many of the slices that show lung to score: a number, or `all`. By default 64 on a CPU (32 on one or two"
        " that compute in float32), and all on a GPU."
    ),
]
SeriesUid = Annotated[str | None, Query(max_length=128, description="The series to diagnose, instead of our choice.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=255, description="The same key from the same client: the same exam again, unless it failed (5xx)."
    ),
]
_Lines = list[Annotated[str, Field(max_length=255)]]
Prefer = Annotated[_Lines | None, Header(description="`respond-async`: do not wait for the diagnosis.")]


@router.post(
    "",
    status_code=201,
    summary="Send an exam",
    response_model=ExamReport,
    responses={
        200: {"model": ExamReport, "description": "The exam sent before under this Idempotency-Key."},
        202: {
            "model": ExamStatus,
            "description": "Accepted; the report will stand at Location. Also where the service stops before the diagnosis.",
        },
    },
    openapi_extra=UPLOAD_FORM,
)
async def post_exam(
    request: Request,
    parts: Wired,
    caller: Asking,
    slices: HowMany = None,
    series_instance_uid: SeriesUid = None,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Diagnose one exam. Waits for the report, unless `Prefer: respond-async` is sent.

    Unless the operator set other limits: at most 4,096 files and 1,024 MB (of 2^20 bytes) an upload, else 413; 16 exams wait,
    else 503; 600 exams and 16,384 MB a minute for a key or an address, else 429.
    """
    if set(request.query_params) - _TAKEN:
        # A misspelt wish would be diagnosed as if it had not been uttered.
        raise InvalidRequest(sentence("The address takes `slices` and `series_instance_uid`, and nothing else."))
    twice = sorted(name for name in _TAKEN if len(request.query_params.getlist(name)) > 1)
    if twice:  # So would the first of two.
        raise InvalidRequest(sentence("Not valid: {names}.", names=", ".join(f"query {name}" for name in twice)))
    wish = Wish.of(series_instance_uid, slices)
    kept, is_new = await take_in(parts, caller, request, wish=wish, idempotency_key=idempotency_key)
    if _is_not_waiting(prefer) and not kept.status.is_final:
        return _accepted(parts, kept, {"Retry-After": "1", "Preference-Applied": "respond-async"})
    course = parts.desk.course(kept.id)
    if course is not None:
        await course.ended()
    kept = await find_exam(parts, caller, kept.id)
    if parts.desk.is_stopping and not kept.status.is_final:
        return _accepted(parts, kept, {"Retry-After": str(parts.settings.retry_after_s)})
    return _answer(parts, kept, words=asked_words(request), is_new=is_new)


def _listed(lines: list[str] | None) -> list[str]:
    """What a header lists, over all its lines (RFC 9110, 5.3)."""
    return [member.strip() for line in lines or () for member in line.split(",")]


def _is_not_waiting(prefer: list[str] | None) -> bool:
    """Whether `respond-async` is among the preferences, whatever their values and parameters (RFC 7240, 2)."""
    return "respond-async" in [re.split("[;=]", wanted)[0].strip().lower() for wanted in _listed(prefer)]


def _accepted(parts: Parts, kept: KeptExam, headers: dict[str, str]) -> Response:
    body, _ = _body(parts, kept)
    sent = headers | {"Location": exam_url(kept.id), "Cache-Control": "no-store"}
    return Response(body, status_code=202, headers=sent, media_type="application/json")


def _answer(parts: Parts, kept: KeptExam, *, words: Words, is_new: bool) -> Response:
    location = {"Location": exam_url(kept.id)}
    if kept.problem is not None:
        problem = kept_problem(kept.problem, words=words, instance=exam_url(kept.id))
        return problem_response(problem, words=words, retry_after_s=parts.settings.retry_after_s, headers=location)
    if kept.report is None:
        raise Internal(sentence("The exam's end could not be kept."))
    body, etag = _body(parts, kept)
    return Response(
        body,
        status_code=201 if is_new else 200,
        headers=location | {"ETag": etag, "Cache-Control": "no-store"},
        media_type="application/json",
    )


def _body(parts: Parts, kept: KeptExam, words: Words = ENGLISH) -> tuple[str, str]:
    """The exam's JSON and its ETag; a report is the same in every language, a problem is told in that of ``words``."""
    body = kept.report or exam_status(kept, parts.desk.course(kept.id), words).model_dump_json(exclude_none=True)
    return body, f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'


@router.get(
    "/{exam_id}",
    summary="Read an exam",
    response_model=ExamReport | ExamStatus,
    responses={304: {"description": "Not changed since the ETag sent in If-None-Match."}},
)
async def get_exam(
    request: Request, kept: FoundExam, parts: Wired, if_none_match: Annotated[list[str] | None, Header()] = None
) -> Response:
    """The report, or where the exam stands. A report stands as the version of the service that made it wrote it."""
    words = asked_words(request)
    body, etag = _body(parts, kept, words)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if kept.problem is not None:
        headers |= told_in(words)
    if not {"*", etag}.isdisjoint(tag.removeprefix("W/") for tag in _listed(if_none_match)):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _not_told_all(last_event_id: Annotated[str | None, Header(description="As browsers send it.")] = None) -> None:
    """Whoever has had the last event asks again because the stream ended: 204 has a browser stop that (HTML, 9.2.3)."""
    if last_event_id == _LAST:
        raise HTTPException(204)


@router.get(
    "/{exam_id}/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "Nothing more will happen: Last-Event-ID is that of the last event."}},
    dependencies=[Depends(_not_told_all)],
    summary="Follow an exam",
)
async def get_events(kept: FoundExam, parts: Wired, caller: Asking) -> AsyncIterator[ServerSentEvent]:
    """`received`, `reading`, `scoring` with the running probability, then `done`, `refused`, `failed` or, deleted, `expired`.

    The stream ends without one of these where the service stops; the exam goes on when it starts again. Who comes again
    before the last event is told everything from the beginning.
    """
    course = parts.desk.course(kept.id)
    if course is None:
        async for event in _past(parts, caller, kept):
            yield event
        return
    async for happened in course.follow():
        if not isinstance(happened, Paused):  # The stream just ends: who follows asks again, until the service is back.
            yield _sent(kept.id, happened)


async def _past(parts: Parts, caller: Caller, kept: KeptExam) -> AsyncIterator[ServerSentEvent]:
    """The events of an exam that ended: it may have ended only after it was looked up.

    One that nobody works on has not: it waits for the next start, or for its end to be noted.
    """
    now = await find_exam(parts, caller, kept.id)
    yield _sent(kept.id, Received())
    if now.status.is_final:
        yield _sent(kept.id, Ended(now.status))


def _sent(exam_id: str, event: Received | Reading | Scoring | Ended) -> ServerSentEvent:
    told: dict[str, object] = {"id": exam_id, "exam": exam_url(exam_id)}
    match event:
        case Received():
            return ServerSentEvent(event="received", data=told)
        case Reading():
            return ServerSentEvent(event="reading", data=told)
        case Scoring(scored, to_score, probability):
            told |= {"scored": scored, "to_score": to_score, "probability": probability}
            return ServerSentEvent(event="scoring", data=told)
        case Ended(status):
            return ServerSentEvent(event=str(status), data=told | {"status": status}, id=_LAST)


@router.get("", summary="List exams")
async def list_exams(
    parts: Wired,
    caller: Asking,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=18, description="`next` of the page before.")] = None,
) -> ExamList:
    """Exams that are kept, newest first; with a key, those sent with it."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal()):
        raise InvalidRequest(sentence("Not valid: query cursor."))
    before = None if cursor is None else int(cursor)
    found = await run_in_threadpool(
        parts.store.newest, limit + 1, before=before, owner=caller.owner, with_reports=False
    )
    more = str(found[limit - 1].number) if len(found) > limit else None
    return ExamList(exams=[exam_summary(kept) for kept in found[:limit]], next=more)


@router.delete("/{exam_id}", status_code=204, summary="Erase an exam")
async def delete_exam(kept: FoundExam, parts: Wired) -> Response:
    """Erase the exam, its report and its pictures, also while it is being diagnosed."""
    await run_in_threadpool(parts.desk.erase, kept.id, owner=kept.owner)
    return Response(status_code=204, headers=FORGET)
