"""The report on paper and as a file."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.ct.manifest import read_manifest
from app.settings import Settings, model_folder
from tests.browser.conftest import listening, looking
from tests.browser.steps import diagnose, drawn, pictures
from tests.fakes import FakeClassifier

LIGHTNESS = """(selector) => {
    const { backgroundColor, color } = getComputedStyle(document.querySelector(selector));
    return [backgroundColor, color].map((one) => one.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3);
}"""


def test_a_report_is_printed_on_two_pages_at_most(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    # With the words and figures of the model that is served, which are longer than a fake's.
    manifest = read_manifest(model_folder(Settings()))
    with (
        listening(tmp_path, load=lambda: FakeClassifier(manifest=manifest)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        diagnose(page, pictures(exam_folder))
        drawn(page)
        page.get_by_role("radio", name="Agree", exact=True).check()
        page.get_by_label("Comment", exact=True).fill("Read with a colleague.")
        page.get_by_role("button", name="Keep this").click()
        expect(page.locator(".said")).to_be_visible()
        page.wait_for_load_state("networkidle")
        printed = page.pdf(format="A4")

    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_what_is_printed_is_dark_on_light_and_says_all(page: Page, address: str, exam_folder: Path, theme: str) -> None:
    page.context.add_cookies([{"name": "covidct-theme", "value": theme, "url": address}])
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.emulate_media(media="print")

    for place in ("html", ".verdict"):
        paper, ink = page.evaluate(LIGHTNESS, place)
        assert (paper > 240, ink < 60) == (True, True), place
    for told in (".bar-notice", "#verdict", ".big", ".curve-still", "#model-title", "#input-title", ".foot"):
        expect(page.locator(told)).to_be_visible()
    expect(page.locator(".thumb-pair").first.locator("img")).to_have_count(2)
    for screen in ("#viewer", "#print", ".reviews form", ".curve canvas", "#service"):
        expect(page.locator(screen)).to_be_hidden()


def test_the_report_is_kept_as_a_file_named_by_its_exam(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()

    report = json.loads(Path(download.value.path()).read_text())
    assert download.value.suggested_filename == f"covidct-{report['id'][:8]}.json"
    assert report["notice"].startswith("Research use only")
