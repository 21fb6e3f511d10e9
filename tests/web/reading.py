"""What a page says to a reader, and to one who cannot see it."""

import re
from html.parser import HTMLParser

SPOKEN = {"aria-label", "alt", "title", "placeholder"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "rect", "line", "path", "circle"}
NAMES = frozenset(
    {"covidct", "COVID", "CT", "HU", "AUC", "DICOM", "JPEG", "PNG", "ZIP", "NIfTI", "MetaImage", "PACS", "API", "JSON"}
    | {"UTC", "mm", "kB", "MB", "English", "Slice", "Location", "Page", "Up", "Down", "Home", "End", "Shift", "Ctrl"}
    | {"PDF", "Retry", "After", "docs", "api", "model", "v1"}
)
"""Names, units and keys, which no language translates."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent: list[bool] = [False]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        silent = self._silent[-1] or tag in ("script", "style", "code", "kbd") or given.get("lang") == "en"
        if not silent:
            self.said += [value for name, value in attrs if name in SPOKEN and value]
        if tag not in VOID:
            self._silent.append(silent)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent[-1]:
            self.said.append(data)


def english_in(page: str, *, beside: frozenset[str] = frozenset()) -> set[str]:
    """Words of Latin letters that a page says; codes, file names and what is marked as English are left out.

    Args:
        page: HTML.
        beside: what else is a name there.
    """
    reader = _Reader()
    reader.feed(page)
    words = {word for text in reader.said for word in re.findall(r"[A-Za-z][A-Za-z0-9]+", text)}
    return words - NAMES - beside
