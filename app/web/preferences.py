"""How a reader wants the page: kept in cookies of that reader's browser, so that it also works without JavaScript."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from app.web.languages import Language, Words, language_of, words_in
from app.web.receiving import small_body

router = APIRouter(include_in_schema=False)

LONGEST = 200
"""Characters of an address that is led back to."""
_YEAR_S = 365 * 24 * 3600
_MOST_BYTES = 1024


class Theme(StrEnum):
    """Dark as in a reading room, or light as on an office desk."""

    DARK = "dark"
    LIGHT = "light"


_CHOICES: dict[str, type[StrEnum]] = {"theme": Theme, "language": Language}


def _chosen(request: Request, name: str) -> str:
    chosen = request.cookies.get(f"covidct-{name}", "")
    return chosen if chosen in set(_CHOICES[name]) else ""


def theme_of(request: Request) -> Theme:
    """What the reader has chosen; dark where nothing was."""
    return Theme(_chosen(request, "theme") or Theme.DARK)


def words_of(request: Request) -> Words:
    """The words of the language that the reader has chosen; where none was, of the one that the browser asks for."""
    return words_in(Language(_chosen(request, "language") or language_of(request)))


def page_of(request: Request) -> str:
    """The page to lead back to: the one that was asked for; where a form was sent, the one of its exam, or the first."""
    path = request.url.path
    if request.method in ("GET", "HEAD"):
        whole = f"{path}?{request.url.query}" if request.url.query else path
        return next((found for found in (whole, path) if len(found) <= LONGEST), "/covid")
    if path == "/covid/sign-in":
        return path
    exam = "/".join(path.split("/")[:4])
    return exam if path.startswith("/covid/exams/") and len(exam) <= LONGEST else "/covid"


def place_of_ours(back: str) -> str:
    """Where to lead back to: a foreign address, or one that a browser would take for one, is not followed."""
    return back if back in ("/covid", "/docs") or back.startswith(("/covid/", "/covid?")) else "/covid"


@router.post("/covid/preferences")
async def post_preferences(request: Request, back: Annotated[str, Query(max_length=LONGEST)] = "/covid") -> Response:
    """Keep a choice, and lead back to the page it was made on."""
    body = await small_body(request, most=_MOST_BYTES)
    fields = parse_qs(body.decode("ascii", "replace"))
    answer = RedirectResponse(place_of_ours(back), status_code=303)
    for name, choices in _CHOICES.items():
        chosen = fields.get(name, [""])[0]
        if chosen in set(choices):
            answer.set_cookie(f"covidct-{name}", chosen, max_age=_YEAR_S, samesite="lax", httponly=True, path="/")
    return answer
