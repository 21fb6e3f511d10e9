"""The service as a process of its own: started, watched, stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process, in units of a million bytes."""

    peak_mb: float
    resting_mb: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Now, and the most so far (VmRSS and VmHWM of ``/proc``)."""
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        said = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return cls(*(round(int(said[key].split()[0]) * 1024 / 1e6, 1) for key in ("VmHWM", "VmRSS")))


@contextlib.contextmanager
def serving(model: Path, *, engine: str) -> Iterator[Running]:
    """``covidct serve`` on a free port of this machine, its exams in a folder that is gone afterwards.

    Raises:
        BenchFailed: the server ended, or did not get ready in time.
    """
    with tempfile.TemporaryDirectory(prefix="covidct-bench-") as room, (Path(room) / "log").open("w+b") as log:
        port = _free_port()
        options = ["--port", str(port), "--model-dir", str(model.resolve()), "--engine", engine]
        command = [sys.executable, "-c", _COVIDCT, "serve", *options, "--data-dir", str(Path(room) / "data")]
        start = time.perf_counter()
        server = subprocess.Popen(command, cwd=ROOT, env=plain_environment(), stdout=log, stderr=log)
        try:
            yield _wait(server, f"http://127.0.0.1:{port}", start)
        except BenchFailed as error:
            log.seek(0)
            raise BenchFailed(f"{error} {log.read()[-500:].decode(errors='replace')}") from error
        finally:
            _stop(server)


def plain_environment() -> dict[str, str]:
    """The environment without settings of the service: the defaults are measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVIDCT_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], address: str, start: float) -> Running:
    with httpx.Client(base_url=address, timeout=5, trust_env=False) as client:
        listening_s = _until_answered(client, "/livez", server, start)
        return Running(address, server.pid, listening_s, _until_answered(client, "/readyz", server, start))


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
