"""What readers say of diagnoses, over HTTP."""

import csv
import io
import json
import re

import httpx
import pytest

from app import NOTICE
from tests.web.conftest import Upload

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(client: httpx.AsyncClient, upload: Upload) -> str:
    """Where a diagnosed exam stands."""
    return str((await client.post("/api/v1/exams", files=upload)).headers["location"])


async def table(client: httpx.AsyncClient) -> list[dict[str, str]]:
    text = (await client.get("/api/v1/reviews.csv")).text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


async def test_a_readers_word_is_kept_with_the_exam(client: httpx.AsyncClient, place: str) -> None:
    answer = await client.post(f"{place}/reviews", json={"opinion": "disagree", "comment": " motion "})

    assert (answer.status_code, answer.json()["comment"]) == (201, "motion")
    (kept,) = (await client.get(f"{place}/reviews")).json()["reviews"]
    assert kept == answer.json()
    assert (kept["exam"], kept["notice"]) == (place, NOTICE)


async def test_the_table_says_what_the_model_had_said(client: httpx.AsyncClient, place: str) -> None:
    report = (await client.get(place)).json()
    for opinion in ("agree", "disagree"):
        await client.post(f"{place}/reviews", json={"opinion": opinion})

    rows = await table(client)

    assert [row["opinion"] for row in rows] == ["agree", "disagree"]
    assert rows[0]["exam"] == report["id"]
    assert float(rows[0]["probability"]) == report["probability"]
    assert rows[0]["model_sha256"] == report["model"]["sha256"]
    assert rows[0]["notice"] == NOTICE


async def test_what_a_review_may_be_is_described_whole(client: httpx.AsyncClient) -> None:
    told = (await client.get("/openapi.json")).json()
    body = told["paths"]["/api/v1/exams/{exam_id}/reviews"]["post"]["requestBody"]["content"]["application/json"]
    (named,) = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(body))

    assert told["components"]["schemas"][named]["enum"] == ["agree", "disagree", "comment"]
    assert "$defs" not in body["schema"]


async def test_a_spreadsheet_runs_no_comment(client: httpx.AsyncClient, place: str) -> None:
    await client.post(f"{place}/reviews", json={"opinion": "agree", "comment": "=HYPERLINK(1)"})

    await client.post(f"{place}/reviews", json={"opinion": "agree", "comment": "ok;=HYPERLINK(A1); +1 for it"})
    await client.post(f"{place}/reviews", json={"opinion": "agree", "comment": "＝HYPERLINK(1)"})

    comments = [row["comment"] for row in await table(client)]
    assert comments == ["'=HYPERLINK(1)", "ok;'=HYPERLINK(A1); '+1 for it", "'＝HYPERLINK(1)"]


async def test_what_fits_the_forms_box_is_taken(client: httpx.AsyncClient, place: str) -> None:
    page = place.replace("/api/v1", "/covid")
    lines = ["x" * 99] * 20

    answer = await client.post(f"{page}/reviews", data={"opinion": "agree", "comment": "\r\n".join(lines)})

    assert answer.status_code == 303
    assert [row["comment"] for row in await table(client)] == ["\n".join(lines)]


async def test_the_form_works_and_leads_back(client: httpx.AsyncClient, place: str) -> None:
    page = place.replace("/api/v1", "/covid")

    answer = await client.post(f"{page}/reviews", data={"opinion": "agree", "comment": "肺炎"})

    assert (answer.status_code, answer.headers["location"]) == (303, f"{page}#reviews")
    assert [row["comment"] for row in await table(client)] == ["肺炎"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"opinion": "maybe", "comment": "CANARY"}', 422),
        (b'{"opinion": "comment", "comment": "  "}', 422),
        (b'{"opinion": "agree", "patient": "CANARY"}', 422),
        (b"CANARY", 422),
        (b'{"opinion": "agree", "comment": "' + b"CANARY" * 500 + b'"}', 422),
        (b'{"opinion": "agree", "comment": "' + b"CANARY" * 6000 + b'"}', 413),
    ],
)
async def test_a_review_that_is_none_is_refused(
    client: httpx.AsyncClient, place: str, body: bytes, status: int
) -> None:
    answer = await client.post(f"{place}/reviews", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    assert "CANARY" not in answer.text
    assert await table(client) == []


async def test_a_comment_that_says_nothing_is_named(client: httpx.AsyncClient, place: str) -> None:
    answer = await client.post(f"{place}/reviews", json={"opinion": "comment"})

    assert answer.json()["detail"] == "Not valid: comment. A comment of its own must not be empty."


async def test_a_form_that_is_not_taken_leads_back_to_the_exam(client: httpx.AsyncClient, place: str) -> None:
    page = place.replace("/api/v1", "/covid")

    problem = (await client.post(f"{page}/reviews", data={"opinion": "comment", "comment": " "})).text
    missing = (await client.post(f"{page[:-1]}/reviews", data={"opinion": "agree"})).text

    assert f'<a role="button" href="{page}">Back to the exam</a>' in problem
    assert "must not be empty" in problem
    assert "Back to the exam" not in missing


async def test_what_is_not_diagnosed_is_not_reviewed(client: httpx.AsyncClient) -> None:
    refused = await client.post("/api/v1/exams", files=[("files", ("a.txt", b"no picture"))])

    answer = await client.post(f"{refused.headers['location']}/reviews", json={"opinion": "agree"})

    assert answer.status_code == 404


async def test_with_a_deleted_exam_all_that_was_said_of_it_goes(client: httpx.AsyncClient, place: str) -> None:
    await client.post(f"{place}/reviews", json={"opinion": "agree", "comment": "a"})

    await client.delete(place)

    assert await table(client) == []
