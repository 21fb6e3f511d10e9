"""Who comes in: asked under a name of ours, by no foreign page, and with a key once there is one.

It stands before the routes, so that a route cannot be forgotten.
"""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ct.errors import CovidCTError
from app.settings import Settings
from app.web.callers import SESSION, Caller, csrf_of
from app.web.parts import Parts
from app.web.problems import ForeignPage, Unauthenticated, UnknownHost

_HEALTH = ("/livez", "/readyz")
_STATIC = "/static/"
_FOR_ANYBODY = ("/covid/sign-in", "/covid/preferences")
_READING = ("GET", "HEAD", "OPTIONS")
_EVERY = "*"
_THREADS = 16
"""That ask for keys at a time."""

Refuse = Callable[[Request, CovidCTError], Response]


class Door:
    """ASGI middleware before the routes; gives each request its caller, and counts what is sent."""

    def __init__(self, app: ASGIApp, *, parts: Parts, refuse: Refuse) -> None:
        """Wrap ``app``; ``refuse`` answers those who may not come in."""
        self._app, self._parts, self._refuse = app, parts, refuse
        self._threads: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or turn it away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            request.state.caller = await self._let_in(request)
        except CovidCTError as error:
            await self._refuse(request, error)(scope, receive, send)
            return
        await self._app(scope, self._counting(request, receive), send)

    async def _let_in(self, request: Request) -> Caller | None:
        path = request.scope["path"]
        if path in _HEALTH:  # Whoever balances load may name no host; a foreign page would learn nothing.
            return None
        _check_host(request, self._parts.settings)
        _check_origin(request)
        if path.startswith(_STATIC):
            return None
        if self._threads is None:
            # Its own, so that nobody is kept out because all others wait for a disk.
            self._threads = CapacityLimiter(_THREADS)
        caller = await to_thread.run_sync(self._caller, request, limiter=self._threads)
        if caller is None and path not in _FOR_ANYBODY:
            raise Unauthenticated
        if path not in _FOR_ANYBODY:
            # Those forms may be drawn for nobody: a browser that comes from another site leaves its session's cookie out.
            _check_form(request, caller)
        return caller

    def _caller(self, request: Request) -> Caller | None:
        keys = self._parts.store.keys
        client = request.client.host if request.client else ""
        if not keys.are_there():
            return Caller(None, client)
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            key = keys.of_secret(secret.strip())
            return None if key is None else Caller(key, client)
        session = request.cookies.get(SESSION)
        key = keys.of_session(session, now=datetime.now(UTC)) if session else None
        return None if key is None or session is None else Caller(key, client, csrf_of(session))

    def _counting(self, request: Request, receive: Receive) -> Receive:
        caller = request.state.caller
        if caller is None or request.method in _READING:
            return receive

        async def counted() -> Message:
            message = await receive()
            self._parts.rates.take_bytes(caller.name, len(message.get("body", b"")))
            return message

        return counted


def _check_host(request: Request, settings: Settings) -> None:
    """A page of another name that leads to this address (DNS rebinding) would be of one origin with the service.

    Strangers can have no address lead here, nor a name without a dot: these are given by whoever runs the network.
    """
    named = request.headers.getlist("host")
    name = (_name_in(named[0]) if len(named) == 1 else None) or ""
    allowed = settings.allowed_hosts
    is_ours = name in allowed or "." not in name or name == settings.host.lower()
    if _EVERY not in allowed and not (name and (is_ours or _is_address(name))):
        raise UnknownHost


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _name_in(host: str) -> str | None:
    """The name of a Host header without port and brackets, in lower case; None where it is malformed."""
    try:
        split = urlsplit(f"//{host}")
        is_plain = split.netloc == host and split.username is None and split.port != 0
        return split.hostname if is_plain else None
    except ValueError:
        return None


def _check_origin(request: Request) -> None:
    """A foreign page may have its browser post here, also to a service that is open on 127.0.0.1.

    Browsers say who asks (Fetch Metadata), older ones and those without TLS where from (Origin); programs say neither.
    """
    if request.method in _READING:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        is_ours = origin is None or _host_of(origin) == request.headers.get("host")
    if not is_ours:
        raise ForeignPage


def _host_of(origin: str) -> str | None:
    """Host and port of an Origin header; None where it is malformed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _check_form(request: Request, caller: Caller | None) -> None:
    """What a signed-in browser sends says that one of our pages had it sent."""
    if request.method in _READING or caller is None or caller.csrf is None:
        return
    shown = request.headers.get("x-csrf-token") or request.query_params.get("csrf", "")
    if not hmac.compare_digest(shown.encode(), caller.csrf.encode()):
        raise ForeignPage
