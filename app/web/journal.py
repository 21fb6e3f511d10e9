"""One line in the log and one count for every request: which route, how it ended, how long it took; nothing that was sent.

Addresses, queries, file names and the sender's address stay out: an address may hold what somebody typed. A request is named by
an id of its own, an exam by its own; the line of the request that brought an exam holds both.
"""

import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.logs import say
from app.web.metrics import Metrics

REQUEST_ID = "X-Request-ID"
# UUIDs and trace ids, with a letter among their digits: room for no name, and no number of a person's or an examination's.
_HARMLESS = re.compile(r"(?=.*[a-f])([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
_EXAM_ID = re.compile(r"[0-9a-f]{32}")
_NO_ROUTE = "none"
# Asked every few seconds by machines, or a dozen times for a page: told where they fail.
_QUIET = ("/livez", "/readyz", "/metrics", "/static")


class Journal:
    """ASGI middleware around all others."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        """Wrap ``app``; ``metrics`` count its requests."""
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get(REQUEST_ID, ""))
        entry, start = _Entry(scope, receive, send, request_id), time.perf_counter()
        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, entry.receive, entry.send)
            finally:
                self._note(entry, time.perf_counter() - start)

    def _note(self, entry: "_Entry", seconds: float) -> None:
        route = entry.route
        self._metrics.count_request(route, status=entry.status, body_bytes=entry.body_bytes)
        if route.startswith(_QUIET) and entry.status < 400:
            return
        exam = {} if entry.exam_id is None else {"exam_id": entry.exam_id}
        say(
            "request",
            method=entry.method,
            route=route,
            status=entry.status,
            seconds=round(seconds, 3),
            body_bytes=entry.body_bytes,
            **exam,
        )


class _Entry:
    """What is known of one request; status 0 where no answer was begun."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self._scope, self._receive, self._send, self._request_id = scope, receive, send, request_id
        self._location = ""
        self.status, self.body_bytes = 0, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.body_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            self.status, self._location = message["status"], headers.get("Location", "")
            headers[REQUEST_ID] = self._request_id
        await self._send(message)

    @property
    def method(self) -> str:
        """A method of HTTP; others are senders' words."""
        known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        return self._scope["method"] if self._scope["method"] in known else "other"

    @property
    def route(self) -> str:
        """The address as the program writes it, with names for what varies."""
        route = getattr(self._scope.get("route"), "path", None)
        if isinstance(route, str):
            return route
        return "/static" if self._scope["path"].startswith("/static/") else _NO_ROUTE

    @property
    def exam_id(self) -> str | None:
        """The exam it is about, or that it brought."""
        asked = str(self._scope.get("path_params", {}).get("exam_id", ""))
        named = [one for one in (asked, self._location.rsplit("/", 1)[-1]) if _EXAM_ID.fullmatch(one)]
        return named[0] if named else None


def _request_id(sent: str) -> str:
    return sent if _HARMLESS.fullmatch(sent) else uuid4().hex
