"""Bytes and connections that mean harm: generated requests, forms and files, and a fuzz of the reader led by coverage."""

import contextlib
import importlib.util
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.ct.workers.pool import WorkerPool
from tests.bench.memory import Memory
from tests.bench.process import ROOT
from tests.hostile.api import Answers, forms, requests_of_the_whole_api
from tests.hostile.farm import harvest
from tests.soak.rows import Length, Row
from tests.soak.sending import a_form, send_once
from tests.soak.service import Service, served

_P99_S, _GROWTH_MB = 1.0, 64.0
_SLOW, _STALLED, _LEAVING = 300, 50, 20
_CLOSED_WITHIN_S, _ERASED_WITHIN_S = 30.0, 10.0
_BEGUN = b"POST /api/v1/exams HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_STALLING = (
    _BEGUN + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc'
)


def run(length: Length) -> Iterator[Row]:
    """2,000 of everything and ten minutes of fuzz."""
    count = 40 if length.short else 2000
    with served(queue_size=64) as service:
        yield from _answered(service, "requests of the whole API, generated", count, requests_of_the_whole_api)
        yield from _answered(service, "forms and files in them, generated", count, forms)
        yield from _slow(service)
    with WorkerPool(1) as pool:
        found = harvest(count, seed=length.short, workers=pool)
    seen = ", ".join(f"{n} {code}" for code, n in found.ends.most_common())
    yield Row(f"{count} changed files of every kind", seen, "each read or refused", not found.faults)
    yield _fuzzed(length.seconds(whole=600, short=8))


def _answered(service: Service, name: str, count: int, send: object) -> Iterator[Row]:
    before = Memory.of(service.pid).resting_mb
    answers: Answers = send(service.address, examples=count)  # type: ignore[operator]
    growth, p99 = Memory.of(service.pid).resting_mb - before, float(np.quantile(answers.seconds, 0.99))
    seen = ", ".join(f"{n} x {status}" for status, n in sorted(answers.statuses.items()))
    yield Row(name, seen, "no 5xx, service alive", not answers.bad and service.is_alive)
    yield Row("the same: p99", f"{p99:.2f} s", f"{_P99_S:g} s", p99 <= _P99_S, of_machine=True)
    yield Row("the same: memory", f"{growth:+.0f} MB", f"+{_GROWTH_MB:g} MB", growth <= _GROWTH_MB, of_machine=True)


def _slow(service: Service) -> Iterator[Row]:
    """Connections that send half a header, or half an upload, or leave in the middle of one, beside a real exam."""
    start = time.monotonic()
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(_sent(service, _BEGUN)) for _ in range(_SLOW)]
        slow += [held.enter_context(_sent(service, _STALLING)) for _ in range(_STALLED)]
        for _ in range(_LEAVING):
            _sent(service, _STALLING).close()
        with service.client() as client:
            fate = send_once(client, a_form(slices=6, size=128)).fate
        closed = sum(_is_closed(one, start + _CLOSED_WITHIN_S) for one in slow)
        took = time.monotonic() - start
    left = _left(service)
    name = f"{_SLOW} slow connections, {_STALLED} stalled uploads, {_LEAVING} disconnects"
    yield Row(f"{name}: a real exam", fate, "done", fate == "done")
    yield Row("the same: closed", f"{closed}, in {took:.0f} s", "all within 30 s", closed == len(slow))
    yield Row("the same: left on disk", f"{left} exams", "0", not left)


def _left(service: Service) -> int:
    """Exams on disk, once what was broken off has had the time to be erased."""
    end = time.monotonic() + _ERASED_WITHIN_S
    while (left := len(list((service.data / "exams").iterdir()))) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def _sent(service: Service, begin: bytes) -> socket.socket:
    host, _, port = service.address.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(begin)
    return connection


def _is_closed(connection: socket.socket, until: float) -> bool:
    try:
        while connection.recv(2**16):
            connection.settimeout(max(0.01, until - time.monotonic()))
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def _fuzzed(seconds: float) -> Row:
    name, goal = "the reader under a fuzzer led by coverage", "no fault"
    if importlib.util.find_spec("atheris") is None:
        return Row(name, "not measured: atheris is not there", goal, True)
    with tempfile.TemporaryDirectory(prefix="covidct-fuzz-") as room:
        options = [
            f"-max_total_time={seconds:.0f}",
            "-timeout=60",
            "-rss_limit_mb=4096",
            f"-artifact_prefix={room}/fault-",
        ]
        corpus = Path(room, "corpus")
        corpus.mkdir()
        command = [sys.executable, "-m", "tests.hostile.fuzz_reader", str(corpus), *options]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, errors="replace")
        runs = re.search(r"Done (\d+) runs", ended.stderr)
        covered = re.findall(r"cov: (\d+)", ended.stderr)
        faults = len(list(Path(room).glob("fault-*")))
    seen = f"{runs[1] if runs else 0} runs, {covered[-1] if covered else 0} branches, {faults} faults"
    return Row(name, seen, goal, ended.returncode == 0 and runs is not None and not faults)
