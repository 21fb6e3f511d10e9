"""Every sentence that readers are shown has a translation: what is added without one fails here."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from app.web.languages import LOCALE, Language, read_catalog

ROOT = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"%\((\w+)\)s|\{(\w+)(?::[^}]*)?\}")
LANGUAGES = [language for language in Language if language is not Language.ENGLISH]


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What stands in templates, scripts and Python now, by the settings of `make words`."""
    found = tmp_path_factory.mktemp("words") / "covidct.pot"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        CommandLineInterface().run(["pybabel", "--quiet", "extract", "-o", str(found)])
    with found.open("rb") as opened:
        return read_po(opened)


def messages(catalog: Catalog) -> dict[str | tuple[str, ...], Message]:
    return {
        message.id if isinstance(message.id, str) else tuple(message.id): message for message in catalog if message.id
    }


def forms(texts: str | tuple[str, ...] | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def placeholders(text: str) -> set[str]:
    return {one or other for one, other in PLACEHOLDER.findall(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalog_holds_what_is_said_and_nothing_else(extracted: Catalog, language: Language) -> None:
    catalog = read_catalog(language)

    assert set(messages(extracted)) - set(messages(catalog)) == set(), "run `make words` and translate what is new"
    assert set(messages(catalog)) - set(messages(extracted)) == set(), "run `make words`"
    assert list(catalog.obsolete) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated_for_certain(language: Language) -> None:
    found = messages(read_catalog(language))

    assert len(found) > 100
    assert [key for key, message in found.items() if message.fuzzy or not all(forms(message.string or ""))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_filled_with_the_same_values(language: Language) -> None:
    for key, message in messages(read_catalog(language)).items():
        wanted = placeholders(forms(key)[-1])
        assert all(placeholders(form) == wanted for form in forms(message.string)), key


def test_every_folder_of_a_catalog_is_a_language() -> None:
    assert {folder.name for folder in LOCALE.iterdir()} == set(LANGUAGES)
