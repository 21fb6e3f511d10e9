"""Stand-ins for the bench's own tests."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np

from app.ct.engines import NetworkOutput
from app.ct.precision import Precision
from tests.bench.client import STAGES
from tests.bench.process import Running
from tests.bench.rounds import Contender


class FakeEngine:
    """Says the same of every slice."""

    name, on_gpu = "fake", False
    precision: Precision = "f32"

    def __init__(self, logit: float = 0.0) -> None:
        self.logit = logit

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        maps = np.zeros((len(images), 4, 4), np.float32)
        return NetworkOutput(np.full(len(images), self.logit, np.float32), maps, maps, maps[:, 0])


class Clock:
    """Stands still until it is moved on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_contender(clock: Clock, *, name: str = "one", batch: int = 2, seconds: float = 0.5) -> Contender:
    def run(images: np.ndarray) -> np.ndarray:
        clock.now += seconds
        return images.reshape(len(images), -1)[:, 0].astype(float)

    return Contender(name, batch, run)


def a_report(*instances: int | None) -> dict[str, object]:
    """What the service answers; a slice that is not scored lies after the scored ones."""
    slices = [{"index": k, "instance_number": n, "scored": True} for k, n in enumerate(instances)]
    slices.append({"index": len(slices), "instance_number": 99, "scored": False})
    return {"id": "1", "heatmap": "/picture", "timing_s": dict.fromkeys(STAGES, 0.5), "slices": slices}


def a_client(*, status: int = 201) -> tuple[httpx.Client, list[httpx.Request]]:
    """A service that diagnoses nothing, and what it was asked; ``status`` answers an upload that is waited for."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path.endswith("/events"):
            told = [{"scored": 0, "probability": None}, {"scored": 8, "probability": 0.4}]
            return httpx.Response(200, text="".join(f"event: scoring\ndata: {json.dumps(t)}\n\n" for t in told))
        if "Prefer" in request.headers:
            return httpx.Response(202, headers={"Location": "/api/v1/exams/1"})
        return httpx.Response(status if request.method == "POST" else 200, json=a_report(7, None))

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://covidct"), asked


@dataclass
class FakeService:
    """What a real socket hears; ``answers`` are the statuses of uploads, 201 when they have run out."""

    answers: deque[int] = field(default_factory=deque)
    is_alive: bool = True
    uploads: int = 0
    erased: int = 0


@contextmanager
def a_service(*answers: int) -> Iterator[tuple[Running, FakeService]]:
    """A server that turns uploads away or takes them, as told."""
    state, guard = FakeService(deque(answers)), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(200 if state.is_alive else 500, b"{}")

        def do_DELETE(self) -> None:
            with guard:
                state.erased += 1
            self._say(200, b"{}")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with guard:
                state.uploads += 1
                status = state.answers.popleft() if state.answers else 201
            self._say(status, json.dumps(a_report(1, 2)).encode())

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{server.server_port}", 0, 0.0, 0.0), state
        finally:
            server.shutdown()
            thread.join()
