"""What /openapi.json says of the service."""

import re
from collections.abc import Iterator

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
async def told(client: httpx.AsyncClient) -> dict[str, dict]:  # type: ignore[type-arg]
    answer = await client.get("/openapi.json")
    return dict(answer.json())


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


async def test_whatever_is_referred_to_is_there(told: dict[str, dict]) -> None:  # type: ignore[type-arg]
    found = set(references(told))

    assert len(found) > 20
    for reference in found:
        root, *steps = reference.split("/")
        assert root == "#", reference
        node: dict = told  # type: ignore[type-arg]
        for step in steps:
            assert step in node, reference
            node = node[step]


async def test_every_problem_is_described_under_its_media_type(told: dict[str, dict]) -> None:  # type: ignore[type-arg]
    for path, methods in told["paths"].items():
        for described in methods.values():
            assert list(described["responses"]["default"]["content"]) == ["application/problem+json"], path
            assert described["responses"]["default"]["content"]["application/problem+json"]["schema"], path


async def test_the_shape_of_pixels_is_described(told: dict[str, dict]) -> None:  # type: ignore[type-arg]
    described = told["paths"]["/api/v1/exams/{exam_id}/slices/{index}/pixels"]["get"]["responses"]["200"]

    assert list(described["content"]) == ["application/octet-stream"]
    assert set(described["headers"]) == {"X-Rows", "X-Columns", "X-Rescale-Slope", "X-Rescale-Intercept"}


async def test_metrics_are_described_as_text(told: dict[str, dict]) -> None:  # type: ignore[type-arg]
    assert list(told["paths"]["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]


async def test_the_key_is_described_where_it_is_asked_for(told: dict[str, dict]) -> None:  # type: ignore[type-arg]
    open_ = [path for path, methods in told["paths"].items() if methods.get("get", {}).get("security") == []]

    assert told["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert told["security"] == [{"key": []}, {}]
    assert sorted(open_) == ["/livez", "/readyz"]


async def test_every_code_is_listed(told: dict[str, dict]) -> None:  # type: ignore[type-arg]
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", told["info"]["description"], re.MULTILINE)

    assert {("no-lung", "422"), ("busy", "503"), ("expired", "410"), ("storage-full", "507")} <= set(rows)
    assert len(rows) == len(dict(rows)) > 40
