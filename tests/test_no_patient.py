"""What a sender says of a patient goes nowhere: not into answers, logs, metrics, pictures, database or folders."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from app import logs
from tests.canaries import MARKS, Sent, files_below, hits, uploads
from tests.fakes import FakeClassifier
from tests.web.conftest import serving

pytestmark = pytest.mark.anyio

Answers = dict[str, bytes]
UPLOADS = dict(uploads())
HEADERS = {
    "X-Request-ID": "CANARY^NAME",
    "Idempotency-Key": "CANARY",
    "User-Agent": "CANARY",
    "Referer": "http://CANARY/",
}
PATHS = ("image.png", "heatmap.png", "overlay.png", "pixels", "image.jpg")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that holds all that the service writes; its log tells everything, down to what libraries debug."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure()
    root.setLevel(logging.DEBUG)
    for handler in root.handlers:
        handler.setLevel(logging.DEBUG)
    yield tmp_path
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def whole(answer: httpx.Response) -> bytes:
    """Head and body of an answer."""
    return repr(answer.headers.raw).encode() + answer.content


async def all_of(client: httpx.AsyncClient, exam_id: str, index: int) -> AsyncIterator[tuple[str, bytes]]:
    """Everything there is to read of one exam."""
    api = f"/api/v1/exams/{exam_id}"
    about = [api, f"{api}/events", f"{api}/heatmap.png", f"{api}/maps", f"{api}/reviews", f"/covid/exams/{exam_id}"]
    for path in [*about, *(f"{api}/slices/{index}/{kind}" for kind in PATHS)]:
        answer = await client.get(path)
        # In bodies and heads apart: picture metadata is looked into where a body begins.
        yield f"head of {path}", repr(answer.headers.raw).encode()
        yield path, answer.content


async def through(client: httpx.AsyncClient, sent: Sent) -> Answers:
    """An upload by the API and by the form, and all that can be read of it."""
    found: Answers = {}
    answer = await client.post(
        "/api/v1/exams", files=sent, data={"CANARY": "CANARY VALUE"}, headers=HEADERS | {"Idempotency-Key": ""}
    )
    found["answer"] = whole(answer)
    if answer.status_code == 201:
        index = next(one["index"] for one in answer.json()["slices"] if one["scored"])
        found |= {path: content async for path, content in all_of(client, answer.json()["id"], index)}
    page = await client.post("/covid", files=sent, headers=HEADERS, follow_redirects=True)
    while any(e["status"] in ("queued", "running") for e in (await client.get("/api/v1/exams")).json()["exams"]):
        await asyncio.sleep(0.02)
    return found | {"page": whole(page)}


async def about_all(client: httpx.AsyncClient) -> Answers:
    """What is told of no exam in particular, asked with marks wherever there is room for them.

    A page repeats its own address, to come back to it in another language; so none is asked by one with a mark.
    """
    asked = (
        "/metrics",
        "/api/v1/exams",
        "/api/v1/reviews.csv",
        "/covid",
        "/CANARY",
    )
    odd = ("/api/v1/exams?cursor=CANARY", "/api/v1/exams/CANARY", "/static/CANARY.js")
    return {path: whole(await client.get(path, headers=HEADERS)) for path in (*asked, *odd)}


@pytest.mark.parametrize("kind", UPLOADS)
async def test_nothing_of_a_patient_goes_anywhere(kind: str, room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(room / "data") as client:
        answers = await through(client, UPLOADS[kind])
        answers |= await about_all(client)
        said = capfd.readouterr()
        places = {**answers, "log": (said.out + said.err).encode(), **files_below(room)}

    assert '"event": "request"' in said.err
    assert hits(places) == []


@pytest.mark.parametrize(
    "query", ["series_instance_uid=CANARY", "series_instance_uid=1.2.826.0.1.777005", "slices=CANARY"]
)
async def test_nothing_that_was_asked_for_goes_anywhere(
    query: str, room: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(room / "data") as client:
        answer = await client.post(f"/api/v1/exams?{query}", files=UPLOADS["DICOM"], headers=HEADERS)
        said = capfd.readouterr()
        places = {"answer": whole(answer), "log": (said.out + said.err).encode(), **files_below(room)}

    assert answer.status_code == 422
    assert hits(places) == []


async def test_the_text_of_a_fault_goes_nowhere(room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(room / "data", load=lambda: FakeClassifier(fault=RuntimeError("CANARY^NAME"))) as client:
        places = await through(client, UPLOADS["DICOM"])
        said = capfd.readouterr()
        places |= {"log": (said.out + said.err).encode(), **files_below(room)}

    assert '"diagnosis failed"' in said.err
    assert hits(places) == []


PLANTS: dict[str, Callable[[Path], object]] = {
    "log": lambda _: structlog.get_logger().info("exam", name="CANARY^NAME"),
    "data": lambda room: (room / "data" / "left").write_bytes("Canary".encode("utf-16-le")),
    "tmp": lambda room: (room / "tmp" / "19470913.dcm").touch(),
}


@pytest.mark.parametrize("place", PLANTS)
async def test_a_mark_that_is_planted_is_found(place: str, room: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(room / "data"):
        PLANTS[place](room)
        said = capfd.readouterr()
        found = hits({"log": (said.out + said.err).encode(), **files_below(room)})

    assert [one.split("/")[0] for one in found] == [place]


@pytest.mark.parametrize("mark", MARKS)
def test_every_mark_is_found_in_every_coding(mark: str) -> None:
    codings = {coding: f"<{mark.upper()}>".encode(coding) for coding in ("utf-8", "utf-16-le", "utf-16-be")}

    assert hits(codings) == list(codings)
