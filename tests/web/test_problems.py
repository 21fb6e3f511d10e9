"""Errors over HTTP: all of them problems, none of them telling."""

import contextlib
import re
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest

from app.ct.errors import CovidCTError
from app.web.guard import HEADERS
from app.web.problems import problem_of, status_of
from tests.fakes import FakeClassifier
from tests.web.conftest import Serve, Upload

pytestmark = pytest.mark.anyio
FIELDS = {"type", "title", "status", "detail", "code", "advice"}


def every_error(kind: type[CovidCTError] = CovidCTError) -> list[type[CovidCTError]]:
    return [kind, *(grandchild for child in kind.__subclasses__() for grandchild in every_error(child))]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_status_a_code_and_advice(kind: type[CovidCTError]) -> None:
    problem = problem_of(kind())

    assert problem.status == status_of(kind) >= 400
    assert re.fullmatch(r"[a-z-]+", problem.code)
    assert problem.title
    assert problem.advice


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in every_error()]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not-found"),
        ("GET", "/api/v1/exams/0123", 404, "not-found"),
        ("GET", "/api/v1/exams/..%2f..%2fetc", 404, "not-found"),
        ("GET", "/api/v1/exams/0123/slices/0/image.png", 404, "not-found"),
        ("GET", "/api/v1/exams/0123/slices/x/image.png", 404, "not-found"),
        ("DELETE", "/api/v1/exams/0123", 404, "not-found"),
        ("GET", "/static/../app.py", 404, "not-found"),
        ("PUT", "/api/v1/exams", 405, "method-not-allowed"),
        ("GET", "/api/v1/exams?limit=0", 422, "invalid-request"),
        ("GET", "/api/v1/exams?cursor=x", 422, "invalid-request"),
        ("POST", "/api/v1/exams?slices=none", 422, "invalid-request"),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() >= FIELDS
    assert answer.json()["code"] == code


async def test_the_text_of_an_exception_reaches_neither_answer_nor_log(
    serve: Serve, upload: Upload, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = RuntimeError("CANARY^PATIENT in /secret/path")
    async with serve(load=lambda: FakeClassifier(fault=fault)) as client:
        answer = await client.post("/api/v1/exams", files=upload)
        kept = await client.get(answer.headers["location"])

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert kept.json()["status"] == "failed"
    said = answer.text + kept.text + "".join(capsys.readouterr())
    assert "CANARY" not in said
    assert "secret" not in said


async def test_a_fault_outside_the_diagnosis_tells_nothing_either(
    serve: Serve, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # The file itself is left as it is: what is cut off while SQLite has it mapped ends the process.
    broken = "ALTER TABLE exams RENAME TO away; CREATE VIEW exams AS SELECT * FROM CANARY;"
    async with serve() as client:
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "exams.sqlite", timeout=30)) as database:
            database.executescript(broken)
        answer = await client.get("/api/v1/exams")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "CANARY" not in answer.text + "".join(capsys.readouterr())
    assert "database" not in answer.text


async def test_file_names_are_kept_nowhere(
    serve: Serve, upload: Upload, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [(field, (f"CANARY-{name}", content)) for field, (name, content) in upload]
    broken = [("files", ("CANARY.dcm", b"DICM"))]
    async with serve() as client:
        answers = [await client.post("/api/v1/exams", files=files) for files in (named, broken)]
        pages = [await client.get(path) for path in ("/metrics", "/api/v1/exams", answers[0].headers["location"])]

    logged = "".join(capsys.readouterr())
    assert "scored" in logged
    assert "CANARY" not in logged + "".join(answer.text for answer in (*answers, *pages))
    for path in tmp_path.rglob("*"):
        assert "CANARY" not in path.name
        assert not path.is_file() or b"CANARY" not in path.read_bytes()


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/covid", "/livez", "/api/v1/exams/0123", "/static/page.css", "/docs"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        for said in ("object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"):
            assert said in headers["content-security-policy"].split("; ")
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("public, max-age=600" if path.startswith("/static/") else "no-store")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/exams", "GET, HEAD, POST"),
        ("PATCH", f"/api/v1/exams/{'0' * 32}", "DELETE, GET, HEAD"),
        ("DELETE", "/covid", "GET, HEAD, POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_what_an_address_takes_is_told_whole(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/covid", "/api/v1/exams"])
async def test_when_to_try_again_is_told_to_people_and_programs(serve: Serve, upload: Upload, path: str) -> None:
    async with serve(queue_size=1, load=lambda: FakeClassifier(gate=threading.Event())) as client:
        sent = {"headers": {"Prefer": "respond-async"}, "files": upload}
        answers = [await client.post("/api/v1/exams", **sent) for _ in range(4)]
        assert answers[-1].status_code == 503

        refused = await client.post(path, files=upload)

        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        for exam in (answer.json()["id"] for answer in answers if answer.status_code == 202):
            await client.delete(f"/api/v1/exams/{exam}")
