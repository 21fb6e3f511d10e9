"""The templates, and what every one of them may use."""

from pathlib import Path

from starlette.requests import Request
from starlette.templating import Jinja2Templates

from app import NOTICE, __version__
from app.web.preferences import theme_of

HERE = Path(__file__).parent
STATIC = HERE / "static"


def _of_reader(request: Request) -> dict[str, object]:
    """How the reader wants the page, and which page it is."""
    query = f"?{request.url.query}" if request.url.query else ""
    return {"theme": theme_of(request), "here": f"{request.url.path}{query}"}


templates = Jinja2Templates(directory=HERE / "templates", context_processors=[_of_reader])
templates.env.trim_blocks = True
templates.env.lstrip_blocks = True
templates.env.globals |= {"notice": NOTICE, "version": __version__}
