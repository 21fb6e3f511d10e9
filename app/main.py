"""The only place that wires the parts together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app import NOTICE, __version__
from app.ct.errors import CovidCTError, StoreError
from app.ct.workers.pool import workers_of
from app.desk import Desk, OnRefusal, OnStuck
from app.kept import KeptExam
from app.logs import complain, log_outcome, place_of
from app.outcome import Timed
from app.service import Diagnosed, DiagnosisService, SliceClassifier
from app.settings import Settings, model_folder
from app.store import Store
from app.web import docs, exams, health, pages, pictures, preferences, reviews, sign_in
from app.web.door import Door, Refuse
from app.web.guard import Guard
from app.web.journal import Journal
from app.web.languages import asked_words
from app.web.metrics import Metrics
from app.web.parts import Parts
from app.web.preferences import words_of
from app.web.problems import (
    RateLimited,
    Unauthenticated,
    again,
    error_of_http,
    error_of_validation,
    problem_of,
    problem_response,
    table_of_problems,
)
from app.web.rates import Rates
from app.web.reporting import exam_report
from app.web.templating import STATIC

_FOR_PEOPLE = ("/", "/docs")
"""Addresses outside /covid that a browser is sent to."""
LoadClassifier = Callable[[], SliceClassifier]
OnFailedStart = Callable[[CovidCTError], None]


def load_classifier(settings: Settings) -> SliceClassifier:
    """The model the settings name, verified, warmed up and past its self-test.

    Raises:
        BrokenModel, EngineUnavailable: it cannot be served.
    """
    from app.ct.classifier import Classifier  # here, because it brings the engine with it

    return Classifier.load(model_folder(settings), engine=settings.engine)


_PARTS = (exams, pictures, reviews, health, docs, preferences, sign_in, pages)
"""Modules with routes."""


class _Described(FastAPI):
    """Tells in its description of the key, which the door asks for before the framework's routes."""

    def openapi(self) -> dict[str, Any]:
        """As the framework describes it, and that a key is shown; none where the service has none."""
        told = super().openapi()
        told["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{"key": []}, {}]
        return told


def create_app(
    settings: Settings,
    *,
    load: LoadClassifier | None = None,
    on_refusal: OnRefusal = lambda _: None,
    on_stuck: OnStuck = lambda: None,
    on_failed_start: OnFailedStart = lambda _: None,
) -> FastAPI:
    """The application; the model loads in the background once it runs.

    Args:
        settings: what the operator set.
        load: gives the classifier; by default the one the settings name.
        on_refusal: told when the model cannot be served.
        on_stuck: told when a diagnosis does not end.
        on_failed_start: told why what an earlier run left cannot be taken up: then nothing is served.
    """
    app = _Described(
        title="covidct",
        version=__version__,
        description="COVID-19 probability and lesion heatmap from the chest CT slices of one exam."
        f" {NOTICE}\n\n## Problems\n\n{table_of_problems()}",
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url=None,
        redoc_url=None,
        lifespan=partial(_lifespan, on_failed_start=on_failed_start),
        redirect_slashes=False,
    )
    app.state.parts = _wire(settings, load or (lambda: load_classifier(settings)), on_refusal, on_stuck)
    for part in _PARTS:
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    refuse = _answer_errors(app, retry_after_s=settings.retry_after_s)
    app.add_middleware(Door, parts=app.state.parts, refuse=refuse)
    app.add_middleware(Guard)
    app.add_middleware(Journal, metrics=app.state.parts.metrics)
    return app


def _wire(settings: Settings, load: LoadClassifier, on_refusal: OnRefusal, on_stuck: OnStuck) -> Parts:
    store, metrics, workers = Store(settings.data_dir), Metrics(), workers_of(settings.workers)

    def load_service() -> DiagnosisService:
        # First, so that its processes come up while the model loads.
        workers.start()
        classifier = load()
        workers.check()
        return DiagnosisService(classifier, limits=settings.limits, keep_values=settings.keep_values, workers=workers)

    desk = Desk(
        settings,
        store,
        load=load_service,
        write=_write_report,
        observers=[log_outcome, metrics.observe],
        on_refusal=on_refusal,
        on_stuck=on_stuck,
    )
    metrics.watch(desk, settings.data_dir)
    rates = Rates(exams_per_minute=settings.exams_per_minute, mb_per_minute=settings.upload_mb_per_minute)
    return Parts(settings, store, desk, metrics, workers, rates)


def _write_report(kept: KeptExam, diagnosed: Diagnosed, timed: Timed, classifier: SliceClassifier) -> str:
    return exam_report(kept, diagnosed, timed, classifier).model_dump_json()


@asynccontextmanager
async def _lifespan(app: FastAPI, *, on_failed_start: OnFailedStart) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    try:
        await asyncio.to_thread(parts.desk.start)
    except Exception as error:
        told = error if isinstance(error, CovidCTError) else StoreError()
        complain("start failed", code=told.code, kind=type(error).__name__, at=place_of(error))
        parts.store.close()
        on_failed_start(told)
        raise
    sweeping = asyncio.create_task(_sweep(parts.desk, every_s=parts.settings.sweep_s))
    try:
        yield
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping
        await asyncio.to_thread(parts.desk.stop)
        await asyncio.to_thread(parts.workers.close)
        parts.store.close()


async def _sweep(desk: Desk, *, every_s: float) -> None:
    while True:
        try:
            await asyncio.to_thread(desk.sweep)
        except Exception as error:  # noqa: BLE001  a store that fails once must not end the erasing of later exams
            complain("sweep failed", kind=type(error).__name__)
        await asyncio.sleep(every_s)


def _answer_errors(app: FastAPI, *, retry_after_s: int) -> Refuse:
    """Have errors answered; returns what answers those of the door, which stands before the framework."""

    def answer(request: Request, error: CovidCTError, headers: dict[str, str] | None = None) -> Response:
        app.state.parts.metrics.count_refusal(error.code)
        headers = dict(headers or {}) | _headers_of(error)
        if isinstance(error, Unauthenticated) and (pages.is_page(request) or request.url.path in _FOR_PEOPLE):
            return sign_in.to_sign_in(request)
        if pages.is_page(request):
            problem = problem_of(error, words=words_of(request))
            return pages.problem_page(request, problem, headers | again(problem, retry_after_s))
        words = asked_words(request)
        problem = problem_of(error, words=words)
        return problem_response(problem, words=words, retry_after_s=retry_after_s, headers=headers)

    @app.exception_handler(CovidCTError)
    async def _ours(request: Request, error: CovidCTError) -> Response:
        return answer(request, error)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code < 400:
            return Response(status_code=error.status_code, headers=headers)
        if error.status_code == 405:
            told = headers.get("Allow", "").split(", ")
            headers["Allow"] = ", ".join(_methods_at(request) or sorted(told))
        return answer(request, error_of_http(error), headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return answer(request, error_of_validation(error))

    return answer


def _methods_at(request: Request) -> list[str]:
    """All methods that an address takes; the framework names those of its first route."""
    routes = [route for part in _PARTS for route in part.router.routes if isinstance(route, Route)]
    taken = {m for r in routes if r.matches(request.scope)[0] is not Match.NONE for m in r.methods or ()}
    return sorted(taken | ({"HEAD"} if "GET" in taken else set()))


def _headers_of(error: CovidCTError) -> dict[str, str]:
    match error:
        case RateLimited(retry_after_s=seconds):
            return {"Retry-After": str(seconds)}
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="covidct"'}
        case _:
            return {}
