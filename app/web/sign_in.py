"""Signing a browser in by key, and out again. Works without JavaScript."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from app.web.callers import SESSION
from app.web.parts import Parts, Wired
from app.web.pictures import FORGET
from app.web.preferences import LONGEST, page_of, place_of_ours
from app.web.receiving import small_body
from app.web.templating import render

router = APIRouter(include_in_schema=False)

_MOST_BYTES = 1024

Back = Annotated[str, Query(max_length=LONGEST)]


def to_sign_in(request: Request) -> Response:
    """Lead someone without a key to the form, and from there back to where they were."""
    back = place_of_ours(page_of(request))
    return RedirectResponse(f"/covid/sign-in?back={quote(back, safe='/')}", status_code=303)


@router.get("/covid/sign-in")
def get_form(request: Request, parts: Wired, back: Back = "/covid") -> Response:
    """The form; a service without keys has none."""
    if not parts.store.keys.are_there():
        return RedirectResponse("/covid", status_code=303)
    return _form(request, back, is_refused=False)


@router.post("/covid/sign-in")
async def post_form(request: Request, parts: Wired, back: Back = "/covid") -> Response:
    """Begin a session with the key, and lead back."""
    fields = parse_qs((await small_body(request, most=_MOST_BYTES)).decode("utf-8", "replace"))
    token = await run_in_threadpool(_begin, parts, fields.get("key", [""])[0].strip())
    if token is None:
        return _form(request, back, is_refused=True)
    answer = RedirectResponse(place_of_ours(back), status_code=303)
    _set_cookie(request, answer, token, lasts_s=round(parts.settings.session_h * 3600))
    return answer


@router.post("/covid/sign-out")
async def post_sign_out(request: Request, parts: Wired) -> Response:
    """End the session."""
    await run_in_threadpool(parts.store.keys.sign_out, request.cookies.get(SESSION, ""))
    answer = RedirectResponse("/covid/sign-in", status_code=303, headers=FORGET)
    _set_cookie(request, answer, "", lasts_s=0)
    return answer


def _begin(parts: Parts, secret: str) -> str | None:
    keys = parts.store.keys
    key = keys.of_secret(secret)
    keep = timedelta(hours=parts.settings.session_h)
    return None if key is None else keys.sign_in(key, now=datetime.now(UTC), keep=keep)


def _form(request: Request, back: str, *, is_refused: bool) -> Response:
    shown = {"is_refused": is_refused, "back": place_of_ours(back)}
    status = HTTPStatus.UNAUTHORIZED if is_refused else HTTPStatus.OK
    return render(request, "sign_in.html", shown, status_code=status)


def _set_cookie(request: Request, answer: Response, token: str, *, lasts_s: int) -> None:
    is_over_tls = request.url.scheme == "https"
    answer.set_cookie(SESSION, token, max_age=lasts_s, path="/", httponly=True, samesite="strict", secure=is_over_tls)
