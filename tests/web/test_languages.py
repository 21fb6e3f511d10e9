"""Which language a reader gets: the one chosen, else the one the browser asks for, else English."""

import httpx
import pytest

from tests.web.conftest import Upload

pytestmark = pytest.mark.anyio

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("zh", "zh-Hans"),
        ("zh-TW", "zh-Hans"),
        ("ZH-cn,en;q=0.5", "zh-Hans"),
        ("en-US,zh;q=0.9", "en"),
        ("en;q=0.2, zh;q=0.3", "zh-Hans"),
        ("fr,zh;q=0.4,en;q=0.1", "zh-Hans"),
        ("fr-CH, fr;q=0.9", "en"),
        ("*", "en"),
        ("zh;q=0", "en"),
        ("en;q=0, *", "zh-Hans"),
        ("zh;q=2, en", "en"),
        ("zh;q=one", "en"),
        ("zh;q=nan", "en"),
        (";;,q=1,-", "en"),
        ("", "en"),
    ],
)
async def test_the_page_speaks_what_the_browser_asks_for(client: httpx.AsyncClient, asked: str, language: str) -> None:
    answer = await client.get("/covid", headers={"Accept-Language": asked})

    assert f'<html lang="{language}"' in answer.text
    assert answer.headers["content-language"] == language


async def test_without_a_wish_the_page_is_english(client: httpx.AsyncClient) -> None:
    answer = await client.get("/covid", headers={"Accept-Language": ""})

    assert '<html lang="en"' in answer.text
    assert (
        '<button type="submit" class="secondary outline" name="language" value="zh" lang="zh-Hans">中文<' in answer.text
    )


async def test_a_language_is_chosen_without_javascript_and_kept(client: httpx.AsyncClient) -> None:
    answer = await client.post("/covid/preferences?back=/covid/compare", data={"language": "zh"})
    page = await client.get("/covid", headers={"Accept-Language": "en"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/covid/compare")
    assert '<html lang="zh-Hans"' in page.text
    assert 'value="en" lang="en">English<' in page.text


async def test_a_language_there_is_not_is_not_kept(client: httpx.AsyncClient) -> None:
    answer = await client.post("/covid/preferences", data={"language": "tlh"})

    assert "set-cookie" not in answer.headers
    assert (await client.get("/covid", headers={"Cookie": "covidct-language=tlh"})).status_code == 200


async def test_pages_say_what_they_vary_by(client: httpx.AsyncClient, upload: Upload) -> None:
    place = (await client.post("/covid", files=upload)).headers["location"]
    for path in ("/covid", place, "/covid/exams/none"):
        assert (await client.get(path)).headers["vary"] == "Accept-Language, Cookie"
