"""Servers as processes of their own: started, waited for, stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
_START_LIMIT_S = 180.0
_STOP_LIMIT_S = 20.0
_POLL_S = 0.02
_COVIDCT = "from app.cli import main; main()"


class BenchFailed(Exception):
    """A measurement could not be made; the text says why."""


@dataclass(frozen=True)
class Running:
    """A server that is ready.

    Attributes:
        address: of the server, without a slash at the end.
        pid: of its process.
        listening_s: from the start of the process to the first answer.
        ready_s: to ``/readyz`` answering 200.
    """

    address: str
    pid: int
    listening_s: float
    ready_s: float


@contextlib.contextmanager
def serving(model: Path, *, engine: str) -> Iterator[Running]:
    """``covidct serve`` on a free port of this machine, its exams in a folder that is gone afterwards.

    Raises:
        BenchFailed: the server ended, or did not get ready in time.
    """
    options = ["--model-dir", str(model.resolve()), "--engine", engine]
    with tempfile.TemporaryDirectory(prefix="covidct-bench-") as room:

        def command(port: int) -> list[str]:
            return ["-c", _COVIDCT, "serve", "--port", str(port), *options, "--data-dir", str(Path(room) / "data")]

        with started(command) as server:
            yield server


@contextlib.contextmanager
def started(
    command: Callable[[int], Sequence[str]], *, live: str = "/livez", ready: str = "/readyz"
) -> Iterator[Running]:
    """A server in a Python of its own, stopped at the end whatever happens.

    Args:
        command: what follows ``python``, given the port to listen on.
        live, ready: paths that answer 200 once it listens, and once it can work.

    Raises:
        BenchFailed: it ended, or did not get ready in time; its last words are told.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, *command(port)], cwd=ROOT, env=plain_environment(), stdout=log, stderr=log
        )
        try:
            yield _wait(server, f"http://127.0.0.1:{port}", start, (live, ready))
        except BenchFailed as error:
            log.seek(0)
            raise BenchFailed(f"{error} {log.read()[-500:].decode(errors='replace')}") from error
        finally:
            _stop(server)


def plain_environment() -> dict[str, str]:
    """The environment without settings of the service: the defaults are measured.

    On a GPU TensorFlow takes all memory there is, and a second server beside it would get none.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVIDCT_")}
    return kept | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], address: str, start: float, paths: tuple[str, str]) -> Running:
    with httpx.Client(base_url=address, timeout=5, trust_env=False) as client:
        listening_s, ready_s = (_until_answered(client, path, server, start) for path in paths)
        return Running(address, server.pid, listening_s, ready_s)


def _until_answered(client: httpx.Client, path: str, server: subprocess.Popen[bytes], start: float) -> float:
    while (elapsed := time.perf_counter() - start) < _START_LIMIT_S:
        if server.poll() is not None:
            raise BenchFailed(f"The server ended with exit code {server.returncode}.")
        with contextlib.suppress(httpx.TransportError):
            if client.get(path).status_code == 200:
                return time.perf_counter() - start
        time.sleep(_POLL_S)
    raise BenchFailed(f"The server did not answer {path} with 200 within {elapsed:.0f} s.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
