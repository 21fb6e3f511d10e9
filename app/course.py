"""How far one exam has come: written by the worker, followed by any number of readers."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass

from app.kept import Status


@dataclass(frozen=True)
class Received:
    """The upload is complete and waits for its turn."""


@dataclass(frozen=True)
class Reading:
    """The files are being read."""


@dataclass(frozen=True)
class Scoring:
    """``scored`` of ``to_score`` slices have scores, which add up to ``probability`` so far (None before the first)."""

    scored: int
    to_score: int
    probability: float | None = None


@dataclass(frozen=True)
class Ended:
    """Nothing more will happen."""

    status: Status


@dataclass(frozen=True)
class Paused:
    """The service stops; the exam is kept, and goes on when it starts again."""


Event = Received | Reading | Scoring | Ended | Paused


class Erased(Exception):
    """The exam was deleted while it was being diagnosed."""


class Interrupted(Exception):
    """The service stops before the diagnosis has ended."""


class Course:
    """The events of one exam, in order. Every method may be called from any thread."""

    def __init__(self) -> None:
        """Begin with the upload received."""
        self._lock = threading.Lock()
        self._events: list[Event] = [Received()]
        self._waiters: list[Future[None]] = []
        self._cancelled = self._interrupted = False
        self._since = time.monotonic()

    @property
    def latest(self) -> Event:
        """What happened last."""
        return self._events[-1]

    @property
    def is_cancelled(self) -> bool:
        """Whether the exam was deleted."""
        return self._cancelled

    @property
    def is_interrupted(self) -> bool:
        """Whether the service does not wait for the diagnosis any more."""
        return self._interrupted

    @property
    def still_s(self) -> float:
        """Seconds since the diagnosis was seen to go on, once it has begun; 0 before."""
        return time.monotonic() - self._since if isinstance(self.latest, Reading | Scoring) else 0.0

    def interrupt(self) -> None:
        """Have the next step of the diagnosis raise Interrupted."""
        self._interrupted = True

    def pause(self) -> None:
        """Tell readers that nothing more happens before the next start."""
        self._add(Paused())

    def cancel(self) -> None:
        """Have the next step of the diagnosis raise Erased."""
        self._cancelled = True

    def step(self, event: Reading | Scoring) -> None:
        """Add what happened.

        Raises:
            Erased, Interrupted: as ``touch``.
        """
        self.touch()
        self._add(event)

    def touch(self) -> None:
        """Note that the diagnosis goes on, though there is nothing to tell.

        Raises:
            Erased: the exam was deleted meanwhile; nobody wants its diagnosis.
            Interrupted: the service stops.
        """
        if self._cancelled:
            raise Erased
        if self._interrupted:
            raise Interrupted
        self._since = time.monotonic()

    def end(self, status: Status) -> None:
        """Add the last event."""
        self._add(Ended(status))

    async def follow(self) -> AsyncIterator[Event]:
        """Every event so far, then every further one as it comes, until the last, or until the service stops."""
        seen = 0
        while True:
            events, more = self._after(seen)
            if more is not None:
                await asyncio.wrap_future(more)
            for event in events:
                yield event
                if isinstance(event, Ended | Paused):
                    return
            seen += len(events)

    async def ended(self) -> None:
        """Return once nothing more will happen, or the service stops."""
        async for _ in self.follow():
            pass

    def _add(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)
            self._since = time.monotonic()
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.set_running_or_notify_cancel():
                waiter.set_result(None)

    def _after(self, seen: int) -> tuple[list[Event], Future[None] | None]:
        with self._lock:
            events = self._events[seen:]
            if events:
                return events, None
            more: Future[None] = Future()
            self._waiters.append(more)
            return [], more
