"""The templates, and what every one of them may use."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from app import __version__
from app.ct.words import sentence
from app.web.callers import caller_of
from app.web.languages import Language, Words
from app.web.preferences import page_of, theme_of, words_of

HERE = Path(__file__).parent
STATIC = HERE / "static"
_NOTICE = sentence("Research use only. Not a medical device.")


def _of_reader(request: Request) -> dict[str, object]:
    """How the reader wants the page, and which page it is."""
    words = words_of(request)
    return {
        "theme": theme_of(request),
        "words": words,
        "notice": words.tell(_NOTICE),
        "other_languages": [one for one in Language if one is not words.language],
        "here": page_of(request),
        "caller": caller_of(request),
        "has_docs": request.app.state.parts.settings.docs,
    }


def _words(context: Context) -> Words:
    words = context["words"]
    assert isinstance(words, Words)
    return words


@pass_context
def _gettext(context: Context, template: str) -> str:
    return _words(context).gettext(template)


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int) -> str:
    return _words(context).ngettext(one, many, count)


@pass_context
def _told(context: Context, text: str) -> str:
    """A sentence from inside the service in the reader's language; marked as English where there is no translation of it."""
    words = _words(context)
    told = words.tell(text, context.get("said"))
    if told == text and words.language is not Language.ENGLISH and any(map(str.isalpha, text)):
        return Markup('<span lang="en">{}</span>').format(escape(text))
    return told


@pass_context
def _ours(context: Context, address: str) -> str:
    """Where a form is sent, with what tells that a page of ours had it sent: in the address, for the door reads no body."""
    caller = context["caller"]
    if caller is None or caller.csrf is None:
        return address
    return f"{address}{'&' if '?' in address else '?'}csrf={caller.csrf}"


def render(request: Request, name: str, shown: Mapping[str, object], *, status_code: int = HTTPStatus.OK) -> Response:
    """A page in the reader's language."""
    headers = {"Content-Language": words_of(request).language.tag, "Vary": "Accept-Language, Cookie"}
    return templates.TemplateResponse(request, name, dict(shown), status_code=status_code, headers=headers)


templates = Jinja2Templates(directory=HERE / "templates", context_processors=[_of_reader])
templates.env.trim_blocks = True
templates.env.lstrip_blocks = True
templates.env.add_extension("jinja2.ext.i18n")
templates.env.policies["ext.i18n.trimmed"] = True
templates.env.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
templates.env.filters["told"] = _told
templates.env.filters["ours"] = _ours
templates.env.globals["version"] = __version__
