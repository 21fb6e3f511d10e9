"""Is it alive, is it ready, which model, how much work: for operators."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app import __version__
from app.ct.errors import NotReady
from app.ct.words import sentence
from app.desk import STOPPING, Desk
from app.web.parts import Wired
from app.web.problems import RESPONSES, NotFound
from app.web.reporting import served_model
from app.web.schemas import ServedModel

router = APIRouter(tags=["service"], responses=RESPONSES)

_OPEN: dict[str, object] = {"security": []}
"""Asked without a key, also where the service has keys."""


class Health(BaseModel):
    """A short word."""

    status: str
    version: str = __version__


@router.get("/livez", summary="Is the process alive?", openapi_extra=_OPEN)
async def livez() -> Health:
    """Answers while an exam is being scored, too."""
    return Health(status="alive")


@router.get("/readyz", summary="Can exams be sent?", openapi_extra=_OPEN)
async def readyz(parts: Wired) -> Health:
    """Ready once the model's self-test passed."""
    if parts.desk.classifier is None or parts.desk.is_stopping:
        raise not_ready(parts.desk)
    return Health(status="ready")


@router.get("/api/v1/model", summary="The model in service")
async def get_model(parts: Wired) -> ServedModel:
    """Name, hash, preprocessing, thresholds, exam rule and measured figures."""
    classifier = parts.desk.classifier
    if classifier is None:
        raise not_ready(parts.desk)
    return served_model(classifier)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics."}},
)
async def get_metrics(parts: Wired) -> Response:
    """Counts and seconds, unless the operator closed it.

    Answers also while every thread waits for a disk: nothing here is read from it.
    """
    if not parts.settings.metrics:
        raise NotFound
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def not_ready(desk: Desk) -> NotReady:
    """Why exams cannot be sent yet, or no longer."""
    if desk.is_stopping:
        return NotReady(STOPPING)
    if desk.failure is not None:
        return NotReady(sentence("The model was refused; the operator must look at the service's log."))
    return NotReady(sentence("The model is being loaded and checked."))
