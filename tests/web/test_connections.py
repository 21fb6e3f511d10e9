"""Connections that come slowly, stop, break off, or are no HTTP."""

import contextlib
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes import FakeClassifier
from tests.waiting import until
from tests.web.conftest import Upload
from tests.web.listening import Port, all_said, connected, listening, status_of

BEGUN = b"POST /api/v1/exams HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc'
STALLED = BEGUN + FORM + b"Content-Length: 1000000\r\n\r\n" + PART
QUICK = {"header_timeout_s": 0.3, "body_timeout_s": 0.3}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    with listening(tmp_path / "data", **QUICK) as port:
        yield port


def kept(tmp_path: Path) -> list[Path]:
    """What lies in the store once nothing is received any more: a folder may be made a moment after the answer."""
    folder = tmp_path / "data" / "exams"
    found: list[Path] = []
    looks_in_a_row = 0
    for _ in range(3000):
        found = list(folder.iterdir())
        looks_in_a_row = 0 if found else looks_in_a_row + 1
        if looks_in_a_row == 20:
            break
        time.sleep(0.01)
    return found


def code_of(said: bytes) -> str:
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return str(json.loads(body)["code"])


@contextlib.contextmanager
def dripping(connection: socket.socket, begin: bytes) -> Iterator[None]:
    """Send ``begin``, then a byte now and then."""
    ended = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(begin)
            while not ended.wait(0.02):
                connection.sendall(b"a")

    thread = threading.Thread(target=drip)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.parametrize("begun", [b"", b"G", BEGUN, BEGUN + b"X-Long: "])
def test_a_header_that_does_not_end_is_waited_for_in_vain(port: Port, begun: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(begun)
        said = all_said(connection)

    assert (status_of(said), code_of(said)) == (408, "too-slow")


def test_connections_that_are_turned_away_are_counted(port: Port) -> None:
    for sent in (BEGUN, b"nonsense\r\n\r\n"):
        with connected(port) as connection:
            connection.sendall(sent)
            all_said(connection)

    told = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text

    assert 'covidct_refusals_total{code="too-slow"} 1.0' in told
    assert 'covidct_refusals_total{code="invalid-request"} 1.0' in told


def test_bytes_that_drip_give_a_header_no_more_time(port: Port) -> None:
    with connected(port) as connection, dripping(connection, BEGUN + b"X-Long: "):
        said = all_said(connection)

    assert status_of(said) == 408


def test_a_second_request_that_stops_in_its_header_is_ended(port: Port) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(connection.recv(2**16)) == 200
        connection.sendall(b"GET /livez HTTP/1.1\r\nHo")
        said = all_said(connection)

    assert said.count(b"HTTP/1.1 408 ") == 1


def test_a_connection_serves_one_request_after_the_other(port: Port) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        first = client.get("/livez")
        time.sleep(0.5)
        second = client.get("/livez")

    assert (first.status_code, second.status_code) == (200, 200)


def test_an_upload_that_stops_is_ended_and_leaves_nothing(port: Port, tmp_path: Path) -> None:
    with connected(port) as connection:
        connection.sendall(STALLED)
        said = all_said(connection)

    assert (status_of(said), code_of(said)) == (408, "too-slow")
    assert kept(tmp_path) == []


def test_an_upload_below_the_least_rate_is_ended(port: Port, tmp_path: Path) -> None:
    with connected(port) as connection, dripping(connection, STALLED):
        said = all_said(connection)

    assert status_of(said) == 408
    assert kept(tmp_path) == []


def test_a_slow_upload_above_the_least_rate_is_taken(tmp_path: Path, upload: Upload) -> None:
    with listening(tmp_path / "data", body_timeout_s=1, min_upload_kb_s=0.01) as port:
        request = httpx.Request("POST", "http://x/api/v1/exams", files=upload)
        body = request.read()

        def slowly() -> Iterator[bytes]:
            for at in range(0, len(body), len(body) // 8):
                time.sleep(0.3)
                yield body[at : at + len(body) // 8]

        headers = {"Content-Type": request.headers["content-type"]}
        answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/exams", content=slowly(), headers=headers, timeout=60)

    assert answer.status_code == 201


def test_time_that_the_service_itself_takes_counts_for_no_upload(tmp_path: Path, upload: Upload) -> None:
    gate = threading.Event()

    def load() -> FakeClassifier:
        gate.wait(60)
        return FakeClassifier()

    with listening(tmp_path / "data", load=load, body_timeout_s=0.2) as port:
        threading.Timer(1.0, gate.set).start()
        padding = ("files", ("big.bin", bytes(2**22)))
        answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/exams", files=[*upload, padding], timeout=60)

    assert answer.status_code in (201, 415, 422)


def test_a_client_that_waits_to_be_told_to_go_on_is_given_time(tmp_path: Path) -> None:
    gate = threading.Event()

    def load() -> FakeClassifier:
        gate.wait(60)
        return FakeClassifier()

    with listening(tmp_path / "data", load=load, body_timeout_s=0.2) as port, connected(port) as connection:
        threading.Timer(1.0, gate.set).start()
        connection.sendall(BEGUN + FORM + b"Content-Length: 7\r\nExpect: 100-continue\r\n\r\n")

        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")


def test_what_follows_an_answer_that_came_early_is_not_read_for_ever(tmp_path: Path) -> None:
    begin = BEGUN + FORM + b"Content-Length: 99999999\r\n\r\n"

    with (
        listening(tmp_path / "data", max_upload_mb=1, body_timeout_s=0.3, min_upload_kb_s=0) as port,
        connected(port) as connection,
        dripping(connection, begin),
    ):
        said = all_said(connection)

    assert (status_of(said), code_of(said)) == (413, "too-large")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here \r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n",
        b"GET /li\x00vez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        BEGUN + b"Content-Length: -1\r\n\r\n",
        BEGUN + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        BEGUN + FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        BEGUN + FORM + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2**17,
        b"GET /" + b"a" * 2**17,
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 2**15,
        BEGUN + FORM + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 2**15,
    ],
)
def test_what_is_no_http_is_refused_and_closed(port: Port, tmp_path: Path, bytes_sent: bytes) -> None:
    with connected(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(bytes_sent)
        said = all_said(connection)

    assert status_of(said) in (400, 0)
    assert kept(tmp_path) == []


def test_a_client_has_so_many_connections_and_gets_a_place_back(tmp_path: Path) -> None:
    with listening(tmp_path / "data", max_client_connections=3) as port:
        held = [connected(port) for _ in range(3)]
        with connected(port) as one_more:
            said = all_said(one_more)
        with connected(port, host="127.0.0.2") as other:
            other.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert status_of(all_said(other)) == 200
        for one in held:
            one.close()
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60).status_code != 503)

    assert (status_of(said), code_of(said)) == (503, "busy")
    assert b"\r\nretry-after: " in said.lower()


def test_all_clients_together_have_so_many_connections(tmp_path: Path) -> None:
    with listening(tmp_path / "data", max_connections=3) as port, contextlib.ExitStack() as held:
        for last in range(1, 4):
            held.enter_context(connected(port, host=f"127.0.0.{last}"))
        with connected(port, host="127.0.0.9") as one_more:
            said = all_said(one_more)

    assert (status_of(said), code_of(said)) == (503, "busy")


def test_an_answer_that_nobody_takes_in_is_given_up(tmp_path: Path) -> None:
    asked = b"GET /static/vendor/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def ask_for_ever(connection: socket.socket) -> None:
        while True:
            connection.sendall(asked)
            time.sleep(0.01)

    with listening(tmp_path / "data", answer_timeout_s=0.3) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", port))
        with pytest.raises(ConnectionError):
            ask_for_ever(connection)


def test_no_stranger_who_is_slow_keeps_an_exam_from_its_answer(tmp_path: Path, upload: Upload) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with (
        listening(tmp_path / "data", header_timeout_s=3, body_timeout_s=3) as port,
        contextlib.ExitStack() as open_ones,
    ):
        slow = [open_ones.enter_context(connected(port)) for _ in range(350)]
        for one in slow[:300]:
            one.sendall(BEGUN)
        for one in slow[300:]:
            one.sendall(STALLED)
        for _ in range(20):
            with connected(port) as leaving:
                leaving.sendall(STALLED)
        answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/exams", files=upload, timeout=60)
        said = [status_of(all_said(one)) for one in slow]
        assert answer.status_code == 201, answer.text
        httpx.delete(f"http://127.0.0.1:{port}{answer.headers['location']}", timeout=60)

        assert said == [408] * 350
        assert kept(tmp_path) == []
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
