"""How a reader wants the page: kept in a cookie of that reader's browser, so that it also works without JavaScript."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from app.web.receiving import small_body

router = APIRouter(include_in_schema=False)

_COOKIE = "covidct-theme"
_YEAR_S = 365 * 24 * 3600
_MOST_BYTES = 1024


class Theme(StrEnum):
    """Dark as in a reading room, or light as on an office desk."""

    DARK = "dark"
    LIGHT = "light"


def theme_of(request: Request) -> Theme:
    """What the reader has chosen; dark where nothing was."""
    chosen = request.cookies.get(_COOKIE, "")
    return Theme(chosen) if chosen in set(Theme) else Theme.DARK


@router.post("/covid/preferences")
async def post_preferences(request: Request, back: Annotated[str, Query(max_length=200)] = "/covid") -> Response:
    """Keep a choice, and lead back to the page it was made on."""
    body = await small_body(request, most=_MOST_BYTES)
    chosen = parse_qs(body.decode("ascii", "replace")).get("theme", [""])[0]
    # Only to a page of ours: a foreign address, or one that a browser would take for one, is not followed.
    place = back if back == "/covid" or back.startswith(("/covid/", "/covid?")) else "/covid"
    answer = RedirectResponse(place, status_code=303)
    if chosen in set(Theme):
        answer.set_cookie(_COOKIE, chosen, max_age=_YEAR_S, samesite="lax", httponly=True, path="/")
    return answer
