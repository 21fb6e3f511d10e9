"""Foreign pages and foreign names are kept out, with keys and without; what may be closed can be closed."""

from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.web.conftest import Serve, Upload
from tests.web.keyed import a_key, shown

pytestmark = pytest.mark.anyio

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:81"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "http://a]b"},
]
OURS = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Origin": "https://localhost"},
]


@pytest.mark.parametrize("sent", FOREIGN)
async def test_a_foreign_page_cannot_post_to_a_service_that_is_open(
    client: httpx.AsyncClient, upload: Upload, sent: dict[str, str]
) -> None:
    exam = (await client.post("/api/v1/exams", files=upload)).json()["id"]

    for method, path in [
        ("POST", "/api/v1/exams"),
        ("POST", "/covid"),
        ("POST", "/covid/example"),
        ("POST", f"/covid/exams/{exam}/delete"),
        ("POST", f"/api/v1/exams/{exam}/reviews"),
        ("POST", "/covid/preferences"),
        ("POST", "/covid/sign-in"),
        ("DELETE", f"/api/v1/exams/{exam}"),
    ]:
        answer = await client.request(method, path, headers=sent, files=upload)
        assert answer.status_code == 403, path
    assert len((await client.get("/api/v1/exams", headers=sent)).json()["exams"]) == 1


@pytest.mark.parametrize("sent", OURS)
async def test_our_own_pages_and_programs_can(client: httpx.AsyncClient, upload: Upload, sent: dict[str, str]) -> None:
    assert (await client.post("/api/v1/exams", headers=sent, files=upload)).status_code == 201


async def test_a_foreign_page_cannot_sign_a_browser_in(serve: Serve, tmp_path: Path) -> None:
    async with serve() as client:
        secret = a_key(tmp_path / "data")
        answer = await client.post("/covid/sign-in", data={"key": secret}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/api/v1/exams", "/covid", "/livez", "/static/page.css", "/api/v1/model"])
async def test_nothing_is_shared_with_another_origin(client: httpx.AsyncClient, path: str) -> None:
    origin = {"Origin": "https://evil.example"}

    got = await client.get(path, headers=origin)
    asked = await client.options(path, headers=origin | {"Access-Control-Request-Method": "POST"})

    for answer in (got, asked):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert got.status_code == 200
    assert asked.status_code == 405


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "evil.example/localhost",
        "localhost:80:80",
        "localhost.",
        "[::1",
        "192.168.0.7.evil.example",
        "192.168.0.7@localhost",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/covid", "/api/v1/exams", "/static/page.css", "/covid/sign-in"])
async def test_under_a_foreign_name_there_is_nothing(client: httpx.AsyncClient, host: str, path: str) -> None:
    answer = await client.get(path, headers={"Host": host})

    assert answer.status_code == 421
    if path.startswith("/api"):
        assert answer.json()["code"] == "unknown-host"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "ct-server:1", "192.168.0.7:8000", "127.0.0.1:1", "[::1]:8000", "[::1]"]
)
async def test_addresses_and_names_of_this_network_are_known(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/api/v1/model", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_is_told_under_any_name(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Host": ""})).status_code == 200


async def test_the_operator_names_the_hosts(serve: Serve) -> None:
    async with serve(allowed_hosts="ct.example, CT2.example") as client:
        answers = [
            (await client.get("/api/v1/model", headers={"Host": host})).status_code
            for host in ("ct.example:8443", "ct2.example", "127.0.0.1:8000", "localhost", "ct3.example")
        ]

    assert answers == [200, 200, 200, 200, 421]


async def test_the_operator_may_allow_any_name(serve: Serve) -> None:
    async with serve(allowed_hosts="*") as client:
        assert (await client.get("/api/v1/model", headers={"Host": "anything.example"})).status_code == 200


async def test_the_bound_name_is_known_by_default(serve: Serve) -> None:
    async with serve(host="CT.example") as client:
        assert (await client.get("/api/v1/model", headers={"Host": "ct.example"})).status_code == 200


def test_names_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVIDCT_ALLOWED_HOSTS", "a.example, B.example")
    assert Settings().allowed_hosts == ("a.example", "b.example")


async def test_documentation_and_metrics_can_be_closed(serve: Serve) -> None:
    async with serve(docs=False, metrics=False) as client:
        closed = [(await client.get(path)).status_code for path in ("/docs", "/openapi.json", "/metrics")]
        page = (await client.get("/covid")).text

    assert closed == [404, 404, 404]
    assert "/docs" not in page


async def test_metrics_need_a_key_too(serve: Serve, tmp_path: Path) -> None:
    async with serve() as client:
        secret = a_key(tmp_path / "data")

        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers=shown(secret))).status_code == 200
