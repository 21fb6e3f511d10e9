"""SIGTERM while exams are scored, wait and are followed: what is at work is finished, the rest is diagnosed after the start."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx

from tests.bench.client import EXAMS
from tests.soak.rows import Length, Row
from tests.soak.sending import a_form, end_of, hand_in
from tests.soak.service import Service, served


def run(length: Length) -> Iterator[Row]:
    """Stop and start under load, a few times."""
    rounds, form = 1 if length.short else 10, a_form(slices=60)
    codes, accepted, streams = Counter[int](), list[str](), Counter[str]()
    with served(queue_size=4 * rounds) as service:
        for _ in range(rounds):
            with service.client() as client:
                ids = [one.exam_id for one in (hand_in(client, form) for _ in range(4)) if one.exam_id]
            followers = [threading.Thread(target=_follow, args=(service, one, streams)) for one in ids]
            for follower in followers:
                follower.start()
            time.sleep(0.5)
            codes[service.stop()] += 1
            for follower in followers:
                follower.join()
            accepted += ids
            service.start()
        with service.client() as client:
            ends = Counter(end_of(client, exam_id) for exam_id in accepted)
    name = f"{rounds} x SIGTERM with four exams and their event streams open"
    yield Row(f"{name}: exit code", str(dict(codes)), "0", set(codes) == {0})
    yield Row(f"{name}: streams", str(dict(streams)), "all ended in order", set(streams) == {"ended"})
    yield Row(f"{name}: exams", str(dict(ends)), "all done", len(accepted) == 4 * rounds and set(ends) == {"done"})


def _follow(service: Service, exam_id: str, streams: Counter[str]) -> None:
    try:
        with service.client() as client, client.stream("GET", f"{EXAMS}/{exam_id}/events") as events:
            for _ in events.iter_lines():
                pass
    except httpx.TransportError as error:
        streams[type(error).__name__] += 1
    else:
        streams["ended"] += 1
