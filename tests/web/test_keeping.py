"""Over HTTP: one exam under one key, uploads bounded, a stop that loses nothing, the same report for the same bytes."""

import asyncio
import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest

from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files
from app.exam_folder import ExamFolder
from tests.fakes import FakeClassifier
from tests.web.conftest import Serve, Upload, serving

EXAMS = "/api/v1/exams"
LATER = {"Prefer": "respond-async"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


async def test_other_bytes_names_or_wishes_under_a_known_key_are_refused(
    client: httpx.AsyncClient, upload: Upload, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": "k"}
    first = await client.post(EXAMS, files=upload, headers=key)
    renamed = [("files", ("CANARY" + name, content)) for _, (name, content) in upload]

    others = [
        await client.post(EXAMS, files=upload[1:], headers=key),
        await client.post(EXAMS, files=renamed, headers=key),
        await client.post(f"{EXAMS}?slices=all", files=upload, headers=key),
    ]
    again = await client.post(EXAMS, files=upload, headers=key)

    assert [(one.status_code, one.json()["code"]) for one in others] == [(422, "idempotency-key-reused")] * 3
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert [path.name for path in (tmp_path / "data" / "exams").iterdir()] == [first.json()["id"]]


async def test_a_key_is_known_after_a_restart(tmp_path: Path, upload: Upload) -> None:
    key = {"Idempotency-Key": "k"}
    async with serving(tmp_path / "data") as client:
        first = await client.post(EXAMS, files=upload, headers=key)
    async with serving(tmp_path / "data") as client:
        again = await client.post(EXAMS, files=upload, headers=key)

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_a_known_key_finds_its_exam_in_a_full_line(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate), queue_size=1) as client:
        first = await client.post(EXAMS, files=upload, headers=LATER)
        while (await client.get(first.headers["location"])).json()["status"] == "queued":
            await asyncio.sleep(0.01)
        second = await client.post(EXAMS, files=upload, headers=LATER | {"Idempotency-Key": "k"})
        other = await client.post(EXAMS, files=upload, headers=LATER | {"Idempotency-Key": "new"})
        again = await client.post(EXAMS, files=upload, headers=LATER | {"Idempotency-Key": "k"})
        gate.set()

    assert other.status_code == 503
    assert again.headers["location"] == second.headers["location"]


async def test_uploads_beyond_the_bound_are_turned_away_before_they_are_read(serve: Serve, upload: Upload) -> None:
    going, arrived = asyncio.Event(), asyncio.Event()
    kind = {"Content-Type": "multipart/form-data; boundary=x"}

    async def slowly():
        yield b"--x\r\n"
        arrived.set()
        await going.wait()
        yield b"--x--\r\n"

    async def never():
        raise AssertionError("the body was read")
        yield b""

    async with serve(max_uploads=1) as client:
        first = asyncio.create_task(client.post(EXAMS, content=slowly(), headers=kind))
        await arrived.wait()
        second = await client.post(EXAMS, content=never(), headers=kind)
        health = [(await client.get(path)).status_code for path in ("/livez", "/readyz", "/metrics")]
        going.set()
        await first
        third = await client.post(EXAMS, files=upload)

    assert (second.status_code, second.json()["code"], third.status_code) == (503, "busy", 201)
    assert int(second.headers["retry-after"]) > 0
    assert health == [200, 200, 200]


async def test_a_stopping_service_turns_uploads_away_and_keeps_what_waits(tmp_path: Path, upload: Upload) -> None:
    gate = threading.Event()
    async with serving(tmp_path / "data", load=lambda: FakeClassifier(gate=gate)) as client:
        desk = client._transport.app.state.parts.desk  # type: ignore[attr-defined]
        first = await client.post(EXAMS, files=upload, headers=LATER)
        while (await client.get(first.headers["location"])).json()["status"] == "queued":
            await asyncio.sleep(0.01)
        second = asyncio.create_task(client.post(EXAMS, files=upload))
        while desk.waiting == 0:
            await asyncio.sleep(0.01)
        listed = (await client.get(EXAMS)).json()["exams"]
        events = asyncio.create_task(client.get(f"{listed[0]['exam']}/events"))
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(asyncio.to_thread(desk.stop))
        while not desk.is_stopping:
            await asyncio.sleep(0.01)
        kept, told = await second, await events
        refused = await client.post(EXAMS, files=upload)
        ready, alive = await client.get("/readyz"), await client.get("/livez")
        gate.set()
        await stopping
        done = (await client.get(first.headers["location"])).json()["status"]
    async with serving(tmp_path / "data") as client:
        while (after := (await client.get(kept.headers["location"])).json()["status"]) in ("queued", "running"):
            await asyncio.sleep(0.01)

    assert (refused.status_code, refused.json()["code"]) == (503, "not-ready")
    assert int(refused.headers["retry-after"]) > 0
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert (kept.status_code, kept.json()["status"]) == (202, "queued")
    assert "event: received" in told.text
    assert "event: done" not in told.text
    assert (done, after) == ("done", "done")


async def test_the_same_bytes_give_the_same_report(client: httpx.AsyncClient) -> None:
    files = [(file.name, file.read()) for file in jpeg_files(phantom(slices=12, lesions="few", size=128))]
    reports = []
    for _ in range(3):
        report = (await client.post(EXAMS, files=[("files", file) for file in files])).json()
        text = str({k: v for k, v in report.items() if k not in ("created_at", "expires_at", "timing_s")})
        reports.append(text.replace(report["id"], "ID"))

    assert len(set(reports)) == 1
    digests = b"".join(hashlib.sha256(content).digest() for _, content in files)
    assert report["input"]["sha256"] == hashlib.sha256(digests).hexdigest()
    assert {"sha256", "version", "preprocessing_fingerprint", "engine"} <= report["model"].keys()
    assert {"threshold", "inconclusive_band", "image_threshold", "slices"} <= report.keys()


@pytest.mark.parametrize(
    ("number", "status", "code"), [(errno.ENOSPC, 507, "storage-full"), (errno.EROFS, 503, "storage-unavailable")]
)
async def test_a_disk_that_cannot_keep_an_exam_says_so_and_recovers_by_itself(
    client: httpx.AsyncClient,
    upload: Upload,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    status: int,
    code: str,
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        refused = await client.post(EXAMS, files=upload)
    left = list((tmp_path / "data" / "exams").iterdir())
    taken = await client.post(EXAMS, files=upload)

    assert (refused.status_code, refused.json()["code"], left) == (status, code, [])
    assert int(refused.headers["retry-after"]) > 0
    assert taken.status_code == 201


async def test_what_failed_for_no_fault_of_its_files_may_be_sent_again_under_its_key(
    serve: Serve, upload: Upload
) -> None:
    classifier, key = FakeClassifier(fault=RuntimeError("x")), {"Idempotency-Key": "k"}
    async with serve(load=lambda: classifier) as client:
        failed = await client.post(EXAMS, files=upload, headers=key)
        classifier.fault = None
        done = await client.post(EXAMS, files=upload, headers=key)
        again = await client.post(EXAMS, files=upload, headers=key)

    assert failed.status_code == 500
    assert (done.status_code, again.status_code, done.json()["id"]) == (201, 200, again.json()["id"])


async def test_what_was_refused_for_its_files_is_the_same_under_its_key(client: httpx.AsyncClient) -> None:
    key, nothing = {"Idempotency-Key": "k"}, [("files", ("a.jpg", b"no picture"))]

    first, again = [await client.post(EXAMS, files=nothing, headers=key) for _ in range(2)]

    assert first.headers["location"] == again.headers["location"]


@pytest.mark.parametrize("end", [b"\r\n--x--\r\n", b""])
async def test_an_upload_whose_last_bytes_find_no_room_leaves_nothing(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    # Whole, or cut off: then what is left to be written is so only while the upload is given up.
    begin = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\na few bytes'
    new_original = ExamFolder.new_original

    def without_room(folder: ExamFolder, number: int) -> BinaryIO:
        with new_original(folder, number):
            return Path("/dev/full").open("wb")

    with monkeypatch.context() as patch:
        patch.setattr(ExamFolder, "new_original", without_room)
        refused = await client.post(
            EXAMS, content=begin + end, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )

    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
    assert not list((tmp_path / "data" / "exams").iterdir())
