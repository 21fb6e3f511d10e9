"""What the page asks for, keeps and weighs."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread

from tests.browser.conftest import looking
from tests.browser.steps import diagnose, drawn, pictures


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("document.body.setAttribute('style', 'color: red')", "policy violated: style-src-attr"),
        ("console.error('a fault')", "a fault"),
        ("fetch('https://elsewhere.invalid/').catch(() => {})", "policy violated: connect-src"),
    ],
)
def test_a_page_that_misbehaves_is_noticed(browser: Browser, address: str, fault: str, said: str) -> None:
    def misbehave() -> None:
        with looking(browser.new_context(base_url=address), address) as page:
            page.goto("/covid")
            page.evaluate(f"() => {{ {fault}; return new Promise((done) => setTimeout(done)); }}")

    with pytest.raises(AssertionError, match=said):
        misbehave()


SECRETS = ("Weiss", "Alfons", "PID-4711", "19530712", "Befund", "Krank")


def test_nothing_about_the_patient_is_in_address_title_page_or_storage(
    page: Page, scan_folder: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(pictures(scan_folder)):
        data_set = dcmread(path)
        data_set.PatientName, data_set.PatientID, data_set.PatientBirthDate = "Weiss^Alfons", "PID-4711", "19530712"
        data_set.save_as(tmp_path / f"Befund Krank {number}.dcm")
    diagnose(page, sorted(tmp_path.glob("*.dcm")))
    drawn(page)

    for place in (page.url, "/covid"):
        page.goto(place)
        page.wait_for_load_state("networkidle")
        kept = page.evaluate(KEPT)
        assert [word for word in SECRETS if word in f"{page.url} {page.title()} {page.content()} {kept}"] == []
    assert {cookie["name"] for cookie in page.context.cookies()} <= {"covidct-theme", "covidct-language"}


KEPT = """async () => JSON.stringify([
    { ...localStorage }, { ...sessionStorage }, document.cookie, history.state, window.name,
    await indexedDB.databases(), await caches.keys(), performance.getEntriesByType("resource").map((one) => one.name),
])"""


def test_the_documentation_needs_no_other_host(page: Page) -> None:
    page.goto("/docs")

    expect(page.locator(".opblock").first).to_be_visible()


def test_the_page_is_light_to_fetch(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    page.reload()
    expect(page.locator("#curve canvas")).to_be_visible()

    fetched = page.evaluate(
        """[...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
           .filter(one => !/\\/slices\\/\\d+\\/|\\/maps$/.test(one.name)).map(one => one.decodedBodySize)"""
    )

    assert 100_000 < sum(fetched) < 300_000
