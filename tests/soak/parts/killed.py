"""SIGKILL for the service or one of its workers under load: what was accepted is diagnosed, once."""

import contextlib
import itertools
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.bench.memory import descendants
from tests.soak.rows import Length, Row
from tests.soak.sending import a_form, at_a_rate, end_of, hand_in, send_once, told
from tests.soak.service import Service, served


def run(length: Length) -> Iterator[Row]:
    """A kill every 30 s for ten minutes, in turn of a worker and of the service."""
    form = a_form(slices=6 if length.short else 24, size=128 if length.short else 256)
    seconds = length.seconds(whole=600, short=12)
    with served(queue_size=8) as service, _killing(service, every_s=3 if length.short else 30) as killed:
        sent = at_a_rate(service, form, clients=4, per_s=1 if length.short else 0.5, seconds=seconds, send=hand_in)
        killed.stop()
        accepted = [one.exam_id for one in sent if one.fate == "done" and one.exam_id]
        with service.client() as client:
            ends = Counter(end_of(client, exam_id) for exam_id in accepted)
        twice = [e for e, count in _diagnosed(service).items() if count > 1]
    said = ", ".join(f"{count} {end}" for end, count in ends.items())
    name = f"{killed.services} kills of the service and {killed.workers} of a worker under load"
    slowest = max(killed.back_s, default=float("nan"))
    yield Row(
        f"{name}: accepted exams",
        f"{len(accepted)} accepted: {said}",
        "all done",
        bool(accepted) and set(ends) == {"done"},
    )
    yield Row("the same: diagnosed twice", str(len(twice)), "0", not twice)
    yield Row(
        "the same: from a kill until a single image sent after it is diagnosed",
        f"at most {slowest:.1f} s",
        "at most 10 s",
        slowest <= 10,
        of_machine=True,
    )
    yield Row("the same: what senders saw", told(sent), "no 5xx but 503 with Retry-After", _in_order(told(sent)))


def _in_order(seen: str) -> bool:
    """Whoever sends to a process that is killed is broken off; nobody gets another error."""
    return "error" not in seen.split("(")[0] and "refused-badly" not in seen


def _diagnosed(service: Service) -> Counter[str]:
    """How often each exam was diagnosed to its end, as the log tells."""
    found = Counter[str]()
    for line in service.log.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and told.get("event") == "exam" and told.get("status") == "done":
                found[str(told.get("id") or told.get("exam_id"))] += 1
    return found


class _Killing:
    def __init__(self, service: Service, *, every_s: float) -> None:
        self.services = self.workers = 0
        self.back_s, self._image = list[float](), a_form(slices=1)
        self._service, self._every_s, self._end = service, every_s, threading.Event()
        self._thread = threading.Thread(target=self._run, name="killing")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        for turn in itertools.count():
            if self._end.wait(self._every_s):
                return
            workers, killed_at = _workers(self._service), time.monotonic()
            if turn % 2 == 0 and workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(workers[turn // 2 % len(workers)], signal.SIGKILL)
                    self.workers += 1
            else:
                self._service.kill()
                self.services += 1
                self._service.start()
            self._diagnose_one()
            self.back_s.append(time.monotonic() - killed_at)

    def _diagnose_one(self) -> None:
        """A single image, which has a line of its own: how long the others' line has grown is not measured with it."""
        with self._service.client() as client:
            while send_once(client, self._image).fate != "done":
                time.sleep(0.1)


def _workers(service: Service) -> Sequence[int]:
    return [pid for pid in descendants(service.pid) if pid != service.pid]


@contextlib.contextmanager
def _killing(service: Service, *, every_s: float) -> Iterator[_Killing]:
    killing = _Killing(service, every_s=every_s)
    killing.start()
    try:
        yield killing
    finally:
        killing.stop()
