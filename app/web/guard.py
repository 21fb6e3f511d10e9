"""What every answer has in common: security headers, HEAD, and a last resort that tells nothing."""

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.logs import complain, say
from app.web.languages import asked_words
from app.web.problems import Internal, problem_of, problem_response

CSP = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
# Swagger UI draws its icons from data addresses inside its own style sheet.
DOCS_CSP = f"{CSP}; img-src 'self' data:"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # To others nothing; to ourselves, for without it browsers name no Origin when they post a form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware, outermost of ours."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and see its answer off."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, path=scope["path"], is_head=scope["method"] == "HEAD")
        told = scope
        if answer.is_head:
            scope = dict(scope, method="GET")
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            say("client left")
        except Exception as error:  # noqa: BLE001  the last resort: its text may name a patient, so neither log nor answer hold it
            complain("request failed", kind=type(error).__name__)
            if not answer.is_started:
                words = asked_words(Request(scope))
                problem = problem_of(Internal(), words=words)
                await problem_response(problem, words=words, retry_after_s=1)(scope, receive, answer.send)
        finally:
            # Which route it took is asked of what came in.
            told.update({name: scope[name] for name in ("route", "path_params") if name in scope})


class _Answer:
    def __init__(self, send: Send, *, path: str, is_head: bool) -> None:
        self._send, self._path, self.is_head = send, path, is_head
        self.is_started = False

    async def send(self, message: Message) -> None:
        """Send on, with our headers, and for HEAD without the body."""
        if message["type"] == "http.response.start":
            self.is_started = True
            self._add_headers(MutableHeaders(scope=message))
            await self._send(message)
            if self.is_head:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not self.is_head:
            await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers["Content-Security-Policy"] = DOCS_CSP if self._path == "/docs" else CSP
        for name, value in HEADERS.items():
            headers[name] = value
        is_static = self._path.startswith("/static/")
        headers.setdefault("Cache-Control", "public, max-age=600" if is_static else "no-store")
