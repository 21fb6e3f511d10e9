"""What the page asks for, keeps and weighs."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import looking
from tests.browser.steps import diagnose, pictures


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
