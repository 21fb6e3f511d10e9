"""The API's documentation, from files of our own: it works without any other host."""

from fastapi import APIRouter, Request, Response

from app.web.parts import Wired
from app.web.problems import NotFound
from app.web.templating import templates

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def get_docs(request: Request, parts: Wired) -> Response:
    """Swagger UI on /openapi.json, unless the operator closed it."""
    if not parts.settings.docs:
        raise NotFound
    return templates.TemplateResponse(request, "docs.html")
