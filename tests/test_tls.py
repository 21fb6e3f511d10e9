"""The service over TLS, and who may reach it."""

import asyncio
import os
import resource
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from app.cli import main
from app.commands.ready import is_ready
from app.keys import keys_in
from app.web.connections import TlsServer
from tests.models import the_served_model
from tests.test_cli import run, started
from tests.waiting import until


def a_pair(folder: Path, name: str = "own") -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine")
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    what = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    make = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command = [*make, *what, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a service started by its command, which lets an address have eight connections."""
    the_served_model()
    certificate, key = a_pair(tmp_path)
    options = ["--port", 0, "--data-dir", tmp_path / "data", "--tls-cert", certificate, "--tls-key", key]
    with started(
        *("serve", *options), COVIDCT_WORKERS="0", COVIDCT_HEADER_TIMEOUT_S="5", COVIDCT_MAX_CLIENT_CONNECTIONS="8"
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"listens on https://127.0.0.1:" in line:
                break
        else:
            raise AssertionError("it does not listen")
        address = line.split()[3].decode().removesuffix("/covid")
        trusted = ssl.create_default_context(cafile=certificate)
        with closing(httpx.Client(base_url=address, verify=trusted, timeout=60, trust_env=False)) as client:
            yield client
        process.terminate()
        process.stderr.close()


def test_over_tls_the_page_is_signed_in_with_a_secure_cookie(over_tls: httpx.Client, tmp_path: Path) -> None:
    with keys_in(tmp_path / "data") as keys:
        _, secret = keys.add("ward", now=datetime.now(UTC))

    closed = over_tls.get("/api/v1/exams")
    signed_in = over_tls.post("/covid/sign-in", data={"key": secret})
    page = over_tls.get("/covid")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(str(over_tls.base_url).replace("https", "http"), trust_env=False)

    assert (closed.status_code, signed_in.status_code, page.status_code) == (401, 303, 200)
    assert "secure" in signed_in.headers["set-cookie"].lower()


def test_who_connects_and_never_agrees_on_keys_is_let_go(over_tls: httpx.Client) -> None:
    address = (over_tls.base_url.host, over_tls.base_url.port)
    with (
        socket.create_connection(address, timeout=30) as silent,
        socket.create_connection(address, timeout=30) as stalled,
    ):
        stalled.sendall(b"\x16\x03\x01\x02\x00\x01")

        # A connection that is kept open ends this in a timeout.
        assert (silent.recv(1), stalled.recv(1)) == (b"", b"")


def test_who_has_not_agreed_on_keys_yet_takes_a_place_all_the_same(over_tls: httpx.Client) -> None:
    def let_go() -> int:
        return len(select.select(silent, [], [], 0)[0])

    address = (over_tls.base_url.host, over_tls.base_url.port)
    with ExitStack() as opened:
        silent = [opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(12)]
        until(lambda: let_go() >= 4)
        at_first = let_go()
        until(lambda: let_go() == 12)
        answers = [over_tls.get("/livez").status_code for _ in range(12)]

    assert at_first == 4
    assert set(answers) == {200}


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Roomy(asyncio.Protocol):
    """Has a place for everybody."""

    connections: frozenset[object] = frozenset()

    def take_place(self, _: str) -> bool:
        return True

    def leave_place(self) -> None:
        """It needs none."""


def test_where_no_descriptor_is_free_connections_are_accepted_once_one_is(tmp_path: Path) -> None:
    certificate, key = a_pair(tmp_path)
    here, there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=certificate)
    here.load_cert_chain(certificate, key)

    async def connected_after_a_refusal() -> bool:
        listening.setblocking(False)
        server = TlsServer([listening], Roomy, here, handshake_s=5)  # type: ignore[arg-type]
        with no_descriptors_left(), capture_logs() as told:
            while not told:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            _, writer = await asyncio.open_connection(*listening.getsockname(), ssl=there)
        writer.close()
        server.close()
        return told[0]["event"] == "not accepted"

    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()):
        assert asyncio.run(connected_after_a_refusal())


def test_the_health_check_of_the_images_knows_of_tls(over_tls: httpx.Client) -> None:
    port = over_tls.base_url.port
    assert port is not None
    for _ in range(600):
        if over_tls.get("/readyz").status_code == 200:
            break
        time.sleep(0.1)

    assert is_ready(port, over_tls=True)
    assert not is_ready(port)


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 on this machine")
def test_the_health_check_of_the_images_asks_over_ipv6_too() -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 404)
            self.end_headers()

    class OverIPv6(HTTPServer):
        address_family = socket.AF_INET6

    with OverIPv6(("::1", 0), Ready) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()

        assert is_ready(server.server_port)


def test_half_a_pair_or_a_wrong_one_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    the_served_model()
    (certificate, key), (_, other) = a_pair(tmp_path), a_pair(tmp_path, "other")
    for options in (
        ["--tls-cert", certificate],
        ["--tls-key", key],
        ["--tls-cert", certificate, "--tls-key", other],
        ["--tls-cert", certificate, "--tls-key", tmp_path / "nothing"],
    ):
        code, out, err = run(capsys, "serve", "--port", 0, "--data-dir", tmp_path / "data", *options)

        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1


def test_with_a_key_the_service_may_be_reached_from_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    monkeypatch.setattr("app.commands.serve.run", begun.append)
    options = ["serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path)]

    refused, _, err = run(capsys, *options)
    assert (refused, begun) == (2, [])
    assert "covidct key add" in err
    with keys_in(tmp_path) as keys:
        keys.add("ward", now=datetime.now(UTC))
    with pytest.raises(SystemExit) as ended:
        main(options)

    assert not ended.value.code
    assert [settings.host for settings in begun] == ["0.0.0.0"]
