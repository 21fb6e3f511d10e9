"""The service as a process: where it cannot listen, and how it is ended."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from app.ct.errors import StoreError
from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files
from app.database import FILE
from app.store import Store
from app.watch import STUCK_CODE
from tests.models import the_served_model
from tests.test_cli import started

# Under nohup, as after it.
IGNORING = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from app.cli import main; main()"


@contextmanager
def client_of(process: subprocess.Popen[bytes]) -> Iterator[httpx.Client]:
    """Of a service on a port of its own choice, once it listens."""
    assert process.stderr is not None
    line = next((line for line in process.stderr if b"listens on" in line), b"")
    address = line.split()[3].decode().removesuffix("/covid")
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


def send_until_at_work(client: httpx.Client, *, slices: int, scored: str) -> None:
    """Send an exam, and return once it has left the line."""
    exam = [("files", (file.name, file.read())) for file in jpeg_files(phantom(slices=slices, lesions="many"))]
    sent = client.post(f"/api/v1/exams?slices={scored}", files=exam, headers={"Prefer": "respond-async"})
    while client.get(sent.headers["Location"]).json()["status"] == "queued":
        time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def _model() -> None:
    the_served_model()


def test_a_port_that_is_taken_is_a_wrong_call_with_the_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("serve", "--port", port, "--data-dir", tmp_path) as process:
            _, err = process.communicate(timeout=60)

    told = f"127.0.0.1:{port} cannot be listened on (Address already in use); set --host or --port.\n"
    assert (process.returncode, err.decode()) == (2, told)


@pytest.mark.parametrize(
    ("host", "told"),
    [("192.0.2.1", "192.0.2.1:0 cannot be listened on (Cannot assign"), ("2001:db8::1", "[2001:db8::1]:0 cannot be")],
)
def test_an_address_of_another_machine_is_a_wrong_call_with_the_reason(tmp_path: Path, host: str, told: str) -> None:
    with started("serve", "--open", "--host", host, "--port", 0, "--data-dir", tmp_path) as process:
        _, err = process.communicate(timeout=60)

    assert process.returncode == 2
    assert err.decode().startswith(told)
    assert len(err.splitlines()) == 1


def test_a_store_that_cannot_be_taken_up_is_told_with_what_to_do(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as opened, opened:
        opened.execute("DROP TABLE exams")

    with started("serve", "--port", 0, "--data-dir", tmp_path) as process:
        _, err = process.communicate(timeout=60)

    *log, title, advice = err.decode().splitlines()
    (failed,) = (line for line in map(json.loads, log) if line["event"] == "start failed")
    assert (process.returncode, title, advice) == (1, str(StoreError.title), str(StoreError.advice))
    assert (failed["code"], failed["kind"]) == ("store-error", "OperationalError")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_being_ended_while_the_model_loads_is_no_failure(tmp_path: Path, sent: signal.Signals) -> None:
    with started("serve", "--port", 0, "--data-dir", tmp_path) as process, client_of(process) as client:
        answers = client.get("/livez").status_code, client.get("/readyz").status_code
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)

    assert answers == (200, 503)
    assert process.returncode == 0
    assert b"terminate" not in err


def test_a_terminal_that_is_closed_lets_the_exam_at_work_be_finished(tmp_path: Path) -> None:
    with started("serve", "--port", 0, "--data-dir", tmp_path) as process, client_of(process) as client:
        send_until_at_work(client, slices=24, scored="16")
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 0
    ended = [line for line in map(json.loads, err.splitlines()) if line["event"] == "exam"]
    assert [line["status"] for line in ended] == ["done"]


def test_who_interrupts_twice_does_not_wait_for_the_exam_at_work(tmp_path: Path) -> None:
    with started("serve", "--port", 0, "--data-dir", tmp_path) as process, client_of(process) as client:
        send_until_at_work(client, slices=150, scored="all")
        process.send_signal(signal.SIGINT)
        while client.get("/readyz").status_code == 200:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 0
    assert b'"event": "exam"' not in err


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IGNORING, "serve", "--port", "0", "--data-dir", str(tmp_path)]

    with subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE) as process, client_of(process) as client:
        process.send_signal(signal.SIGHUP)
        still = client.get("/livez").status_code
        process.terminate()
        process.communicate(timeout=60)

    assert (still, process.returncode) == (200, 0)


def test_a_diagnosis_that_never_ends_ends_the_service_for_its_supervisor(tmp_path: Path) -> None:
    exam = [("files", (file.name, file.read())) for file in jpeg_files(phantom(slices=24, lesions="many"))]

    # So short that any diagnosis is one.
    options = ("serve", "--port", 0, "--data-dir", tmp_path)
    with started(*options, COVIDCT_STUCK_S="0.01") as process, client_of(process) as client:
        with suppress(httpx.TransportError):
            client.post("/api/v1/exams", files=exam, headers={"Prefer": "respond-async"})
        process.communicate(timeout=60)

    assert process.returncode == STUCK_CODE
