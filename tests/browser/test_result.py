"""What stands on the page of a result."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import listening, looking
from tests.browser.steps import caption, change_theme, colors, diagnose, drawn, erase, pictures, severe
from tests.fakes import FakeClassifier, a_manifest, some_measured


def test_slices_are_leafed_through_by_wheel_keys_slider_and_thumbnail(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    expect(page.locator("#curve canvas")).to_be_visible()
    start = caption(page)
    page.locator("#stage").hover()
    page.mouse.wheel(0, 100)
    expect(page.locator("#caption")).not_to_have_text(start)
    page.locator("#stage").focus()
    page.keyboard.press("Home")
    expect(page.locator("#caption")).to_contain_text("Slice 1 of 24")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#caption")).to_contain_text("Slice 2 of 24")
    page.locator("#slider").fill("23")
    expect(page.locator("#caption")).to_contain_text("Slice 24 of 24")
    page.locator(".thumbs a").first.click()
    expect(page.locator("#caption")).to_have_text(start)


def test_the_map_is_hidden_and_shown(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    colored = colors(page)
    page.keyboard.press("o")
    expect(page.locator("#stage")).to_have_attribute("data-map", "false")
    drawn(page)
    gray = colors(page)
    page.locator("#toggle").check()
    expect(page.locator("#stage")).to_have_attribute("data-map", "true")

    assert (colored, gray) == (True, False)


def test_a_click_on_the_curve_goes_to_its_slice(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    over = page.locator("#curve .u-over")
    box = over.bounding_box()
    assert box is not None

    over.click(position={"x": box["width"] - 2, "y": box["height"] / 2})

    expect(page.locator("#caption")).to_contain_text("Slice 24 of 24")


def test_the_curve_shows_where_the_viewer_is_and_what_lies_under_the_mouse(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    page.locator("#stage").focus()
    page.keyboard.press("Home")
    expect(page.locator("#curve")).to_have_attribute("data-here", "0")
    page.locator("#curve .u-over").hover()

    expect(page.locator("#curve-at")).to_have_text(re.compile(r"^1[23]: [\d.]+ %$"))
    expect(page.locator(".curve-legend")).to_contain_text("inconclusive 40.0 % – 60.0 %")


def test_a_reader_disagrees(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    page.get_by_label("Disagree").check()
    page.get_by_label("Comment", exact=True).fill("motion")
    page.reload()  # As after a session that ended meanwhile.
    expect(page.get_by_label("Comment", exact=True)).to_have_value("motion")
    page.get_by_label("Disagree").check()
    page.get_by_role("button", name="Keep this").click()

    expect(page.locator(".said")).to_contain_text("motion")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("")
    assert severe(page) == []


def test_a_comment_of_its_own_is_wanted_before_it_is_sent(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    exam = page.url
    page.get_by_label("Only a comment").check()
    page.get_by_role("button", name="Keep this").click()

    expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    assert page.url == exam
    page.get_by_label("Disagree").check()
    page.get_by_role("button", name="Keep this").click()
    expect(page.locator(".said")).to_contain_text("Disagrees")


def test_a_theme_changes_in_place(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.locator("#stage").press("End")
    curve = "() => document.querySelector('#curve canvas').toDataURL()"
    before = page.evaluate(curve)
    change_theme(page, "Light")

    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("#caption")).to_contain_text("Slice 24 of 24")
    page.wait_for_function(f"(before) => ({curve})() !== before", arg=before)


def test_another_language_shows_the_same_slice(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.locator("#stage").press("End")
    page.get_by_role("button", name="中文").click()

    expect(page.locator("#caption")).to_contain_text("第 24 层，共 24 层")


def test_predictive_values_follow_the_prevalence(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    manifest = a_manifest(measured=some_measured())
    with (
        listening(tmp_path, load=lambda: FakeClassifier(manifest=manifest)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        diagnose(page, pictures(exam_folder))
        expect(page.locator("#positives")).to_have_text("33.3 % (16.3 % – 51.4 %)")
        page.locator("#prevalence").fill("50")
        expect(page.locator("#positives")).to_contain_text("81.8 %")
        page.get_by_role("button", name="中文").click()
        expect(page.locator("#prevalence-value")).to_have_text("50")
        assert severe(page) == []


def test_where_no_call_was_made_none_is_weighed(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    manifest = a_manifest(measured=some_measured())
    with (
        listening(tmp_path, load=lambda: FakeClassifier(peak=0.0, spread=0.0, manifest=manifest)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        diagnose(page, pictures(exam_folder))
        drawn(page)
        expect(page.locator("#worth")).to_contain_text("No call was made")
        expect(page.locator("#prevalence")).to_have_count(0)
        assert severe(page) == []


def test_an_exam_is_deleted(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    place = page.url
    erase(page)
    page.wait_for_url("**/covid")

    page.goto(place)

    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    assert severe(page) == []
