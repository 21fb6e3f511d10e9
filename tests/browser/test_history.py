"""The exams of a browser, and two of them side by side."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.steps import diagnose, drawn, erase, pictures, severe


def test_the_browser_knows_its_exams_by_their_ids_alone(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    expect(page.locator("#history")).to_be_hidden()
    diagnose(page, pictures(exam_folder))
    drawn(page)
    place = page.url

    page.goto("/covid")
    expect(page.locator("#history-list a")).to_have_text(re.compile(r"Model: COVID-19, [><]? ?[\d.]+ %"))
    named = re.compile(r"^Set beside another: Model: COVID-19, [\d.]+ % · .*\d\d:\d\d")
    expect(page.locator("#history-list input")).to_have_attribute("aria-label", named)
    assert severe(page) == []
    assert page.evaluate("() => Object.values(localStorage)") == [f'["{place.rsplit("/", 1)[1]}"]']
    page.locator("#history-list a").click()
    erase(page)
    page.wait_for_url("**/covid")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#history")).to_be_hidden()


def test_an_example_is_marked_in_the_list(page: Page) -> None:
    page.goto("/covid")
    page.get_by_role("button", name="Try an example").click()
    expect(page.locator("#exam")).to_be_attached()
    page.goto("/covid")

    expect(page.locator("#history-list .when")).to_contain_text("synthetic example")


def test_an_exam_sent_while_the_list_comes_stays_in_it(page: Page) -> None:
    page.goto("/covid")

    ids = page.evaluate(
        """async () => {
        const { remember, showHistory } = await import("/static/js/history.js");
        remember("a".repeat(32));
        const listed = showHistory();
        remember("b".repeat(32));
        await listed;
        return JSON.parse(localStorage.getItem("covidct-exams"));
    }"""
    )

    assert ids == ["b" * 32]


def first_number(page: Page) -> int:
    """Of the slice of the first exam."""
    found = re.search(r"\d+", page.locator(".where").nth(0).inner_text())
    assert found is not None
    return int(found[0])


def test_two_exams_are_set_side_by_side(page: Page, exam_folder: Path) -> None:
    for files in (pictures(exam_folder), pictures(exam_folder)[4:20]):
        diagnose(page, files)
        drawn(page)
    page.goto("/covid")
    picks = page.locator("#history-list input")
    picks.nth(1).check()
    picks.nth(0).check()
    page.get_by_role("button", name="Set two side by side").click()

    # Keys are listened to only from then on.
    expect(page.locator("#height")).to_be_visible()
    where = page.locator(".where")
    expect(where.nth(0)).to_contain_text("of 24")
    expect(where.nth(1)).to_contain_text("of 16")
    expect(page.locator("#change")).to_have_text(re.compile(r"[+−]\d+\.\d points"))
    page.locator("#both").focus()
    seen = [first_number(page)]
    for _ in range(4):
        page.keyboard.press("ArrowDown")
        seen.append(first_number(page))
    assert seen == list(range(seen[0], seen[0] + 5))
    page.keyboard.press("Home")
    expect(where).to_contain_text(["slice 1 of 24", "slice 1 of 16"])
    page.keyboard.press("End")
    expect(where).to_contain_text(["slice 24 of 24", "slice 16 of 16"])
    last = where.all_inner_texts()
    page.mouse.move(600, 500)
    page.mouse.wheel(0, -10)
    assert where.all_inner_texts() == last
    for _ in range(7):
        page.mouse.wheel(0, -10)
    expect(where).not_to_have_text(last)
    page.locator("#both").evaluate(
        """(both) => {
        both.setPointerCapture = () => {};
        const send = (name, y) => both.dispatchEvent(new PointerEvent(name, {
          pointerId: 7, pointerType: "touch", clientX: 300, clientY: y, bubbles: true, button: 0 }));
        send("pointerdown", 300);
        send("pointermove", 400);
        send("pointerup", 400);
    }"""
    )
    expect(where).to_contain_text(["slice 24 of 24", "slice 16 of 16"])
    page.keyboard.press("o")
    expect(page.locator("#maps")).not_to_be_checked()
    assert severe(page) == []


def test_the_key_of_the_maps_works_wherever_one_is_unless_letters_are_off(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    exam = page.url.rsplit("/", 1)[1]
    page.goto(f"/covid/compare?first={exam}&second={exam}")
    expect(page.locator("#height")).to_be_visible()
    for place in ("#main", "#maps", "#height", "#both"):
        before = page.locator("#maps").is_checked()
        page.locator(place).press("o")
        expect(page.locator("#maps")).to_be_checked(checked=not before)
    page.evaluate("() => localStorage.setItem('covidct-letters', 'off')")
    page.locator("#both").press("o")

    expect(page.locator("#maps")).to_be_checked()
