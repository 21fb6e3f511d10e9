"""What is turned away before or while it arrives."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.ct.errors import BrokenModel
from tests.fakes import FakeClassifier
from tests.web.conftest import Serve, Upload, serving

pytestmark = pytest.mark.anyio


async def chunked(size: int) -> AsyncIterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    for _ in range(size // 2**16):
        yield bytes(2**16)
    yield b"\r\n--x--\r\n"


async def test_too_long_a_body_is_refused_by_its_header(serve: Serve) -> None:
    async with serve(max_upload_mb=1) as client:
        answer = await client.post("/api/v1/exams", files=[("files", ("a", bytes(2**20)))])

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too-large"


@pytest.mark.parametrize("path", ["/covid/sign-in", "/covid/preferences"])
async def test_what_needs_no_key_takes_only_small_bodies(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path, content=b"key=" + b"x" * 2000)).status_code == 413


async def test_a_body_without_length_is_counted_while_it_arrives(serve: Serve, tmp_path: Path) -> None:
    async with serve(max_upload_mb=1) as client:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = await client.post("/api/v1/exams", content=chunked(4 * 2**20), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert not list((tmp_path / "data" / "exams").iterdir())


async def test_too_many_files_are_refused(serve: Serve, upload: Upload) -> None:
    async with serve(max_files=3) as client:
        answer = await client.post("/api/v1/exams", files=upload)

    assert (answer.status_code, answer.json()["code"]) == (413, "too-many-files")


async def test_more_than_a_thousand_files_are_taken(client: httpx.AsyncClient, upload: Upload) -> None:
    many = [("files", (f"{n}.jpg", upload[5][1][1])) for n in range(1100)]

    answer = await client.post("/api/v1/exams?slices=1", files=many)

    assert answer.status_code == 201
    assert answer.json()["input"]["files"] == 1100


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported-type"),
        (b"", "multipart/form-data", 415, "unsupported-type"),
        (b"", "multipart/form-data; boundary=" + 300 * "x", 415, "unsupported-type"),
        (b"nonsense", "multipart/form-data; boundary=x", 422, "invalid-request"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "no-files"),
        (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nab',
            "multipart/form-data; boundary=x",
            422,
            "invalid-request",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nab\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            422,
            "no-files",
        ),
    ],
)
async def test_a_form_that_is_none_is_refused(
    serve: Serve, tmp_path: Path, body: bytes, kind: str, status: int, code: str
) -> None:
    async with serve() as client:
        answer = await client.post("/api/v1/exams", content=body, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not list((tmp_path / "data" / "exams").iterdir())


@pytest.mark.parametrize("name", ["", "; filename*=utf-8''%E8%82", '; filename=""'])
async def test_a_file_without_a_name_is_never_left_out(serve: Serve, upload: Upload, tmp_path: Path, name: str) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="files"%s\r\n\r\n%s\r\n'
    whole = [head % (b'; filename="%s"' % file.encode(), content) for _, (file, content) in upload]
    nameless, form = name.encode(), {"Content-Type": "multipart/form-data; boundary=x"}
    async with serve() as client:
        lost = await client.post(
            "/api/v1/exams",
            content=b"".join([*whole[1:], head % (nameless, upload[0][1][1]), b"--x--\r\n"]),
            headers=form,
        )
        left = list((tmp_path / "data" / "exams").iterdir())
        untouched = await client.post(
            "/api/v1/exams", content=b"".join([*whole, head % (nameless, b""), b"--x--\r\n"]), headers=form
        )

    assert (lost.status_code, lost.json()["code"], left) == (422, "invalid-request", [])
    assert untouched.status_code == 201


async def test_a_full_line_turns_uploads_away_and_says_when_to_come_back(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    later = {"Prefer": "respond-async"}
    async with serve(load=lambda: FakeClassifier(gate=gate), queue_size=1) as client:
        first = await client.post("/api/v1/exams", files=upload, headers=later)
        while (await client.get(first.headers["location"])).json()["status"] == "queued":
            await asyncio.sleep(0.01)
        second = await client.post("/api/v1/exams", files=upload, headers=later)
        third = await client.post("/api/v1/exams", files=upload, headers=later)
        gate.set()

    assert (first.status_code, second.status_code) == (202, 202)
    assert (third.status_code, third.json()["code"]) == (503, "busy")
    assert int(third.headers["retry-after"]) > 0


async def test_a_service_whose_model_is_refused_takes_no_exam(tmp_path: Path, upload: Upload) -> None:
    def load() -> FakeClassifier:
        raise BrokenModel

    with pytest.raises(Exception, match="not ready"):
        async with serving(tmp_path / "data", load=load):
            raise AssertionError("a refused model was served")


async def test_an_upload_waits_for_the_model_and_is_turned_away_if_it_takes_too_long(
    tmp_path: Path, upload: Upload
) -> None:
    from app.main import create_app
    from app.settings import Settings

    gate = threading.Event()

    def load() -> FakeClassifier:
        gate.wait(30)
        return FakeClassifier()

    app = create_app(Settings(data_dir=tmp_path, ready_wait_s=0.1), load=load)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        alive, ready, model = [await client.get(path) for path in ("/livez", "/readyz", "/api/v1/model")]
        answer = await client.post("/api/v1/exams", files=upload)
        gate.set()

    assert alive.status_code == 200
    assert (ready.status_code, model.status_code, answer.status_code) == (503, 503, 503)
    assert answer.json()["code"] == "not-ready"
    assert answer.headers["retry-after"]
