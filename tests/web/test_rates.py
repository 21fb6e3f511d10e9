"""How much one key, or one address, may send."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.uploads import MEGABYTE
from app.web.problems import RateLimited
from app.web.rates import Rates
from tests.web.conftest import Serve, Upload
from tests.web.keyed import a_key, shown
from tests.web.test_limits import chunked


class Clock:
    """Goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refusal(rates: Rates, caller: str = "a") -> RateLimited:
    with pytest.raises(RateLimited) as raised:
        rates.take_exam(caller)
    return raised.value


def test_exams_are_counted_by_caller_and_given_back_evenly() -> None:
    clock = Clock()
    rates = Rates(exams_per_minute=2, mb_per_minute=0, clock=clock)
    rates.take_exam("a")
    rates.take_exam("a")

    assert refusal(rates).retry_after_s == 30
    rates.take_exam("b")
    clock.now = 29.0
    assert refusal(rates).retry_after_s == 1
    clock.now = 30.0
    rates.take_exam("a")
    assert refusal(rates).retry_after_s == 30


def test_bytes_beyond_the_minute_are_paid_back_first() -> None:
    clock = Clock()
    rates = Rates(exams_per_minute=0, mb_per_minute=2, clock=clock)
    rates.take_bytes("a", 4 * MEGABYTE)

    assert refusal(rates).retry_after_s == 60
    clock.now = 60.0
    rates.take_exam("a")


def test_a_limit_of_zero_is_none() -> None:
    rates = Rates(exams_per_minute=0, mb_per_minute=0, clock=Clock())
    for _ in range(1000):
        rates.take_bytes("a", MEGABYTE)
        rates.take_exam("a")


def test_callers_are_not_remembered_without_end() -> None:
    rates = Rates(exams_per_minute=1, mb_per_minute=1, clock=Clock())
    for number in range(10_000):
        rates.take_exam(f"client {number}")

    assert len(rates._callers) == 4096
    refusal(rates, "client 9999")


@pytest.mark.anyio
async def test_too_many_exams_of_a_key_are_refused_and_told_when_to_come_back(
    serve: Serve, tmp_path: Path, upload: Upload
) -> None:
    async with serve(exams_per_minute=2) as client:
        mine, others = a_key(tmp_path / "data"), a_key(tmp_path / "data")
        answers = [await client.post("/api/v1/exams", files=upload[5:6], headers=shown(mine)) for _ in range(3)]
        other = await client.post("/api/v1/exams", files=upload[5:6], headers=shown(others))
        page = await client.post("/covid/example", headers=shown(mine))

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].json()["code"] == "rate-limited"
    assert 0 < int(answers[2].headers["retry-after"]) <= 30
    assert other.status_code == 201
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 0


@pytest.mark.anyio
async def test_the_bytes_of_a_body_count_whatever_its_length_says(serve: Serve) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with serve(upload_mb_per_minute=2) as limited:
        first = await limited.post("/api/v1/exams", content=chunked(3 * MEGABYTE), headers=headers)
        second = await limited.post("/api/v1/exams", content=b"--x--", headers=headers)

    assert first.status_code == 422
    assert second.status_code == 429


@pytest.mark.anyio
async def test_an_exam_that_is_known_already_costs_nothing(serve: Serve, upload: Upload) -> None:
    once = {"Idempotency-Key": "once"}
    async with serve(exams_per_minute=1) as client:
        codes = [(await client.post("/api/v1/exams", files=upload, headers=once)).status_code for _ in range(3)]

    assert codes == [201, 200, 200]


@pytest.mark.anyio
async def test_the_bytes_of_an_exam_that_is_known_count(serve: Serve) -> None:
    once, large = {"Idempotency-Key": "once"}, [("files", ("a", bytes(3 * MEGABYTE)))]
    async with serve(upload_mb_per_minute=2) as client:
        codes = [(await client.post("/api/v1/exams", files=large, headers=once)).status_code for _ in range(2)]

    assert codes == [422, 429]


@pytest.mark.anyio
async def test_an_exam_that_was_known_and_turns_out_to_be_new_is_counted(serve: Serve, upload: Upload) -> None:
    once = {"Idempotency-Key": "once", "Prefer": "respond-async"}
    async with serve(exams_per_minute=1) as client:

        async def erasing(place: str) -> AsyncIterator[bytes]:
            erased.append((await client.delete(place)).status_code)
            async for piece in chunked(MEGABYTE):
                yield piece

        erased = list[int]()
        first = await client.post("/api/v1/exams", files=upload, headers=once)
        form = once | {"Content-Type": "multipart/form-data; boundary=x"}
        second = await client.post("/api/v1/exams", content=erasing(first.headers["location"]), headers=form)
        third = await client.post("/api/v1/exams", content=chunked(MEGABYTE), headers=form)

    assert (first.status_code, erased, second.status_code) == (202, [204], 202)
    assert second.headers["location"] != first.headers["location"]
    assert third.status_code == 429
