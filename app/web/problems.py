"""Errors as RFC 9457 problems: the one place that knows which error is which HTTP status."""

from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.ct import errors
from app.ct.errors import CovidCTError
from app.store import KeptProblem

MEDIA_TYPE = "application/problem+json"


class NotFound(CovidCTError):
    """Nothing stands at that address."""

    code = "not-found"
    title = "Not found"
    advice = "Check the address. Exams that were deleted are not found either."


class Expired(CovidCTError):
    """The exam was kept for its time and then erased."""

    code = "expired"
    title = "The exam has expired"
    advice = "Send the exam again; exams are kept for a limited time only."


class OtherVersion(CovidCTError):
    """The exam's report was kept by another version of the service."""

    code = "other-version"
    title = "The report was made by another version"
    advice = "Send the exam again; this version of the service cannot show the report."


class MethodNotAllowed(CovidCTError):
    """The address does not take this method."""

    code = "method-not-allowed"
    title = "Method not allowed"
    advice = "See /docs for what each address takes."


class InvalidRequest(CovidCTError):
    """A parameter, header or the form is malformed."""

    code = "invalid-request"
    title = "The request is not valid"
    advice = "See /docs for what this address takes."


class Internal(CovidCTError):
    """A fault of the service."""

    code = "internal"
    title = "Something went wrong inside the service"
    advice = "Try again; if it happens again, tell the operator when it happened."


# The most specific class wins; every class of the tree has an entry, its own or its parent's.
STATUS: dict[type[CovidCTError], int] = {
    CovidCTError: 500,
    errors.ExamError: 422,
    errors.UnsupportedType: 415,
    errors.TooLarge: 413,
    errors.TooManyFiles: 413,
    errors.ModelError: 503,
    errors.ServiceError: 503,
    errors.StorageFull: 507,
    NotFound: 404,
    Expired: 410,
    OtherVersion: 410,
    MethodNotAllowed: 405,
    InvalidRequest: 422,
    Internal: 500,
}
BY_HTTP_STATUS: dict[int, type[CovidCTError]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: errors.TooLarge,
    415: errors.UnsupportedType,
    500: Internal,
}


class Problem(BaseModel):
    """A problem as RFC 9457 describes it, with a stable code and advice."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:covidct:problem:no-lung",
                "title": "No lung found",
                "status": 422,
                "detail": "None of the 12 slices shows lung.",
                "code": "no-lung",
                "advice": "Send axial chest CT slices in the lung window, or the DICOM files.",
            }
        }
    )

    type: str = Field(description="A name of the kind of problem, as a URI.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    code: str = Field(description="The kind of problem, for programs.")
    advice: str = Field(description="What the reader can do.")
    instance: str | None = Field(default=None, description="The exam it is about, where there is one.")


def status_of(kind: type[CovidCTError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def _all_kinds(kind: type[CovidCTError]) -> dict[str, type[CovidCTError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found |= _all_kinds(child)
    return found


def problem_of(error: CovidCTError, *, instance: str | None = None) -> Problem:
    """What an error says in public."""
    return _problem(type(error), error.message, instance=instance)


def kept_problem(kept: KeptProblem, *, instance: str | None = None) -> Problem:
    """The problem an exam was refused or failed with."""
    return _problem(_all_kinds(CovidCTError).get(kept.code, Internal), kept.message, instance=instance)


def _problem(kind: type[CovidCTError], detail: str, *, instance: str | None) -> Problem:
    return Problem(
        type=f"urn:covidct:problem:{kind.code}",
        title=kind.title,
        status=status_of(kind),
        detail=detail,
        code=kind.code,
        advice=kind.advice,
        instance=instance,
    )


def problem_response(problem: Problem, *, retry_after_s: int, headers: dict[str, str] | None = None) -> Response:
    """The problem as an answer; with Retry-After where trying again helps."""
    sent = dict(headers or {}) | {"Cache-Control": "no-store"}
    if problem.status in (503, 507):
        sent["Retry-After"] = str(retry_after_s)
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status_code=problem.status, headers=sent, media_type=MEDIA_TYPE)


def error_of_http(error: HTTPException) -> CovidCTError:
    """The framework's own errors, without their text."""
    kind = BY_HTTP_STATUS.get(error.status_code)
    if kind is not None:
        return kind()
    return InvalidRequest(f"{HTTPStatus(error.status_code).phrase}.") if error.status_code < 500 else Internal()


def error_of_validation(error: RequestValidationError) -> CovidCTError:
    """A parameter that does not fit: named, its value not repeated."""
    places = [fault["loc"] for fault in error.errors()]
    if any(place[0] == "path" for place in places):
        return NotFound()
    named = ", ".join(sorted({" ".join(str(part) for part in place[:2]) for place in places}))
    return InvalidRequest(f"Not valid: {named}.")


RESPONSES: dict[int | str, dict[str, object]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
