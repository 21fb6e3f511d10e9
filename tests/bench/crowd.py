"""Several clients at once: how long each waits, what a single image behind them waits, whether the server still answers."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx

from tests.bench.client import EXAMS, Form, Marks, client_of, erase, send
from tests.bench.process import BenchFailed, Running

CROWDS = (1, 4, 16, 32)
_PULSE_EVERY_S = 0.05
_BUSY = 503
_ALL_SENT_WITHIN_S = 120.0


@dataclass(frozen=True)
class Waited:
    """One client.

    Attributes:
        seconds: from the last byte of its first attempt to the full answer.
        turned_away: how often it was told to come again, and did so when it was told to.
    """

    seconds: float
    turned_away: int


@dataclass(frozen=True)
class Crowd:
    """Some clients, each with one exam, all at once.

    Attributes:
        clients: each of them.
        whole_s: until the last one had its answer.
        single: a single image sent when all exams had been sent.
        pulse_s: answers of ``/livez`` meanwhile.
    """

    clients: tuple[Waited, ...]
    whole_s: float
    single: Waited
    pulse_s: tuple[float, ...]


def send_patiently(client: httpx.Client, form: Form) -> Waited:
    """Send an exam, again whenever the server is busy, after the time it names; erase it.

    Raises:
        BenchFailed: it was refused for another reason.
    """
    marks, turned_away, start = Marks(), 0, 0.0
    while True:
        answer = client.post(EXAMS, content=marks.blocks(form), headers=form.headers)
        now = time.perf_counter()
        # Who is turned away at the door may not have sent all of it.
        form.on_sent()
        start = start or marks.last or now
        if answer.status_code != _BUSY:
            break
        turned_away += 1
        time.sleep(float(answer.headers["Retry-After"]))
    if answer.status_code != 201:
        raise BenchFailed(f"An exam was answered with {answer.status_code}: {answer.text[:300]}")
    erase(client, answer.json()["id"])
    return Waited(now - start, turned_away)


def measure_crowd(server: Running, exam: Form, single: Form, *, clients: int) -> Crowd:
    """Send ``exam`` from so many clients at once, and ``single`` behind them.

    Raises:
        BenchFailed: an exam is not diagnosed.
    """
    begin, sent = threading.Barrier(clients), threading.Semaphore(0)

    def one() -> Waited:
        with client_of(server) as client:
            begin.wait()
            return _sending(client, exam, sent)

    with _Pulse(server) as pulse, ThreadPoolExecutor(clients) as pool, client_of(server) as behind:
        start = time.perf_counter()
        at_work = [pool.submit(one) for _ in range(clients)]
        for _ in range(clients):
            sent.acquire(timeout=_ALL_SENT_WITHIN_S)
        waited = send_patiently(behind, single)
        found = tuple(future.result() for future in at_work)
        whole_s = time.perf_counter() - start
    if pulse.failure is not None:
        raise BenchFailed(f"/livez did not answer among {clients} exams.") from pulse.failure
    return Crowd(found, whole_s, waited, tuple(pulse.answers))


def _sending(client: httpx.Client, exam: Form, sent: threading.Semaphore) -> Waited:
    """Tells once that an exam has been sent: when its last byte left, which of a client turned away may be at a later attempt."""
    told: list[None] = []

    def tell() -> None:
        if not told:
            told.append(None)
            sent.release()

    try:
        return send_patiently(client, replace(exam, on_sent=tell))
    finally:
        tell()


def alone(server: Running, form: Form, *, rounds: int) -> tuple[float, ...]:
    """Seconds from last byte to full answer, with nobody else there; the first request is not counted."""
    with client_of(server) as client:
        return tuple(send(client, form).from_last_byte_s for _ in range(rounds + 1))[1:]


class _Pulse:
    """Asks ``/livez`` again and again."""

    def __init__(self, server: Running) -> None:
        self.answers: list[float] = []
        self.failure: httpx.HTTPError | None = None
        self._server, self._end = server, threading.Event()
        self._thread = threading.Thread(target=self._ask, name="pulse")

    def __enter__(self) -> "_Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        with client_of(self._server) as client:
            try:
                self._ask_again_and_again(client)
            except httpx.HTTPError as error:
                self.failure = error

    def _ask_again_and_again(self, client: httpx.Client) -> None:
        client.get("/livez")  # Connects; what is measured is the answer.
        while True:
            start = time.perf_counter()
            client.get("/livez").raise_for_status()
            self.answers.append(time.perf_counter() - start)
            if self._end.wait(_PULSE_EVERY_S):
                return
