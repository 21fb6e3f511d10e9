"""The page for every reader: both themes, any width, without JavaScript."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import VERDICT, change_theme, diagnose, drawn, erase, pictures, send, severe


def test_an_exam_is_sent_and_read_without_javascript(plain_page: Page, exam_folder: Path) -> None:
    diagnose(plain_page, pictures(exam_folder))

    expect(plain_page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    expect(plain_page.locator(".curve-still")).to_be_visible()
    plain_page.get_by_role("link", name="towards the last slice").click()
    expect(plain_page.locator("#caption")).to_contain_text("of 24")


def test_an_exam_is_reviewed_and_deleted_without_javascript(plain_page: Page, exam_folder: Path) -> None:
    diagnose(plain_page, pictures(exam_folder))
    exam = plain_page.url
    plain_page.get_by_role("radio", name="Disagree").check()
    plain_page.get_by_label("Comment", exact=True).fill("Only breathing artifacts.")
    plain_page.get_by_role("button", name="Keep this").click()
    expect(plain_page.locator(".said")).to_contain_text("Only breathing artifacts.")

    erase(plain_page)
    expect(plain_page.get_by_role("button", name="Diagnose this exam")).to_be_visible()
    answer = plain_page.goto(exam)
    assert answer is not None
    assert answer.status == 404


def test_the_light_theme_is_chosen_kept_and_readable(page: Page, exam_folder: Path, tmp_path: Path) -> None:
    page.goto("/covid")
    change_theme(page, "Light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert severe(page) == []
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.locator(".table-all summary").click()
    assert severe(page) == []
    change_theme(page, "Dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    (tmp_path / "broken.jpg").write_bytes(b"")
    change_theme(page, "Light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    send(page, [tmp_path / "broken.jpg"])
    expect(page.get_by_role("alert")).to_contain_text("A file cannot be read")
    assert severe(page) == []
    page.get_by_role("link", name="refused").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A file cannot be read")
    assert severe(page) == []


def test_the_result_can_be_used_by_everyone(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    expect(page.locator("#curve canvas")).to_be_visible()
    page.locator(".table-all summary").click()

    assert severe(page) == []


def test_the_form_can_be_used_by_everyone(page: Page) -> None:
    page.goto("/covid")

    assert severe(page) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (768, 1024), (390, 800)])
def test_nothing_is_cut_off_at_the_side(page: Page, exam_folder: Path, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/covid")
    for _ in ("form", "result"):
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        diagnose(page, pictures(exam_folder))
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    words = page.locator(".verdict-words").bounding_box()
    assert words is not None
    assert words["width"] > 250
