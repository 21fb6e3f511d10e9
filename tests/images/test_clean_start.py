"""The CPU image's command, run from the same lock in a clean environment with only what the image would hold."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from tests.images.dockerfile import last
from tests.images.replay import Replay
from tests.images.test_compose import SERVICES

READY_LIMIT_S = 60


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return Replay.of("cpu", tmp_path_factory.mktemp("image"))


@pytest.fixture
def port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.fixture
def server(image: Replay, port: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The very command that Compose gives the image; the port alone is another one."""
    process = image.start(SERVICES["cpu"]["command"], tmp_path / "log", COVIDCT_PORT=port)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_by_itself_it_ends_where_there_is_no_key(image, port, tmp_path):
    process = image.start(last("cpu", "CMD").words(), tmp_path / "log", COVIDCT_PORT=port)

    assert process.wait(READY_LIMIT_S) == 2
    assert "covidct key add NAME" in (tmp_path / "log").read_text()


def until_ready(client: httpx.Client, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.ConnectError:
            pass
        time.sleep(0.2)
    pytest.fail("the service did not get ready")


def test_it_gets_ready_diagnoses_and_stops_and_writes_nowhere_else(image, server, port):
    before = image.files()
    exam = [("files", (file.name, file.read())) for file in dicom_files(phantom(slices=24, lesions="many"))]

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        until_ready(client, server)
        answer = client.post("/api/v1/exams", files=exam)
    server.send_signal(signal.SIGTERM)

    assert (answer.status_code, answer.json()["model"]["engine"]) == (201, "openvino")
    assert server.wait(timeout=30) == 0
    assert image.files() == before
    assert (image.inside(last("cpu", "VOLUME").rest) / "exams.sqlite").exists()
    assert [path.name for path in image.inside("/tmp").iterdir()] == []


def test_its_health_check_sees_no_service_where_none_answers(image, port):
    check = last("cpu", "HEALTHCHECK").rest.partition(" CMD ")[2]

    assert check == '["python", "-m", "app.commands.ready"]'
    assert image.run("env", f"COVIDCT_PORT={port}", "python", "-m", "app.commands.ready").returncode == 1


def test_its_health_check_passes_once_the_service_is_ready(image, server, port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        until_ready(client, server)

    assert image.run("env", f"COVIDCT_PORT={port}", "python", "-m", "app.commands.ready").returncode == 0


@pytest.mark.parametrize("module", ["tensorflow", "keras", "training", "pip", "tests"])
def test_what_serving_does_not_need_is_not_there(image, module):
    found = image.run("python", "-c", f"import importlib.util; print(importlib.util.find_spec({module!r}))")

    assert found.stdout == "None\n"


def test_no_command_is_there_that_cannot_run(image):
    names = {path.name for path in (image.inside("/opt/covidct/venv/bin")).iterdir()}

    assert "covidct" in names
    assert "covidct-train" not in names


def test_everything_was_compiled_beforehand(image):
    package = next(image.inside("/opt/covidct/venv").glob("lib/python*/site-packages/app"))
    sources = list(package.rglob("*.py"))

    assert sources
    assert [p for p in sources if not list((p.parent / "__pycache__").glob(f"{p.stem}.*.pyc"))] == []
