"""Errors as RFC 9457 problems: the one place that knows which error is which HTTP status."""

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.ct import errors
from app.ct.errors import CovidCTError, ToldError
from app.ct.words import Sentence, sentence
from app.kept import KeptProblem
from app.web.languages import ENGLISH, Words

MEDIA_TYPE = "application/problem+json"


class NotFound(ToldError):
    """Nothing stands at that address."""

    code = "not-found"
    title = sentence("Not found")
    advice = sentence("Check the address. Exams that were deleted are not found either.")


class Expired(ToldError):
    """The exam was kept for its time and then erased."""

    code = "expired"
    title = sentence("The exam has expired")
    advice = sentence("Send the exam again; exams are kept for a limited time only.")


class OtherVersion(ToldError):
    """The exam's report was kept by another version of the service."""

    code = "other-version"
    title = sentence("The report was made by another version")
    advice = sentence("Send the exam again; this version of the service cannot show the report.")


class MethodNotAllowed(ToldError):
    """The address does not take this method."""

    code = "method-not-allowed"
    title = sentence("Method not allowed")
    advice = sentence("Ask as /docs says, where the operator has it open.")


class InvalidRequest(ToldError):
    """A parameter, header or the form is malformed."""

    code = "invalid-request"
    title = sentence("The request is not valid")
    advice = sentence(
        "Correct what is named and send it again; /docs, where the operator has it open, says what is taken."
    )


class TooSlow(ToldError):
    """The request does not come, or too slowly."""

    code = "too-slow"
    title = sentence("The request came too slowly")
    advice = sentence("Send it again over a faster connection.")


class KeyReused(ToldError):
    """Something else was sent under the same Idempotency-Key before."""

    code = "idempotency-key-reused"
    title = sentence("The Idempotency-Key belongs to another exam")
    advice = sentence("Send every exam under a key of its own, and the same files again under the same key.")


class Unauthenticated(ToldError):
    """The service has keys, and none in use was shown."""

    code = "unauthenticated"
    title = sentence("A key is needed")
    advice = sentence("Send a key as `Authorization: Bearer KEY`, or sign in on the page; the operator gives keys out.")


class ForeignPage(ToldError):
    """Another site's page had the browser send this, or a form of ours that is of another session."""

    code = "foreign-page"
    title = sentence("That was not sent by a page of this service")
    advice = sentence("Open the page of this service anew, and send it from there.")


class UnknownHost(ToldError):
    """The service was asked for under a name that is not its own."""

    code = "unknown-host"
    title = sentence("The service is not known under this name")
    advice = sentence("Use the address that the operator gave; operators name it in COVIDCT_ALLOWED_HOSTS.")


class RateLimited(ToldError):
    """One key, or one address, sends too much."""

    code = "rate-limited"
    title = sentence("Too much was sent of late")
    advice = sentence("Wait as long as Retry-After says, then send it again.")

    def __init__(self, message: Sentence | None = None, *, retry_after_s: int = 1) -> None:
        """Worth trying again after so many seconds."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Internal(ToldError):
    """A fault of the service."""

    code = "internal"
    title = sentence("Something went wrong inside the service")
    advice = sentence("Try again; if it happens again, tell the operator when it happened.")


# The most specific class wins; every class of the tree has an entry, its own or its parent's.
STATUS: dict[type[CovidCTError], int] = {
    CovidCTError: 500,
    errors.ExamError: 422,
    errors.UnsupportedType: 415,
    errors.TooLarge: 413,
    errors.TooManyFiles: 413,
    errors.ModelError: 503,
    errors.StoreError: 503,
    errors.ServiceError: 503,
    errors.StorageFull: 507,
    NotFound: 404,
    Expired: 410,
    OtherVersion: 410,
    MethodNotAllowed: 405,
    InvalidRequest: 422,
    TooSlow: 408,
    KeyReused: 422,
    Unauthenticated: 401,
    ForeignPage: 403,
    UnknownHost: 421,
    RateLimited: 429,
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
                "advice": str(errors.NoLung.advice),
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


def table_of_problems() -> str:
    """Every code with its status, what it means and what to do, as a table in Markdown, in the order of the status."""
    told = (errors.ExamError, errors.ServiceError, errors.ModelError, errors.StoreError, ToldError)
    found = [kind for kind in _all_kinds(CovidCTError).values() if issubclass(kind, told) and kind is not ToldError]
    kinds = sorted(found, key=lambda kind: (status_of(kind), kind.code))
    rows = (f"| `{kind.code}` | {status_of(kind)} | {kind.title} | {kind.advice} |" for kind in kinds)
    return "\n".join(["| code | status | meaning | advice |", "|---|---|---|---|", *rows])


def problem_of(error: CovidCTError, *, words: Words = ENGLISH) -> Problem:
    """What an error says in public."""
    return _problem(type(error), error.message, words=words)


def kept_problem(kept: KeptProblem, *, words: Words = ENGLISH, instance: str | None = None) -> Problem:
    """The problem an exam was refused or failed with."""
    kind = _all_kinds(CovidCTError).get(kept.code, Internal)
    return _problem(kind, kept.message, words=words, instance=instance)


def _problem(kind: type[CovidCTError], detail: str, *, words: Words, instance: str | None = None) -> Problem:
    return Problem(
        type=f"urn:covidct:problem:{kind.code}",
        title=words.tell(kind.title),
        status=status_of(kind),
        detail=words.tell(detail),
        code=kind.code,
        advice=words.tell(kind.advice),
        instance=instance,
    )


def told_in(words: Words) -> dict[str, str]:
    """Headers of an answer of the API that was told in the language it was asked for in."""
    return {"Content-Language": words.language.tag, "Vary": "Accept-Language"}


def problem_response(
    problem: Problem, *, words: Words, retry_after_s: int, headers: dict[str, str] | None = None
) -> Response:
    """The problem as an answer; with Retry-After where trying again helps."""
    sent = dict(headers or {}) | {"Cache-Control": "no-store"} | told_in(words) | again(problem, retry_after_s)
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status_code=problem.status, headers=sent, media_type=MEDIA_TYPE)


def again(problem: Problem, retry_after_s: int) -> dict[str, str]:
    """The header that says when to try again, where that helps."""
    return {"Retry-After": str(retry_after_s)} if problem.status in (503, 507) else {}


def error_of_http(error: HTTPException) -> CovidCTError:
    """The framework's own errors, without their text."""
    kind = BY_HTTP_STATUS.get(error.status_code)
    if kind is not None:
        return kind()
    return InvalidRequest() if error.status_code < 500 else Internal()


def error_of_validation(error: RequestValidationError) -> CovidCTError:
    """A parameter that does not fit: named, its value not repeated."""
    places = [fault["loc"] for fault in error.errors()]
    if any(place[0] == "path" for place in places):
        return NotFound()
    named = ", ".join(sorted({" ".join(str(part) for part in place[:2]) for place in places}))
    return InvalidRequest(sentence("Not valid: {names}.", names=named))


RESPONSES: dict[int | str, dict[str, object]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
