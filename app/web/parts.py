"""The parts of the running service, as request handlers get them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from app.ct.words import sentence
from app.ct.workers import ClosableWorkers
from app.desk import Desk
from app.settings import Settings
from app.store import KeptExam, Status, Store
from app.web.metrics import Metrics
from app.web.problems import Expired, NotFound


@dataclass(frozen=True)
class Parts:
    """What ``create_app`` wired together."""

    settings: Settings
    store: Store
    desk: Desk
    metrics: Metrics
    workers: ClosableWorkers


def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


async def find_exam(parts: Parts, exam_id: str) -> KeptExam:
    """The exam of that id.

    Raises:
        NotFound, Expired: there is none, or no longer.
    """
    kept = await run_in_threadpool(parts.store.find, exam_id)
    if kept is None:
        raise NotFound(sentence("There is no exam of that id."))
    if kept.status is Status.EXPIRED:
        raise Expired
    return kept


async def _exam(parts: Wired, exam_id: str) -> KeptExam:
    return await find_exam(parts, exam_id)


FoundExam = Annotated[KeptExam, Depends(_exam)]
