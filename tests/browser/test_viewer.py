"""The slice viewer in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.steps import colors, diagnose, drawn, pictures, pixels, severe, stage

SLICES = 24


@pytest.fixture
def read(page: Page, scan_folder: Path) -> Iterator[Page]:
    """The result of the DICOM exam, its viewer drawn."""
    diagnose(page, pictures(scan_folder))
    drawn(page)
    page.locator("#stage").focus()
    yield page
    assert severe(page) == []


def mean_gray(page: Page, *, side: float = 1.0) -> float:
    """Of what is drawn, 0 to 255: of its middle, as wide as that share of it."""
    reds = pixels(page)[:, :, 0]
    rows, columns = (slice(round(n * (0.5 - side / 2)), round(n * (0.5 + side / 2))) for n in reds.shape)
    return float(reds[rows, columns].mean())


def test_a_drag_changes_the_window_and_what_is_seen(read: Page) -> None:
    before = mean_gray(read)
    box = read.locator("#stage").bounding_box()
    assert box is not None
    read.mouse.move(box["x"] + 200, box["y"] + 100)
    read.mouse.down()
    read.mouse.move(box["x"] + 200, box["y"] + 220, steps=4)
    read.mouse.up()

    expect(read.locator("#stage")).to_have_attribute("data-window", "-120/1500")
    expect(read.locator("#from-picture")).to_be_hidden()
    read.wait_for_load_state("networkidle")
    drawn(read)
    assert mean_gray(read) < before - 5


def test_while_a_window_is_fetched_no_other_one_is_shown_for_it(read: Page) -> None:
    held: list[Route] = []
    letting = False
    # Never unrouted: what is on its way while interception ends was lost once.
    read.route("**/pixels", lambda route: route.continue_() if letting else held.append(route))
    with read.expect_request("**/pixels"):
        read.keyboard.press("1")
    for _ in range(9):
        read.keyboard.press("ArrowDown")
    expect(read.locator("#stage")).to_have_attribute("data-window", "40/400")
    expect(read.locator("#stage")).to_have_attribute("data-drawn", "")
    # Who scrolls on does not wait behind all that was passed.
    assert 1 <= len(held) <= 4
    letting = True
    for route in held:
        route.continue_()

    drawn(read)
    assert stage(read, "drawn") == stage(read, "slice")
    expect(read.locator("#from-picture")).to_be_hidden()


def test_presets_are_chosen_by_key_by_list_and_by_number(read: Page) -> None:
    read.keyboard.press("1")
    expect(read.locator("#stage")).to_have_attribute("data-window", "40/400")
    expect(read.locator("#preset")).to_have_value("1")
    read.locator("#preset").select_option("4")
    expect(read.locator("#stage")).to_have_attribute("data-window", "480/2500")
    read.locator("#center").fill("-500")
    read.locator("#center").blur()
    expect(read.locator("#stage")).to_have_attribute("data-window", "-500/2500")
    expect(read.locator("#preset")).to_have_value("")


def test_a_picture_says_that_its_window_is_lost(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.locator("#preset").select_option("1")

    expect(page.locator("#from-picture")).to_be_visible()
    expect(page.locator(".side-r")).to_have_count(0)


def test_zoom_pan_and_fit(read: Page) -> None:
    read.keyboard.press("+")
    assert stage(read, "zoom") == "1.25"
    read.locator("#stage").hover()
    read.keyboard.down("Control")
    read.mouse.wheel(0, -300)
    read.keyboard.up("Control")
    assert float(stage(read, "zoom")) > 2
    at = stage(read, "slice")
    read.keyboard.press("Shift+ArrowLeft")
    assert stage(read, "slice") == at
    read.keyboard.press("f")
    assert stage(read, "zoom") == "1.00"


def test_inverted_is_bright_where_it_was_dark(read: Page) -> None:
    read.keyboard.press("o")
    drawn(read)
    before = mean_gray(read, side=0.1)
    read.keyboard.press("i")

    expect(read.locator("#invert")).to_have_attribute("aria-pressed", "true")
    drawn(read)
    assert mean_gray(read, side=0.1) == pytest.approx(255 - before, abs=3)


def test_the_map_fades_and_has_a_threshold(read: Page) -> None:
    read.keyboard.press("]")
    expect(read.locator("#opacity")).to_have_value("75")
    read.keyboard.press("[")
    read.keyboard.press("[")
    expect(read.locator("#opacity")).to_have_value("55")
    assert colors(read)
    read.locator("#threshold").fill("100")
    drawn(read)
    assert not colors(read)


def test_findings_are_gone_through(read: Page) -> None:
    read.keyboard.press("Home")
    found = []
    for _ in range(3):
        read.keyboard.press("n")
        found.append(int(stage(read, "slice")))
    read.keyboard.press("p")

    assert found == sorted(set(found))
    assert int(stage(read, "slice")) == found[1]
    read.locator("#next-finding").click()
    assert int(stage(read, "slice")) == found[2]


def test_cine_runs_and_stops(read: Page) -> None:
    read.keyboard.press("Home")
    read.keyboard.press(" ")
    read.wait_for_function("() => Number(document.getElementById('stage').dataset.slice) > 3")
    expect(read.locator("#caption")).to_have_attribute("aria-live", "off")
    read.locator("#cine").click()
    expect(read.locator("#caption")).to_have_attribute("aria-live", "polite")
    expect(read.locator("#cine")).to_have_attribute("aria-pressed", "false")


def test_plain_and_map_stand_side_by_side(read: Page) -> None:
    read.keyboard.press("s")

    expect(read.locator("#beside")).to_have_attribute("aria-pressed", "true")
    left, right = (read.locator(name).bounding_box() for name in ("#pane-plain", "#pane"))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"] + 1


@pytest.mark.parametrize("act", ["", "1", "+", "i", "s", "Shift+ArrowLeft"])
def test_the_notice_is_on_every_picture_that_can_be_saved(read: Page, act: str) -> None:
    if act:
        read.keyboard.press(act)
        read.wait_for_load_state("networkidle")
    drawn(read)

    strip = pixels(read)[-18:, :, 0]
    letters = strip[:, np.flatnonzero(strip.max(axis=0) > 200)]
    assert letters.shape[1] > 60
    assert (strip.min(axis=0) < 60)[: strip.shape[1] // 3].any()


def test_the_notice_of_a_picture_is_covered_in_another_window(page: Page, exam_folder: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.keyboard.press("4")
    drawn(page)

    # The picture's own notice begins above the line that is written over it.
    assert pixels(page)[-36:-18, :400, 0].max() < 60


def test_the_notice_and_the_scale_do_not_meet_side_by_side(read: Page) -> None:
    read.keyboard.press("s")
    drawn(read)

    shown = pixels(read)[:, :, 0]
    scale = (shown[-60:, -30:-14] > 240).all(axis=1)
    assert 1 <= scale.sum() <= 8
    assert not scale[-18:].any()


def test_the_help_names_the_keys(read: Page) -> None:
    read.keyboard.press("?")
    expect(read.get_by_role("dialog", name="Keys and gestures")).to_be_visible()
    expect(read.get_by_role("button", name="Close")).to_be_focused()
    assert severe(read) == []
    read.keyboard.press("Escape")
    expect(read.locator("#help")).to_be_hidden()


def test_letters_can_be_turned_off_as_keys(read: Page) -> None:
    read.get_by_role("button", name="Keys").click()
    read.get_by_label("Letters, digits and signs are keys").uncheck()
    read.get_by_role("button", name="Close").click()
    before = stage(read, "slice")
    for key in ("n", "p", "?"):
        read.keyboard.press(key)
    read.reload()
    drawn(read)
    read.keyboard.press("?")

    expect(read.locator("#help")).to_be_hidden()
    assert stage(read, "slice") == before
    read.locator("#stage").press("ArrowDown")
    expect(read.locator("#stage")).not_to_have_attribute("data-slice", before)
    read.locator("#help-open").click()
    read.locator("#letters").check()
    read.get_by_role("button", name="Close").click()
    read.keyboard.press("?")
    expect(read.locator("#help")).to_be_visible()


def test_all_pictures_come_by_themselves(read: Page) -> None:
    expect(read.locator("#arrived")).to_have_text("")
    asked = read.evaluate("() => performance.getEntriesByType('resource').map((e) => e.name)")
    assert sum(bool(re.search(r"/slices/\d+/image.jpg$", name)) for name in asked) == SLICES


def test_fingers_leaf_and_pinch(browser: Browser, address: str, scan_folder: Path) -> None:
    context = browser.new_context(base_url=address, has_touch=True, viewport={"width": 820, "height": 1180})
    page = context.new_page()
    diagnose(page, pictures(scan_folder))
    drawn(page)
    start = int(stage(page, "slice"))
    touch(page, [[(100, 200)], [(100, 224)], [(100, 248)]])
    assert int(stage(page, "slice")) == min(SLICES - 1, start + 4)
    touch(page, [[(100, 200), (140, 200)], [(60, 200), (180, 200)]])
    assert float(stage(page, "zoom")) > 2
    context.close()


def test_without_what_draws_the_curve_the_page_stays_as_it_was_served(page: Page, exam_folder: Path) -> None:
    page.route("**/uPlot.iife.min.js", lambda route: route.abort())
    diagnose(page, pictures(exam_folder))

    expect(page.locator("#plain")).to_be_visible()
    expect(page.locator("#pane")).to_be_hidden()


def test_a_limit_of_the_window_that_is_not_given_changes_nothing(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    before = stage(page, "window")
    page.locator("#width").fill("")
    page.locator("#width").press("Enter")

    expect(page.locator("#width")).to_have_value(before.split("/")[1])
    assert stage(page, "window") == before


def test_of_thousands_of_maps_some_are_kept_enlarged(page: Page) -> None:
    page.goto("/covid")

    kept = page.evaluate(
        """async () => {
        const { Maps } = await import("/static/js/viewer/heat.js");
        const heat = btoa("\\0\\0\\0\\0");
        const one = { box: [0, 0, 8, 8], rows: 2, columns: 2, heat };
        const maps = new Maps(Array.from({ length: 99 }, (_, slice) => ({ ...one, slice })));
        for (let slice = 0; slice < 99; slice += 1) maps.draw(slice, 0.65, 0);
        return Math.max(maps.enlarged.size, maps.drawn.size);
    }"""
    )

    assert kept <= 40


def touch(page: Page, places: list[list[tuple[int, int]]]) -> None:
    """Fingers on the stage, from place to place."""
    page.evaluate(
        """(places) => {
        const stage = document.getElementById("stage");
        const { left, top } = stage.getBoundingClientRect();
        stage.setPointerCapture = () => {};
        const send = (name, finger, [x, y]) => stage.dispatchEvent(new PointerEvent(name, {
          pointerId: finger + 7, pointerType: "touch", clientX: left + x, clientY: top + y, bubbles: true, button: 0 }));
        places[0].forEach((place, finger) => send("pointerdown", finger, place));
        for (const step of places.slice(1)) step.forEach((place, finger) => send("pointermove", finger, place));
        places[0].forEach((place, finger) => send("pointerup", finger, place));
    }""",
        places,
    )
