"""What scripts say goes through the catalog: a sentence written into a script in passing fails here."""

import re

import pytest

from app.web.templating import STATIC
from tests.web.test_catalogs import LANGUAGES, read_catalog

SCRIPTS = sorted((STATIC / "js").rglob("*.js"))
CALL = re.compile(r"""\b(?:sentence|counted)\(\s*("(?:[^"\\]|\\.)*")(?:,\s*("(?:[^"\\]|\\.)*"))?""")
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)
TEXT = re.compile(r"""(["`])((?:(?!\1)[^\\\n]|\\.)*)\1""")
WORDS = re.compile(r"(?<![\w./#\[-])[A-Za-z]+ [a-z]{2,}")
NO_WORDS = re.compile(r"system-ui|^12px|querySelector|^a\[|^input|input:not")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_says_anything_that_is_not_in_the_catalog(script) -> None:
    source = COMMENT.sub("", script.read_text(encoding="utf-8"))
    rest = CALL.sub("", source)

    said = [text for _, text in TEXT.findall(rest) if WORDS.search(text) and not NO_WORDS.search(text)]

    assert said == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_call_of_a_script_is_known_to_the_catalog(language) -> None:
    known = {
        text
        for message in read_catalog(language)
        for text in ([message.id] if isinstance(message.id, str) else message.id)
    }
    called = {
        text[1:-1].replace('\\"', '"')
        for script in SCRIPTS
        for found in CALL.findall(script.read_text(encoding="utf-8"))
        for text in found
        if text
    }

    assert len(called) > 20
    assert called - known == set()
