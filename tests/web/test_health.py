"""What operators ask."""

import hashlib
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest
from anyio import to_thread

from app.web import metrics
from app.web.templating import STATIC
from tests.web.conftest import Upload

pytestmark = pytest.mark.anyio


async def test_ready_once_the_model_is_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json()["status"] == "ready"


async def test_the_model_tells_its_thresholds(client: httpx.AsyncClient) -> None:
    model = (await client.get("/api/v1/model")).json()

    assert model["name"] == "fake-1"
    assert model["image_threshold"] == 0.5
    assert model["inconclusive_band"] == [0.38, 0.62]
    assert model["fitness"]["least_lung_area"] == 0.02
    assert model["notice"]


async def test_metrics_count_exams_and_hold_no_id(client: httpx.AsyncClient, upload: Upload) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]
    await client.post("/api/v1/exams", files=[("files", ("a", b""))])

    text = (await client.get("/metrics")).text

    assert 'covidct_exams_total{status="done"} 1.0' in text
    assert 'covidct_problems_total{code="unreadable"} 1.0' in text
    assert "covidct_ready 1.0" in text
    assert exam_id not in text


async def test_metrics_tell_the_room_on_the_disk_of_the_exams(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(folder: Path) -> SimpleNamespace:
        if folder.name != "data":
            raise OSError
        return SimpleNamespace(free=12345)

    with monkeypatch.context() as patch:
        patch.setattr(metrics.shutil, "disk_usage", answer)
        assert "covidct_data_free_bytes 12345.0" in (await client.get("/metrics")).text
        patch.setattr(metrics.shutil, "disk_usage", lambda _: answer(Path("elsewhere")))
        assert "covidct_data_free_bytes NaN" in (await client.get("/metrics")).text


@pytest.mark.parametrize("path", ["/covid", "/livez", "/api/v1/exams", "/openapi.json", "/docs", "/static/page.css"])
async def test_head_answers_where_get_does(client: httpx.AsyncClient, path: str) -> None:
    head, get = await client.head(path), await client.get(path)

    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_the_documentation_names_every_call_and_no_other_host(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"]
    page = (await client.get("/docs")).text

    assert {"/api/v1/exams", "/api/v1/exams/{exam_id}", "/api/v1/exams/{exam_id}/events", "/api/v1/model"} <= set(
        described
    )
    assert "multipart/form-data" in described["/api/v1/exams"]["post"]["requestBody"]["content"]
    assert "://" not in page


def test_vendored_files_are_those_that_were_released() -> None:
    vendor = STATIC / "vendor"
    listed = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", (vendor / "VENDORED.md").read_text(), re.MULTILINE))

    found = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "VENDORED.md"
    }

    assert found == listed


def test_no_page_holds_inline_script_style_or_another_host() -> None:
    own = [*Path(STATIC.parent / "templates").iterdir(), *(STATIC / "js").rglob("*.js"), STATIC / "page.css"]
    for path in own:
        text = path.read_text()
        assert not re.search(
            r"<script(?![^>]*\bsrc=|[^>]*type=\"application/json\")|<style|\bstyle=|\son[a-z]+=", text
        ), path.name
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path.name


async def test_health_and_metrics_answer_while_every_thread_waits(client: httpx.AsyncClient) -> None:
    limiter, free = to_thread.current_default_thread_limiter(), threading.Event()
    before, limiter.total_tokens = limiter.total_tokens, 1
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(to_thread.run_sync, free.wait)
            while limiter.available_tokens:
                await anyio.sleep(0.01)
            with anyio.move_on_after(10) as limit:
                answers = [(await client.get(path)).status_code for path in ("/livez", "/readyz", "/metrics")]
            free.set()
    finally:
        free.set()
        limiter.total_tokens = before

    assert not limit.cancelled_caught
    assert answers == [200, 200, 200]
