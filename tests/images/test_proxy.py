"""The proxy of docker-compose.yml, run by its own configuration in front of the service, without containers."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files
from app.keys import keys_in
from tests.images.test_compose import COMPOSE, KEYED
from tests.models import the_served_model
from tests.soak.service import free_port
from tests.test_cli import started
from tests.waiting import until

CADDY = shutil.which("caddy")
if CADDY is None:
    pytest.skip("no Caddy on this machine (apt install caddy)", allow_module_level=True)


@contextmanager
def the_proxy(folder: Path, *, service: int) -> Iterator[httpx.Client]:
    """A client of Caddy as Compose configures it, but for ports and for not asking this machine to trust its authority."""
    port, file = free_port(), folder / "Caddyfile"
    content = COMPOSE["configs"]["proxy"]["content"]
    for ours, theirs in (
        ("https://localhost:8443 {", f"https://localhost:{port} {{"),
        ("keyed:8000", f"127.0.0.1:{service}"),
        ("admin off", "admin off\n  skip_install_trust"),
    ):
        assert content.count(ours) == 1
        content = content.replace(ours, theirs)
    file.write_text(content)
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    command = [str(CADDY), "run", "--config", str(file), "--adapter", "caddyfile"]
    with subprocess.Popen(command, env=os.environ | homes, stderr=subprocess.DEVNULL) as process:
        try:
            authority = folder / "caddy/pki/authorities/local/root.crt"
            until(lambda: authority.is_file() and is_listening(port))
            trusted = ssl.create_default_context(cafile=authority)
            with httpx.Client(
                base_url=f"https://localhost:{port}", verify=trusted, timeout=120, trust_env=False
            ) as client:
                yield client
        finally:
            process.terminate()


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_ready(browser: httpx.Client) -> bool:
    """Not before the proxy has made its certificate, and the service has loaded its model."""
    try:
        return browser.get("/readyz").status_code == 200
    except httpx.ConnectError:
        return False


def test_behind_the_proxy_one_signs_in_sends_an_exam_and_is_told_how_it_goes(tmp_path: Path) -> None:
    the_served_model()
    port = free_port()
    with keys_in(tmp_path / "data") as keys:
        _, secret = keys.add("ward", now=datetime.now(UTC))
    behind = {k: str(v) for k, v in KEYED["environment"].items() if v is not None}  # The others are those of the shell.
    options = ["--port", port, "--data-dir", tmp_path / "data"]
    sent = [("files", (f.name, f.read())) for f in jpeg_files(phantom(slices=3, size=128))]

    with started("serve", *options, COVIDCT_WORKERS="0", **behind) as process:
        try:
            until(lambda: is_listening(port))
            with the_proxy(tmp_path, service=port) as browser:
                until(lambda: is_ready(browser))
                own, key = {"Origin": str(browser.base_url).rstrip("/")}, {"Authorization": f"Bearer {secret}"}
                closed = browser.get("/api/v1/exams")
                foreign = browser.post("/covid/sign-in", data={"key": secret}, headers={"Origin": "https://evil.test"})
                signed_in = browser.post("/covid/sign-in", data={"key": secret}, headers=own)
                accepted = browser.post("/api/v1/exams", files=sent, headers=key | {"Prefer": "respond-async"})
                exam = accepted.json()["id"]
                events = browser.get(f"/api/v1/exams/{exam}/events").text
                report = browser.get(f"/api/v1/exams/{exam}").json()
        finally:
            process.kill()

    assert (closed.status_code, foreign.status_code, signed_in.status_code) == (401, 403, 303)
    # The service itself speaks plain HTTP: that the reader does not is what the proxy tells it.
    assert "secure" in signed_in.headers["set-cookie"].lower()
    assert accepted.status_code == 202
    assert accepted.headers["location"].endswith(exam)
    assert "event: " in events
    assert report["status"] == "done"
