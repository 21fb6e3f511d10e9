"""The languages of the page: which of them a reader wants, and how a sentence is told in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from starlette.requests import Request

from app.ct.words import Sentence
from app.said import Said
from app.web.basis import recognized

LOCALE = Path(__file__).parent / "locale"


class Language(StrEnum):
    """English, which everything is written in, and those there are catalogs of."""

    ENGLISH = "en"
    CHINESE = "zh"

    @property
    def tag(self) -> str:
        """As HTML and HTTP name it (BCP 47): the catalog is in simplified characters."""
        return {"zh": "zh-Hans"}.get(self.value, self.value)

    @property
    def endonym(self) -> str:
        """What its readers call it."""
        return {"en": "English", "zh": "中文"}[self.value]


@dataclass(frozen=True)
class Words:
    """Everything that is said, in one language; what its catalog does not hold stays English.

    Attributes:
        language: which.
        for_scripts: what the page's scripts say, by the English template: one translation for each plural form.
    """

    language: Language
    catalog: NullTranslations
    for_scripts: Mapping[str, list[str]] = field(default_factory=dict)

    def gettext(self, template: str) -> str:
        """A template in the language."""
        # Catalogs keep their own header under the empty one.
        return self.catalog.gettext(template) if template else ""

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The template of so many."""
        return self.catalog.ngettext(one, many, count)

    def tell(self, text: str, said: Said | None = None) -> str:
        """A sentence in the language.

        Args:
            text: as it was said, or the English alone as it was kept.
            said: what was kept with it, to tell texts by that are English alone.
        """
        if self.language is Language.ENGLISH:
            return str(text)
        sentence = text if isinstance(text, Sentence) and text.values else (said or {}).get(text) or recognized(text)
        if sentence is None:
            return self.gettext(text)
        values = {n: self.tell(v, said) if isinstance(v, str) else v for n, v in sentence.values.items()}
        try:
            template = self._template(sentence)
            # What no catalog knows may have come from anywhere: it is not filled.
            return template.format(**values) if template else str(sentence)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            # Nor do values that were kept need to fit; an earlier version may have given others.
            return str(sentence)

    def _template(self, sentence: Sentence) -> str | None:
        """A sentence's template in the language; None where there is none of its own."""
        if sentence.many is None:
            found = self.gettext(sentence.template)
        else:
            found = self.ngettext(sentence.template, sentence.many, int(sentence.values["count"]))
        return None if found in (sentence.template, sentence.many) else found


@cache
def words_in(language: Language) -> Words:
    """The words of a language, its catalog read once."""
    if language is Language.ENGLISH:
        return Words(language, NullTranslations())
    catalog = read_catalog(language)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Words(language, Translations(compiled), _for_scripts(catalog))


ENGLISH = words_in(Language.ENGLISH)


def read_catalog(language: Language) -> Catalog:
    """The catalog as it is kept."""
    with (LOCALE / language.value / "LC_MESSAGES" / "covidct.po").open("rb") as opened:
        return read_po(opened, locale=language.value)


def _for_scripts(catalog: Catalog) -> dict[str, list[str]]:
    found = {}
    for message in catalog:
        if any(place.endswith(".js") for place, _ in message.locations):
            one = message.id if isinstance(message.id, str) else message.id[0]
            forms = message.string or ()
            found[one] = [forms] if isinstance(forms, str) else list(forms)
    return found


def language_of(request: Request) -> Language:
    """What a request asks for with Accept-Language (RFC 9110 12.5.4): English where it says nothing or ``*``.

    Where it names several, the likeliest of those there are, looked up as RFC 4647 3.4 says: ``zh-CN`` finds ``zh``.
    """
    asked = dict(_ranges(",".join(request.headers.getlist("accept-language"))))
    refused = {name for name, quality in asked.items() if quality == 0}
    for name in sorted((name for name, quality in asked.items() if quality > 0), key=lambda name: -asked[name]):
        found = [one for one in Language if name in ("*", one.value) and one.value not in refused]
        if found:
            return found[0]
    return Language.ENGLISH


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    """Language ranges by their first subtag, each with its highest quality; what is malformed is passed over."""
    best: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        text = weight.strip().removeprefix("q=") or "1"
        try:
            quality = float(text)
        except ValueError:
            continue
        primary = name.strip().split("-")[0]
        if primary and 0 <= quality <= 1:
            best[primary] = max(quality, best.get(primary, 0.0))
    yield from best.items()


def asked_words(request: Request) -> Words:
    """The words of the language that a request asks for."""
    return words_in(language_of(request))
