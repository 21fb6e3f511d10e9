"""With keys: nothing without one, and of another's exam not even that it is there."""

import asyncio
import contextlib
import re
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from app.web.door import Door
from tests.fakes import FakeClassifier
from tests.web.conftest import Serve, Upload
from tests.web.keyed import a_key, revoked, shown

pytestmark = pytest.mark.anyio


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def keyed(serve: Serve, data: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str, str]]:
    """A service with two keys."""
    async with serve() as client:
        yield client, a_key(data, "ward"), a_key(data, "clinic")


Keyed = tuple[httpx.AsyncClient, str, str]


async def test_every_route_but_the_open_ones_needs_a_key(keyed: Keyed, data: Path) -> None:
    client, secret, _ = keyed
    routes = [
        (method, re.sub(r"\{\w+(:\w+)?\}", "0", path))
        for path, described in (await client.get("/openapi.json", headers=shown(secret))).json()["paths"].items()
        for method in described
    ]
    pages = ["/", "/covid", "/covid/compare?first=0&second=0", "/covid/exams/0", "/docs", "/openapi.json", "/nothing"]
    posts = ["/covid", "/covid/example", "/covid/exams/0/delete", "/covid/exams/0/reviews", "/covid/sign-out"]
    asked = [*routes, *(("GET", page) for page in pages), *(("POST", post) for post in posts)]
    open_ = {"/livez", "/readyz"}

    assert len(asked) > 25
    for method, path in asked:
        answer = await client.request(method, path)
        if path in open_:
            assert answer.status_code == 200
        elif path.startswith("/covid") or path in ("/", "/docs"):
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/covid/sign-in?back=")
        else:
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
            assert answer.headers["www-authenticate"].startswith("Bearer")


TRICKS = [
    "//api/v1/exams",
    "/./api/v1/exams",
    "/static/../api/v1/exams",
    "/static/%2e%2e/api/v1/exams",
    "/static/..%2fapi/v1/exams",
    "/static/..;/api/v1/exams",
    "/static/%2e%2e%2f%2e%2e%2fsettings.py",
    "/static/....//settings.py",
    "/static/..\\settings.py",
    "/static//etc/passwd",
    "/static/%00",
    "/static/js/../../templates/exam.html",
    "/livez/../api/v1/exams",
    "/livez/%2e%2e/metrics",
    "/livez;/api/v1/exams",
    "/livez/",
    "/livez%2f..%2fmetrics",
    "/readyz?/api/v1/exams",
    "/covid/sign-in/../exams",
    "/covid/sign-in/../../metrics",
    "/covid/sign-in%2f..%2f..%2fmetrics",
    "/covid/sign-in/",
    "/covid//exams",
    "/COVID",
    "/Metrics",
    "/api/v1/exams/",
    "/api/v1/exams?path=/livez",
    "/api/v1/reviews.csv%20",
    "/api/v1/reviews.csv/.",
    "/api//v1/exams",
    "/%61pi/v1/exams",
    "/api/v1/%65xams",
    "/api%2fv1%2fexams",
    "/metrics%00",
    "/metrics;jsessionid=1",
    "/openapi.json?x=/static/",
    "/docs/../metrics",
    "/.env",
    "/.git/config",
    "/data/exams.sqlite",
]


@pytest.mark.parametrize("path", TRICKS)
async def test_no_trick_with_the_path_gets_past_the_door(keyed: Keyed, upload: Upload, path: str) -> None:
    client, secret, _ = keyed
    sent = await client.post("/api/v1/exams", files=upload, headers=shown(secret))
    url = client.base_url.copy_with(raw_path=path.encode())

    answer = await client.get(url)

    # The health check with a query after it is the health check.
    assert answer.status_code in (303, 401, 404, 405) or answer.json() == {"status": "ready", "version": "0.1.0"}
    assert sent.json()["id"] not in answer.text
    assert "covidct_exams" not in answer.text
    assert "root:" not in answer.text
    assert "import" not in answer.text


async def test_without_keys_the_service_is_open(client: httpx.AsyncClient, upload: Upload) -> None:
    sent = await client.post("/api/v1/exams", files=upload)

    assert sent.status_code == 201
    assert (await client.get("/covid")).status_code == 200
    assert (await client.get("/covid/sign-in")).headers["location"] == "/covid"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer x", "bearer covidct_", "Basic Og==", "Bearer \xff", "Bearer 'OR 1=1--"]
)
async def test_what_is_no_key_opens_nothing(keyed: Keyed, header: str) -> None:
    client, *_ = keyed

    answer = await client.get("/api/v1/exams", headers={"Authorization": header.encode("latin-1")})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_key_works_from_when_it_is_made_until_it_is_revoked(serve: Serve, data: Path) -> None:
    async with serve() as client:
        assert (await client.get("/api/v1/exams")).status_code == 200
        secret = a_key(data)
        assert (await client.get("/api/v1/exams")).status_code == 401
        assert (await client.get("/api/v1/exams", headers=shown(secret))).status_code == 200
        revoked(data, 1)
        assert (await client.get("/api/v1/exams", headers=shown(secret))).status_code == 401
        assert (await client.get("/api/v1/exams")).status_code == 401


def told(answer: httpx.Response) -> dict[str, str]:
    """Headers, without what names each request anew."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


def addresses_of(report: dict[str, object]) -> list[tuple[str, str]]:
    """Everything there is about an exam."""
    exam, page = f"/api/v1/exams/{report['id']}", f"/covid/exams/{report['id']}"
    index = report["findings"][0]["slice"]  # type: ignore[index]
    pictures = ["image.png", "image.jpg", "heatmap.png", "overlay.png", "pixels"]
    read = [exam, f"{exam}/events", f"{exam}/heatmap.png", f"{exam}/maps", f"{exam}/reviews", page]
    read += [f"{exam}/slices/{index}/{picture}" for picture in pictures]
    read += [f"/covid/compare?first={report['id']}&second={report['id']}"]
    changed = [("POST", f"{exam}/reviews"), ("POST", f"{page}/reviews"), ("POST", f"{page}/delete"), ("DELETE", exam)]
    return [*(("GET", address) for address in read), *changed]


async def test_to_another_key_an_exam_is_like_one_that_never_was(keyed: Keyed, upload: Upload) -> None:
    client, mine, others = keyed
    report = (await client.post("/api/v1/exams", files=upload, headers=shown(mine))).json()
    body = {"content": b'{"opinion": "agree"}'}
    never = "0" * 32

    for method, address in addresses_of(report):
        theirs, nobodys = [
            await client.request(method, one, headers=shown(others), **(body if method == "POST" else {}))
            for one in (address, address.replace(report["id"], never))
        ]
        assert theirs.status_code == 404, address
        assert theirs.text.replace(report["id"], never) == nobodys.text
        assert told(theirs) == told(nobodys)

    for method, address in addresses_of(report)[:5]:
        assert (await client.request(method, address, headers=shown(mine))).status_code == 200, address


async def test_a_lost_exam_of_another_key_is_not_told_either(
    serve: Serve, data: Path, upload: Upload, tmp_path: Path
) -> None:
    async with serve() as client:
        mine, others = a_key(data), a_key(data)
        exam = (await client.post("/api/v1/exams", files=upload, headers=shown(mine))).headers["location"]
        with contextlib.closing(sqlite3.connect(data / "exams.sqlite", timeout=30)) as database:
            database.execute("UPDATE exams SET status = 'expired', report = NULL")
            database.commit()

        assert (await client.get(exam, headers=shown(mine))).status_code == 410
        assert (await client.get(exam, headers=shown(others))).status_code == 404


async def test_exams_from_before_the_keys_are_nobodys(serve: Serve, data: Path, upload: Upload) -> None:
    async with serve() as client:
        exam = (await client.post("/api/v1/exams", files=upload)).headers["location"]
        secret = a_key(data)

        assert (await client.get(exam, headers=shown(secret))).status_code == 404
        assert (await client.get("/api/v1/exams", headers=shown(secret))).json()["exams"] == []


async def test_lists_and_tables_hold_ones_own_alone(keyed: Keyed, upload: Upload) -> None:
    client, mine, others = keyed
    ids = {}
    for secret in (mine, others):
        report = (await client.post("/api/v1/exams", files=upload, headers=shown(secret))).json()
        ids[secret] = report["id"]
        said = {"opinion": "agree", "comment": "seen"}
        await client.post(f"/api/v1/exams/{report['id']}/reviews", json=said, headers=shown(secret))

    for secret, other in ((mine, others), (others, mine)):
        listed = (await client.get("/api/v1/exams", headers=shown(secret))).json()["exams"]
        assert [exam["id"] for exam in listed] == [ids[secret]]
        table = (await client.get("/api/v1/reviews.csv", headers=shown(secret))).text
        assert ids[secret] in table
        assert ids[other] not in table
        assert len(table.splitlines()) == 2


async def test_the_same_idempotency_key_of_two_keys_is_two_exams(keyed: Keyed, upload: Upload) -> None:
    client, mine, others = keyed
    once = {"Idempotency-Key": "once"}

    first, again, other = [
        await client.post("/api/v1/exams", files=upload, headers=once | shown(secret))
        for secret in (mine, mine, others)
    ]

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]


async def test_an_exam_in_work_is_its_keys_too(tmp_path: Path, serve: Serve, data: Path, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        mine, others = a_key(data), a_key(data)
        later = {"Prefer": "respond-async"}
        sent = await client.post("/api/v1/exams", files=upload, headers=later | shown(mine))
        exam = sent.headers["location"]

        assert (await client.get(exam, headers=shown(mine))).status_code == 200
        assert (await client.get(exam, headers=shown(others))).status_code == 404
        assert (await client.delete(exam, headers=shown(others))).status_code == 404
        gate.set()
        while (await client.get(exam, headers=shown(mine))).json()["status"] in ("queued", "running"):
            await asyncio.sleep(0.01)
        assert (await client.get(exam, headers=shown(mine))).json()["status"] == "done"


def test_the_door_stands_before_every_route(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, workers=0), load=FakeClassifier)

    assert [one.cls.__name__ for one in app.user_middleware][-1] == Door.__name__  # type: ignore[attr-defined]
