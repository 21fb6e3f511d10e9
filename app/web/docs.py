"""The API's documentation, from files of our own: it works without any other host."""

from fastapi import APIRouter, Request, Response

from app.web.templating import templates

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def get_docs(request: Request) -> Response:
    """Swagger UI on /openapi.json."""
    return templates.TemplateResponse(request, "docs.html")
