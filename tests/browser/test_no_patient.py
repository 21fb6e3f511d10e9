"""What the browser is given and keeps of an exam holds nothing of the patient."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.steps import diagnose, drawn
from tests.canaries import dicom, hits

KEPT = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, document.title, location.href])"
LOADED = "performance.getEntriesByType('resource').map((entry) => entry.name)"


def test_the_page_of_an_exam_shows_loads_and_keeps_nothing_of_a_patient(page: Page, tmp_path: Path) -> None:
    chosen = [tmp_path / f"CANARY NAME {k}.dcm" for k in range(6)]
    for path, content in zip(chosen, dicom(), strict=True):
        path.write_bytes(content)
    diagnose(page, chosen)
    drawn(page)
    expect(page.locator(".thumbs img").first).to_be_visible()

    urls = [url for url in page.evaluate(LOADED) if not url.endswith("/events")]
    loaded = {url: page.request.get(url).body() for url in urls}
    places = {"page": page.content().encode(), "kept": str(page.evaluate(KEPT)).encode(), **loaded}
    assert any("/slices/" in url for url in places)
    assert hits(places) == []
