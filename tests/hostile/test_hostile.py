"""Short forms of what ``tests.soak.parts.hostile`` does by the thousand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ct.workers.pool import WorkerPool
from tests.hostile.api import Answers, forms, requests_of_the_whole_api
from tests.hostile.farm import harvest
from tests.hostile.seeds import seeds
from tests.web.listening import listening


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with listening(tmp_path / "data", workers=1, queue_size=64) as port:
        yield f"http://127.0.0.1:{port}"


def test_no_request_that_the_interface_describes_fails(address: str) -> None:
    answers = requests_of_the_whole_api(address, examples=120)

    assert answers.bad == []
    assert len(answers.seconds) > 50


def test_no_form_fails(address: str) -> None:
    answers = forms(address, examples=60)

    assert answers.bad == []
    assert {415, 422} <= set(answers.statuses)


def test_a_failure_would_be_seen() -> None:
    answers = Answers()
    answers.note("form", 500, {}, 0.1)
    answers.note("form", 503, {}, 0.1)
    answers.note("form", 503, {"Retry-After": "5"}, 0.1)

    assert answers.bad == ["form: 500", "form: 503"]


def test_changed_files_of_every_kind_are_read_or_refused() -> None:
    with WorkerPool(1) as pool:
        found = harvest(150, seed=0, workers=pool)

    assert found.faults == []
    assert sum(found.ends.values()) == 150


def test_seeds_are_of_every_kind() -> None:
    assert len(seeds()) > 100
