"""The report on paper and as a file."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import diagnose, drawn, pictures

LIGHTNESS = """(selector) => {
    const { backgroundColor, color } = getComputedStyle(document.querySelector(selector));
    return [backgroundColor, color].map((one) => one.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3);
}"""


def test_a_report_is_printed_on_two_pages_at_most(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
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
