"""What the log and the counts tell of requests, and what they do not."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator

import httpx
import pytest
import structlog

from app import logs
from tests.web.conftest import Serve, Upload

pytestmark = pytest.mark.anyio

Lines = Callable[[], list[dict[str, object]]]
# An examination number, a resident's, one with a letter before it: all of them could be digits of an id.
NUMBERS = ["2024031500017342", "110105195504120021", "A123456789012345"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """The log as the service configures it."""
    root = logging.getLogger()
    before = root.handlers
    logs.configure()
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


async def test_a_request_keeps_the_id_it_came_with(client: httpx.AsyncClient, lines: Lines) -> None:
    answer = await client.get("/api/v1/exams", headers={"X-Request-ID": TRACE})

    assert answer.headers["X-Request-ID"] == TRACE
    assert [line["request_id"] for line in lines()] == [TRACE]


@pytest.mark.parametrize(
    "sent", ["", "JOHN^DOE", "a b", "../../etc/passwd", "f" * 65, 'f" onload="f0000000000', "4" * 32, *NUMBERS]
)
async def test_an_id_that_could_hold_anything_is_replaced(client: httpx.AsyncClient, sent: str, lines: Lines) -> None:
    answer = await client.get("/api/v1/exams", headers={"X-Request-ID": sent})

    assert len(answer.headers["X-Request-ID"]) == 32
    assert answer.headers["X-Request-ID"] != sent
    assert [line["request_id"] for line in lines()] == [answer.headers["X-Request-ID"]]


async def test_asking_for_headers_alone_is_told_like_asking(client: httpx.AsyncClient, lines: Lines) -> None:
    exam_id = "0" * 32

    await client.head(f"/api/v1/exams/{exam_id}")

    (line,) = lines()
    assert (line["method"], line["route"], line["exam_id"]) == ("HEAD", "/api/v1/exams/{exam_id}", exam_id)


async def test_the_line_of_an_upload_names_request_and_exam(
    client: httpx.AsyncClient, upload: Upload, lines: Lines
) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload, headers={"X-Request-ID": TRACE})).json()["id"]

    found = {line["event"]: line for line in lines()}
    assert found["exam"]["exam_id"] == exam_id
    assert found["request"] | {"request_id": TRACE, "exam_id": exam_id, "route": "/api/v1/exams"} == found["request"]
    assert found["request"]["status"] == 201


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/exams?cursor=CANARY", "/api/v1/exams"),
        ("/api/v1/exams/CANARY", "/api/v1/exams/{exam_id}"),
        ("/CANARY", "none"),
        ("/static/CANARY", "/static"),
    ],
)
async def test_what_was_typed_into_an_address_is_not_told(
    client: httpx.AsyncClient, path: str, route: str, lines: Lines
) -> None:
    await client.get(path)

    told = lines()
    metrics = (await client.get("/metrics")).text
    assert [line["route"] for line in told] == [route]
    assert "CANARY" not in json.dumps(told) + metrics


async def test_a_method_of_the_senders_own_is_not_told(client: httpx.AsyncClient, lines: Lines) -> None:
    await client.request("CANARY", "/livez")

    assert [line["method"] for line in lines()] == ["other"]


async def test_health_checks_are_told_of_only_where_they_fail(client: httpx.AsyncClient, lines: Lines) -> None:
    await client.get("/livez")
    await client.get("/static/nothing.css")

    assert [line["status"] for line in lines()] == [404]


async def test_a_fault_inside_is_told_under_the_id_of_its_request(
    client: httpx.AsyncClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.Store.newest", lambda *_, **__: 1 / 0)

    answer = await client.get("/api/v1/exams")

    told = {line["event"]: line for line in lines()}
    assert answer.status_code == 500
    assert told["request failed"]["request_id"] == answer.headers["X-Request-ID"]
    assert told["request"]["status"] == 500


def test_libraries_are_told_by_place_alone(lines: Lines) -> None:
    logging.getLogger("some.library").warning("Invalid value: CANARY")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("CANARY", UserWarning, stacklevel=1)
    try:
        raise ValueError("CANARY")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("CANARY")

    told = lines()
    assert [line["logger"] for line in told] == ["some.library", "py.warnings", "uvicorn.error"]
    assert told[2]["kind"] == "ValueError"
    assert "CANARY" not in json.dumps(told)


async def test_requests_refusals_and_sizes_are_counted(serve: Serve, upload: Upload) -> None:
    async with serve() as client:
        await client.post("/api/v1/exams", files=upload)
        await client.post("/api/v1/exams", files=[("other", ("a", b"1"))])

        text = (await client.get("/metrics")).text

    assert 'covidct_requests_total{route="/api/v1/exams",status="201"} 1.0' in text
    assert 'covidct_refusals_total{code="no-files"} 1.0' in text
    assert "covidct_body_bytes_count 2.0" in text
    assert "covidct_exam_files_sum 12.0" in text
    assert "covidct_exam_slices_sum 12.0" in text
