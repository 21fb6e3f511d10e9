"""The service as a process: starts the server, and stops it when the model cannot be served."""

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import uvicorn
from fastapi import FastAPI

from app import NOTICE, logs
from app.commands import Misuse
from app.commands.printing import tell
from app.ct.errors import CovidCTError, ModelError
from app.desk import Desk
from app.main import create_app
from app.settings import Settings, model_folder
from app.watch import STUCK_CODE
from app.web.connections import Patience, TlsServer, protocol_of
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
        if self.force_exit:
            # The end of the loop would wait for the drain; what is at work begins again with the next start.
            _leave(0)

    async def startup(self, *arguments: object, **options: object) -> None:
        """Listen; raises Misuse where that cannot be, once all that had begun is stopped."""
        loop = asyncio.get_running_loop()
        loop.create_server = self._listening(loop.create_server)  # type: ignore[assignment, method-assign]
        try:
            await super().startup(*arguments, **options)  # type: ignore[arg-type]
        except Misuse:
            await self.lifespan.shutdown()
            raise
        scheme = "https" if self.config.is_ssl else "http"
        for server in self.servers:
            address = _address(*server.sockets[0].getsockname()[:2])
            tell(f"covidct listens on {scheme}://{address}/covid . {NOTICE}")

    def _listening(self, create_server: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """``create_server`` of the loop with what uvicorn has no option for: places before keys are agreed on, and a reason."""

        async def listen(make: Callable[[], Any], **options: Any) -> Any:
            context = options.pop("ssl")
            try:
                server = await create_server(make, **options, start_serving=context is None)
                if context is None:
                    return server
                sockets = [_taken_over(one, backlog=options["backlog"]) for one in server.sockets]
            except OSError as error:  # uvicorn would end the process, and tell the reason to its own log alone.
                address = _address(self.config.host, self.config.port)
                reason = f"{address} cannot be listened on ({_reason(error)}); set --host or --port."
                raise Misuse(reason) from error
            server.close()
            return TlsServer(sockets, make, context, handshake_s=self._handshake_s)

        return listen

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Being ended from outside stops the service in order and is no failure: uvicorn would raise the signal once more.

        A hang-up, as of a closed terminal, does too, unless it is ignored, as under ``nohup``.
        """
        heeded = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            heeded.append(signal.SIGHUP)
        before = {number: signal.signal(number, self.handle_exit) for number in heeded}
        try:
            yield
        finally:
            for number, what in before.items():
                signal.signal(number, what)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _taken_over(bound: socket.socket, *, backlog: int) -> socket.socket:
    """A socket of its own for what a server of the loop is bound to: the loop lends it, but lets nobody accept from it."""
    own = socket.fromfd(bound.fileno(), bound.family, bound.type)
    own.setblocking(False)
    own.listen(backlog)
    return own


def _reason(error: OSError) -> str:
    """Why, as the system says it; the loop puts words of its own around that."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)


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
        StoreError, StorageFull, StorageUnavailable: the store cannot be used.
        Misuse: there is no folder to keep exams in, and none can be made; certificate and key are no pair; or host and port
            cannot be listened on.
    """
    model_folder(settings)
    _check_tls(settings)
    logs.configure()
    refusals: list[CovidCTError] = []

    def stop(error: ModelError) -> None:
        refusals.append(error)
        server.should_exit = True

    try:
        app = create_app(
            settings, on_refusal=stop, on_stuck=lambda: os._exit(STUCK_CODE), on_failed_start=refusals.append
        )
    except OSError as error:
        raise Misuse(f"{settings.data_dir} cannot hold exams ({error.strerror}); set --data-dir.") from error
    parts: Parts = app.state.parts
    server = _Server(server_config(app, settings), parts.desk, handshake_s=settings.header_timeout_s)
    try:
        server.run()
    except Misuse as error:
        if parts.desk.is_at_work:
            tell(str(error))
            _leave(2)
        raise
    except SystemExit:  # uvicorn's, where the application does not start.
        if not refusals:
            raise
    if refusals:
        raise refusals[0]
    if parts.desk.is_at_work:
        _leave(0)
    if not server.started:
        raise SystemExit(1)


def _leave(code: int) -> NoReturn:
    """End at once: a native call that goes on holds the interpreter's own end back, or is broken off by it and aborts."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
