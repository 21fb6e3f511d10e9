"""The parts of the running service, as request handlers get them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from app.ct.words import sentence
from app.ct.workers import ClosableWorkers
from app.desk import Desk
from app.kept import KeptExam, Status
from app.settings import Settings
from app.store import Store
from app.web.callers import Asking, Caller
from app.web.metrics import Metrics
from app.web.problems import Expired, NotFound
from app.web.rates import Rates


@dataclass(frozen=True)
class Parts:
    """What ``create_app`` wired together."""

    settings: Settings
    store: Store
    desk: Desk
    metrics: Metrics
    workers: ClosableWorkers
    rates: Rates


async def _parts(request: Request) -> Parts:
    # No thread is waited for: health and metrics answer while all of them wait for a disk.
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


async def find_exam(parts: Parts, caller: Caller, exam_id: str) -> KeptExam:
    """The exam of that id, if it is the caller's.

    Raises:
        NotFound: there is none, or it is another's, which is told alike.
        Expired: it is no longer kept.
    """
    kept = await run_in_threadpool(parts.store.find, exam_id)
    if kept is None or not caller.may_see(kept.owner):
        raise NotFound(sentence("There is no exam of that id."))
    if kept.status is Status.EXPIRED:
        raise Expired
    return kept


async def _exam(parts: Wired, caller: Asking, exam_id: str) -> KeptExam:
    return await find_exam(parts, caller, exam_id)


FoundExam = Annotated[KeptExam, Depends(_exam)]
