"""The templates, and what every one of them may use."""

from pathlib import Path

from starlette.templating import Jinja2Templates

from app import NOTICE, __version__

HERE = Path(__file__).parent
STATIC = HERE / "static"

templates = Jinja2Templates(directory=HERE / "templates")
templates.env.trim_blocks = True
templates.env.lstrip_blocks = True
templates.env.globals |= {"notice": NOTICE, "version": __version__}
