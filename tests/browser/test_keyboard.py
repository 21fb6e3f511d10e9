"""The whole way by keyboard alone."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.steps import caption, colors, drawn, pictures, stage

FOCUS = """() => { const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
    const framed = document.activeElement.closest(".pick, .stage, label") ?? document.activeElement;
    const frame = getComputedStyle(framed);
    return [outlineStyle, frame.outlineStyle].some((one) => one !== "none") || boxShadow !== "none"; }"""


def tab_to(page: Page, selector: str, *, key: str = "Tab") -> None:
    """Go on with Tab until the element has the focus, which must be seen."""
    for _ in range(120):
        page.keyboard.press(key)
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            assert page.evaluate(FOCUS), f"no sign of the focus on {selector}"
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def diagnose_by_keyboard(page: Page, files: list[Path]) -> None:
    page.goto("/covid")
    tab_to(page, "#files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(files)
    expect(page.locator("#chosen")).to_contain_text(f"{len(files)} files")
    tab_to(page, "#send")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/covid/exams/"))
    drawn(page)


def read_by_keyboard(page: Page) -> None:
    """Slices, window, map and findings of the result."""
    tab_to(page, "#stage")
    page.keyboard.press("Home")
    assert "Slice 1 of" in caption(page)
    page.keyboard.press("n")
    assert "Slice 1 of" not in caption(page)
    page.keyboard.press("o")
    drawn(page)
    assert not colors(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    tab_to(page, "#center")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#stage")).to_have_attribute("data-window", "-590/1500")
    tab_to(page, ".thumbs a")
    page.keyboard.press("Enter")
    assert stage(page, "slice") == page.evaluate("document.activeElement.dataset.slice")


def test_everything_is_done_by_keyboard_alone(page: Page, scan_folder: Path) -> None:
    diagnose_by_keyboard(page, pictures(scan_folder)[4:20])
    diagnose_by_keyboard(page, pictures(scan_folder))
    read_by_keyboard(page)
    page.evaluate("() => { window.print = () => { document.body.dataset.printed = 'yes'; }; }")
    tab_to(page, "#print")
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-printed", "yes")
    tab_to(page, "[name=opinion]")
    page.keyboard.press("ArrowDown")
    tab_to(page, "#comment")
    page.keyboard.type("motion")
    tab_to(page, ".reviews button")
    page.keyboard.press("Enter")
    expect(page.locator(".said")).to_contain_text("Disagrees")
    compare_by_keyboard(page)
    page.goto("/covid")
    tab_to(page, "#history-list a")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/covid/exams/"))
    drawn(page)
    tab_to(page, ".delete summary")
    page.keyboard.press("Enter")
    tab_to(page, "form[action$=delete] button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/covid")
    expect(page.locator("#history-list a")).to_have_count(1)


def compare_by_keyboard(page: Page) -> None:
    page.goto("/covid")
    expect(page.locator("#history-list a")).to_have_count(2)
    tab_to(page, "#history-list li:nth-child(1) input")
    page.keyboard.press("Space")
    tab_to(page, "#history-list li:nth-child(2) input")
    page.keyboard.press("Space")
    tab_to(page, "#history-beside")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/covid/compare"))
    # Keys are listened to only from then on.
    expect(page.locator("#height")).to_be_visible()
    tab_to(page, "#both")
    page.keyboard.press("Home")
    expect(page.locator(".where").first).not_to_contain_text("slice 12 of 24")


def test_the_first_stop_leads_past_the_head_of_the_page(page: Page) -> None:
    page.goto("/covid")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()


def test_the_focus_is_never_lost_while_an_exam_is_sent(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    page.goto("/covid")
    page.locator("#files").set_input_files(tmp_path / "broken.jpg")
    tab_to(page, "#send")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("A file cannot be read")

    expect(page.locator("#send")).to_be_focused()
