"""Exams sent by several clients at a rate of their own, whatever the service does; and what became of each."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import httpx

from app.ct.phantom import phantom
from app.ct.phantom.files import jpeg_files
from tests.bench.client import EXAMS, Form
from tests.soak.service import Service

Fate = Literal["done", "refused-well", "refused-badly", "error", "failed", "broken-off"]
_AGAIN_EVERY_S = 0.2
_ENDS_WITHIN_S = 600.0


@dataclass(frozen=True)
class Sent:
    """One exam that was sent.

    Attributes:
        fate: ``done``; ``refused-well``, with 503 and Retry-After; ``refused-badly``, with 503 alone; ``error``, another 5xx or
            an unexpected status; ``failed``, accepted and not diagnosed; ``broken-off``, no answer came.
        seconds: until the answer.
        exam_id: where it was accepted.
        detail: of what went wrong.
    """

    fate: Fate
    seconds: float
    exam_id: str | None = None
    detail: str = ""


def a_form(*, slices: int, size: int = 256) -> Form:
    """A synthetic exam as JPEG pictures."""
    return Form.of(list(jpeg_files(phantom(slices=slices, lesions="many", size=size))))


def send_once(client: httpx.Client, form: Form) -> Sent:
    """Send an exam and wait for its report; erase it."""
    start = time.monotonic()
    try:
        answer = client.post(EXAMS, content=form.body, headers=form.headers)
    except httpx.TransportError as error:
        return Sent("broken-off", time.monotonic() - start, detail=type(error).__name__)
    seconds = time.monotonic() - start
    if answer.status_code != 201:
        return _turned_away(answer, seconds)
    exam_id = answer.json()["id"]
    client.delete(f"{EXAMS}/{exam_id}")
    return Sent("done", seconds, exam_id)


def _turned_away(answer: httpx.Response, seconds: float) -> Sent:
    if answer.status_code == 503:
        return Sent("refused-well" if answer.headers.get("Retry-After", "").isdecimal() else "refused-badly", seconds)
    return Sent("error", seconds, detail=str(answer.status_code))


def hand_in(client: httpx.Client, form: Form) -> Sent:
    """Send an exam to be diagnosed later; ``done`` means accepted here."""
    start = time.monotonic()
    try:
        answer = client.post(EXAMS, content=form.body, headers={**form.headers, "Prefer": "respond-async"})
    except httpx.TransportError as error:
        return Sent("broken-off", time.monotonic() - start, detail=type(error).__name__)
    seconds = time.monotonic() - start
    if answer.status_code != 202:
        return _turned_away(answer, seconds)
    return Sent("done", seconds, answer.headers["Location"].rsplit("/", 1)[1])


def end_of(client: httpx.Client, exam_id: str) -> str:
    """The status an accepted exam ends with, ``lost`` where it is not known, ``unfinished`` where it does not end."""
    start = time.monotonic()
    while time.monotonic() - start < _ENDS_WITHIN_S:
        answer = client.get(f"{EXAMS}/{exam_id}")
        if answer.status_code == 404:
            return "lost"
        status = str(answer.json().get("status", "lost"))
        if status not in ("queued", "running"):
            return status
        time.sleep(_AGAIN_EVERY_S)
    return "unfinished"


def at_a_rate(
    service: Service,
    form: Form,
    *,
    clients: int,
    per_s: float,
    seconds: float,
    send: Callable[[httpx.Client, Form], Sent] = send_once,
) -> list[Sent]:
    """Send ``per_s`` exams a second for so long; ``clients`` threads share the times, and who is late goes on at once."""
    begin, numbers, lock = time.monotonic(), itertools.count(), threading.Lock()

    def one_client() -> list[Sent]:
        found = list[Sent]()
        with service.client() as client:
            while True:
                with lock:
                    due = next(numbers) / per_s
                if due >= seconds:
                    return found
                time.sleep(max(0.0, begin + due - time.monotonic()))
                if time.monotonic() - begin >= seconds:
                    return found
                found.append(send(client, form))

    with ThreadPoolExecutor(clients) as pool:
        return [sent for future in [pool.submit(one_client) for _ in range(clients)] for sent in future.result()]


def one_after_the_other(service: Service, form: Form, *, times: int) -> list[Sent]:
    """Send an exam so many times with nobody else there."""
    with service.client() as client:
        return [send_once(client, form) for _ in range(times)]


def p95(sent: Sequence[Sent]) -> float:
    """Of the seconds of those diagnosed; not a number where there are fewer than two."""
    seconds = [one.seconds for one in sent if one.fate == "done"]
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else float("nan")


def counted(sent: Sequence[Sent]) -> dict[str, int]:
    """How many met each fate; only those that occurred."""
    fates = [one.fate for one in sent]
    return {fate: fates.count(fate) for fate in dict.fromkeys(fates)}


def told(sent: Sequence[Sent]) -> str:
    """The counts in words, with what went wrong."""
    details = sorted({one.detail for one in sent if one.detail})
    counts = ", ".join(f"{count} {fate}" for fate, count in counted(sent).items()) or "none sent"
    return f"{counts} ({', '.join(details)})" if details else counts
