"""A browser signed in by key: its cookie, its forms, its list, and how it ends."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.web.callers import SESSION
from tests.web.conftest import Serve, Upload
from tests.web.keyed import a_key, revoked, shown, sign_in

pytestmark = pytest.mark.anyio


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def keyed(serve: Serve, data: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    async with serve() as client:
        yield client, a_key(data)


Keyed = tuple[httpx.AsyncClient, str]


@pytest.mark.parametrize("page", ["/covid/exams/0123?slice=2", "/docs"])
async def test_who_is_not_signed_in_is_led_to_the_form_and_back(keyed: Keyed, page: str) -> None:
    client, secret = keyed

    led = await client.get(page)
    form = await client.get(led.headers["location"])
    back = await client.post(re.search(r'action="(/covid/sign-in[^"]*)"', form.text)[1], data={"key": f" {secret} "})  # type: ignore[index]

    assert (led.status_code, form.status_code, back.status_code) == (303, 200, 303)
    assert back.headers["location"] == page


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/covidx", "javascript:alert(1)", "/docsx"])
async def test_nobody_is_led_to_another_site(keyed: Keyed, back: str) -> None:
    client, secret = keyed

    answer = await client.post("/covid/sign-in", params={"back": back}, data={"key": secret})

    assert answer.headers["location"] == "/covid"


@pytest.mark.parametrize(("address", "is_secure"), [("http://localhost", False), ("https://localhost", True)])
async def test_no_script_and_no_other_site_gets_the_cookie(keyed: Keyed, address: str, is_secure: bool) -> None:
    client, secret = keyed

    answer = await client.post(f"{address}/covid/sign-in", data={"key": secret})

    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{SESSION}=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert ("secure" in cookie) is is_secure


async def test_a_wrong_key_is_said_and_sets_no_cookie(keyed: Keyed) -> None:
    client, secret = keyed

    answer = await client.post("/covid/sign-in", data={"key": secret[:-1]})

    assert answer.status_code == 401
    assert "no key in use" in answer.text
    assert "set-cookie" not in answer.headers
    assert secret[:-1] not in answer.text


async def test_the_form_speaks_chinese(keyed: Keyed) -> None:
    client, _ = keyed

    answer = await client.get("/covid/sign-in", headers={"Accept-Language": "zh"})

    assert "密钥" in answer.text
    assert 'lang="zh-Hans"' in answer.text


async def test_the_session_is_kept_as_a_hash_with_an_end(keyed: Keyed, data: Path) -> None:
    client, secret = keyed
    await sign_in(client, secret)
    token = client.cookies[SESSION]

    with closing(sqlite3.connect(data / "exams.sqlite", timeout=30)) as database:
        ((kept, ends_at),) = database.execute("SELECT hash, ends_at FROM sessions").fetchall()
        assert kept != token
        assert (await client.get("/covid")).status_code == 200
        database.execute("UPDATE sessions SET ends_at = 1")
        database.commit()

    assert ends_at > 1
    assert (await client.get("/covid")).status_code == 303


async def test_a_revoked_key_ends_its_sessions_at_once(keyed: Keyed, data: Path) -> None:
    client, secret = keyed
    await sign_in(client, secret)
    assert (await client.get("/api/v1/exams")).status_code == 200

    revoked(data, 1)

    assert (await client.get("/api/v1/exams")).status_code == 401
    assert (await client.get("/covid")).status_code == 303
    assert (await client.post("/covid/sign-in", data={"key": secret})).status_code == 401


async def test_signing_out_ends_the_session_in_the_service_too(keyed: Keyed) -> None:
    client, secret = keyed
    csrf = await sign_in(client, secret)
    token = client.cookies[SESSION]

    out = await client.post(f"/covid/sign-out?csrf={csrf}")

    assert out.status_code == 303
    assert out.headers["clear-site-data"] == '"cache"'
    assert SESSION not in client.cookies
    assert (await client.get("/covid", headers={"Cookie": f"{SESSION}={token}"})).status_code == 303


FORMS = ["/covid", "/covid/example", "/covid/exams/{id}/reviews", "/covid/sign-out"]


@pytest.mark.parametrize("form", [*FORMS, "/covid/exams/{id}/delete", "/api/v1/exams"])
@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
async def test_a_form_without_its_token_changes_nothing(keyed: Keyed, upload: Upload, form: str, csrf: str) -> None:
    client, secret = keyed
    exam = (await client.post("/api/v1/exams", files=upload, headers=shown(secret))).json()["id"]
    right = await sign_in(client, secret)

    answer = await client.post(form.format(id=exam), params={"csrf": csrf}, files=upload)
    erased = await client.delete(f"/api/v1/exams/{exam}")

    assert (answer.status_code, erased.status_code) == (403, 403)
    assert len((await client.get("/api/v1/exams")).json()["exams"]) == 1
    assert (await client.delete(f"/api/v1/exams/{exam}", headers={"X-CSRF-Token": right})).status_code == 204


async def test_the_token_of_another_session_is_none(keyed: Keyed) -> None:
    client, secret = keyed
    other = await sign_in(client, secret)
    client.cookies.clear()
    await sign_in(client, secret)

    assert (await client.post(f"/covid/example?csrf={other}")).status_code == 403


async def test_every_form_that_is_shown_carries_the_token(keyed: Keyed, upload: Upload) -> None:
    client, secret = keyed
    csrf = await sign_in(client, secret)
    taken = await client.post(f"/covid?csrf={csrf}", files=upload)
    exam = (await client.post(f"/api/v1/exams?csrf={csrf}", files=upload)).json()["id"]
    refused = await client.post(f"/covid?csrf={csrf}", files=[("files", ("a", b"nothing"))])

    assert taken.status_code == 303
    for place in ("/covid", f"/covid/exams/{exam}", refused.headers["location"], "/covid/sign-in", "/covid/nothing"):
        page = (await client.get(place)).text
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page)
        assert len(forms) >= 2, place
        assert [form for form in forms if f"csrf={csrf}" not in form] == [], place


async def test_who_comes_from_another_site_can_sign_in_though_there_is_a_session(keyed: Keyed) -> None:
    client, secret = keyed
    await sign_in(client, secret)
    # Of a link on another site the browser sends no cookie, so the form is drawn for nobody; when it is sent, it does.
    drawn = await client.get("/covid/sign-in", headers={"Cookie": ""})
    answers = [
        await client.post("/covid/sign-in?back=/covid", data={"key": secret}),
        await client.post("/covid/preferences?back=/covid", data={"theme": "light"}),
    ]
    foreign = await client.post("/covid/sign-in", data={"key": secret}, headers={"Sec-Fetch-Site": "cross-site"})

    assert "csrf=" not in drawn.text
    assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [(303, "/covid")] * 2
    assert foreign.status_code == 403


@pytest.mark.parametrize(
    ("method", "asked", "back"),
    [
        ("POST", f"/covid/exams/{'0' * 32}/reviews", f"/covid/exams/{'0' * 32}"),
        ("POST", "/covid/example", "/covid"),
        ("GET", f"/covid?source={'x' * 250}", "/covid"),
        ("GET", f"/covid/{'x' * 250}", "/covid"),
    ],
)
async def test_whoever_was_signed_out_is_led_back_to_a_page(keyed: Keyed, method: str, asked: str, back: str) -> None:
    client, _ = keyed

    answer = await client.request(method, asked)

    assert answer.headers["location"] == f"/covid/sign-in?back={back}"
    assert (await client.get(answer.headers["location"])).status_code == 200


async def test_a_refused_form_does_not_pass_its_token_on(keyed: Keyed) -> None:
    client, secret = keyed
    csrf = await sign_in(client, secret)

    page = (await client.post(f"/covid?csrf={csrf}", content=b"", headers={"Content-Type": "text/plain"})).text

    assert "back=/covid&amp;csrf=" in page


async def test_the_page_lists_the_exams_of_its_key_a_page_at_a_time(keyed: Keyed, data: Path, upload: Upload) -> None:
    client, secret = keyed
    other = a_key(data, "clinic")
    theirs = (await client.post("/api/v1/exams", files=upload[5:6], headers=shown(other))).json()["id"]
    csrf = await sign_in(client, secret)
    ids = []
    for _ in range(13):
        sent = await client.post("/api/v1/exams", files=upload[5:6], headers={"X-CSRF-Token": csrf})
        ids.insert(0, sent.json()["id"])

    first = (await client.get("/covid")).text
    older = (await client.get(re.search(r'href="(/covid\?before=\d+)"', first)[1])).text  # type: ignore[index]

    assert re.findall(r'<a href="/covid/exams/(\w+)"', first) == ids[:12]
    assert re.findall(r'<a href="/covid/exams/(\w+)"', older) == ids[12:]
    assert "before=" not in older
    assert theirs not in first + older
    assert 'id="history-list"' not in first
