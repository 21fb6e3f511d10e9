"""The service as a process: starts the server, and stops it when the model cannot be served."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from app import NOTICE, logs
from app.commands import Misuse
from app.ct.errors import ModelError
from app.desk import Desk
from app.main import create_app
from app.settings import Settings, model_folder
from app.watch import STUCK_CODE
from app.web.connections import Patience, protocol_of
from app.web.parts import Parts

_GOODBYE_S = 5
"""How long connections may take to close once the exams at work are done; what still follows an exam is cut off."""


class _Server(uvicorn.Server):
    """Says where it is once it listens; goes on answering until the exams at work are done."""

    def __init__(self, config: uvicorn.Config, desk: Desk, *, handshake_s: float) -> None:
        """Of an application whose exams ``desk`` diagnoses; over TLS a connection may take so long to agree on keys."""
        super().__init__(config)
        self._desk = desk
        self._handshake_s = handshake_s

    async def shutdown(self, *arguments: object, **options: object) -> None:
        """Drain, then close: uploads are turned away meanwhile; who interrupts twice does not wait."""
        draining = asyncio.create_task(asyncio.to_thread(self._desk.stop))
        while not draining.done() and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(*arguments, **options)  # type: ignore[arg-type]

    async def startup(self, *arguments: object, **options: object) -> None:
        if self.config.is_ssl:  # asyncio waits a minute where nobody says otherwise, and uvicorn has no option for it.
            loop = asyncio.get_running_loop()
            limited = partial(loop.create_server, ssl_handshake_timeout=self._handshake_s)
            loop.create_server = limited  # type: ignore[method-assign]
        await super().startup(*arguments, **options)  # type: ignore[arg-type]
        scheme = "https" if self.config.is_ssl else "http"
        for server in self.servers:
            host, port = server.sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            sys.stderr.write(f"covidct listens on {scheme}://{shown}:{port}/covid . {NOTICE}\n")


@contextmanager
def _stopping_is_no_failure() -> Iterator[None]:
    """SIGTERM ends the process with code 0: uvicorn shuts down in order, then raises the signal once more."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the application is served over HTTP.

    No access log: addresses hold what was asked, such as a series' UID. Every exam has its own line. No log setup of uvicorn's
    either: it would close the handlers of libraries, some of which hold stderr itself.
    """
    patience = Patience(
        header_s=settings.header_timeout_s,
        body_s=settings.body_timeout_s,
        least_kb_s=settings.min_upload_kb_s,
        answer_s=settings.answer_timeout_s,
        per_client=settings.max_client_connections,
        together=settings.max_connections,
        retry_after_s=settings.retry_after_s,
    )
    parts: Parts = app.state.parts
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol_of(patience, parts.metrics.count_refusal),
        ws="none",
        access_log=False,
        log_level="warning",
        log_config=None,
        timeout_graceful_shutdown=_GOODBYE_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _check_tls(settings: Settings) -> None:
    """Try certificate and key before anything is loaded.

    Raises:
        Misuse: one is missing, cannot be read, or is not the other's.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise Misuse("--tls-cert and --tls-key are given together.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise Misuse(f"{certificate} and {key} are no certificate and its key ({type(error).__name__}).") from error


def _no_password() -> str:
    """Nobody is there to type one: a key that asks for it is refused."""
    return ""


def run(settings: Settings) -> None:
    """Serve until stopped.

    Raises:
        ModelError: the model cannot be served.
        StoreError: the store cannot be used.
        Misuse: there is no folder to keep exams in, and none can be made; or certificate and key are no pair.
    """
    model_folder(settings)
    _check_tls(settings)
    logs.configure()
    refusals: list[ModelError] = []

    def stop(error: ModelError) -> None:
        refusals.append(error)
        server.should_exit = True

    try:
        app = create_app(settings, on_refusal=stop, on_stuck=lambda: os._exit(STUCK_CODE))
    except OSError as error:
        raise Misuse(f"{settings.data_dir} cannot hold exams ({error.strerror}); set --data-dir.") from error
    parts: Parts = app.state.parts
    server = _Server(server_config(app, settings), parts.desk, handshake_s=settings.header_timeout_s)
    with _stopping_is_no_failure():
        server.run()
        if parts.desk.is_at_work:  # A native call that does not return would hold the interpreter's own end back.
            sys.stderr.flush()
            os._exit(0)
    if refusals:
        raise refusals[0]
    if not server.started:
        raise SystemExit(1)
