"""``covidct serve`` as a process that may be killed and started again on the same exams."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.bench.process import ROOT, plain_environment

_START_LIMIT_S = 300.0
_STOP_LIMIT_S = 120.0
_COVIDCT = "from app.cli import main; main()"


class SoakFailed(Exception):
    """A part could not be run; the text says why."""


class Service:
    """A service with a data folder, a folder for temporary files and a log of its own, all below ``room``.

    Attributes:
        address: of the server, without a slash at the end; the same after every start.
        data: its data folder.
        temporary: what it has for TMPDIR.
        log: what it wrote to stdout and stderr, over all starts.
    """

    def __init__(self, room: Path, **settings: object) -> None:
        """Nothing runs before ``start``; ``settings`` are those of the service, such as ``queue_size=4``."""
        self.data, self.temporary, self.log = room / "data", room / "tmp", room / "log"
        self.temporary.mkdir()
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._set = {f"COVIDCT_{name.upper()}": str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process at work.

        Raises:
            SoakFailed: none runs.
        """
        if self._process is None:
            raise SoakFailed("The service does not run.")
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            SoakFailed: it ended, or did not get ready in time.
        """
        options = ["serve", "--port", str(self._port), "--data-dir", str(self.data)]
        environment = plain_environment() | {"TMPDIR": str(self.temporary)} | self._set
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _COVIDCT, *options], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        self._wait()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, no time to tidy."""
        os.kill(self.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """End it as a deploy does: SIGTERM; returns its exit code."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGTERM)
        return self._ended()

    def client(self, *, timeout_s: float = 300.0) -> httpx.Client:
        """A client without proxies."""
        return httpx.Client(base_url=self.address, timeout=timeout_s, trust_env=False)

    def _ended(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        try:
            return process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _wait(self) -> None:
        start = time.monotonic()
        with self.client(timeout_s=5) as client:
            while time.monotonic() - start < _START_LIMIT_S:
                if not self.is_alive:
                    raise SoakFailed(f"The service ended: {self.log.read_text(errors='replace')[-500:]}")
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        return
                time.sleep(0.05)
        raise SoakFailed("The service did not get ready.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(**settings: object) -> Iterator[Service]:
    """A started service in a folder that is gone afterwards; ended whatever happens."""
    with tempfile.TemporaryDirectory(prefix="covidct-soak-") as room:
        service = Service(Path(room), **settings)
        try:
            service.start()
            yield service
        finally:
            service.stop()
