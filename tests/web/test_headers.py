"""Headers that hold lists, as they may be written over HTTP."""

import httpx
import pytest

from tests.web.conftest import Upload

pytestmark = pytest.mark.anyio
EXAMS = "/api/v1/exams"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["respond-async"], 202),
        (["wait=100, Respond-Async"], 202),
        (["handling=lenient", "respond-async; x=1"], 202),
        (["respond-async", "handling=lenient"], 202),
        (["respond-async=1"], 202),
        (["not-respond-async"], 201),
        (["x=respond-async"], 201),
    ],
)
async def test_a_preference_counts_wherever_it_stands(
    client: httpx.AsyncClient, upload: Upload, lines: list[str], status: int
) -> None:
    answer = await client.post(EXAMS, files=upload, headers=[("Prefer", line) for line in lines])

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (['"other"', "{etag}"], 304),
        (["{etag}", '"other"'], 304),
        (['"other", W/{etag}'], 304),
        (["*"], 304),
        (['"other"', '"*"'], 200),
    ],
)
async def test_an_etag_counts_wherever_it_stands(
    client: httpx.AsyncClient, upload: Upload, lines: list[str], status: int
) -> None:
    posted = await client.post(EXAMS, files=upload)
    sent = [("If-None-Match", line.replace("{etag}", posted.headers["etag"])) for line in lines]

    answer = await client.get(posted.headers["location"], headers=sent)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("query", "named"),
    [("slices=16&slices=all", "slices"), ("series_instance_uid=1&series_instance_uid=1", "series_instance_uid")],
)
async def test_a_wish_uttered_twice_is_refused(
    client: httpx.AsyncClient, upload: Upload, query: str, named: str
) -> None:
    answer = await client.post(f"{EXAMS}?{query}", files=upload)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["detail"] == f"Not valid: query {named}."
