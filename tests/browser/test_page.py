"""The page in a browser."""

import re
import threading
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import listening, looking
from tests.fakes import FakeClassifier, a_manifest, some_measured

VERDICT = "The model finds COVID-19"


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def diagnose(page: Page, files: list[Path]) -> None:
    page.goto("/covid")
    page.locator("#files").set_input_files(files)
    page.get_by_role("button", name="Diagnose this exam").click()
    page.wait_for_url(re.compile("/covid/exams/"))


def caption(page: Page) -> str:
    return page.locator("#caption").inner_text()


def drawn(page: Page) -> None:
    """Wait until the viewer shows its slice."""
    expect(page.locator("#stage[data-drawn]")).to_have_attribute("data-drawn", re.compile(r"\d"))
    # What was asked for last is drawn with the next frame.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(page: Page) -> np.ndarray:
    """What the viewer's canvas shows, int (rows, columns, 4); it is copied, for a canvas that is read is drawn slowly."""
    width, values = page.evaluate("""() => {
        const shown = document.getElementById("pane");
        const copy = Object.assign(document.createElement("canvas"), { width: shown.width, height: shown.height });
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(shown, 0, 0);
        const { data } = context.getImageData(0, 0, copy.width, copy.height);
        let text = "";
        for (let k = 0; k < data.length; k += 8192) text += String.fromCharCode(...data.subarray(k, k + 8192));
        return [copy.width, btoa(text)];
    }""")
    return np.frombuffer(b64decode(values), np.uint8).reshape(-1, width, 4).astype(int)


def colors(page: Page) -> bool:
    """Whether anything drawn is not gray."""
    shown = pixels(page)
    return bool((shown[:, :, 0] - shown[:, :, 2] > 60).any())


def severe(page: Page) -> list[str]:
    """Names of the accessibility faults, whatever their weight."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


def test_an_exam_is_sent_and_its_verdict_read(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))

    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    expect(page.locator(".big")).to_have_text(re.compile(r"\d+ %"))
    expect(page.locator("#curve canvas")).to_be_visible()
    expect(page.locator(".thumbs li").first).to_be_visible()


def test_an_exam_is_sent_and_read_without_javascript(plain_page: Page, exam_folder: Path) -> None:
    diagnose(plain_page, pictures(exam_folder))

    expect(plain_page.get_by_role("heading", level=1)).to_contain_text(VERDICT, timeout=15_000)
    expect(plain_page.locator(".curve-still")).to_be_visible()
    plain_page.get_by_role("link", name="towards the feet").click()
    expect(plain_page.locator("#caption")).to_contain_text("of 24")


def test_a_folder_is_picked(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    page.locator("#folder").set_input_files(exam_folder)

    expect(page.locator("#chosen")).to_contain_text("24 files")
    page.get_by_role("button", name="Diagnose this exam").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)


@pytest.mark.parametrize("name", ["a.jpg", ".a.jpg"])
def test_files_are_dropped(page: Page, exam_folder: Path, name: str) -> None:
    page.goto("/covid")
    content = list(pictures(exam_folder)[12].read_bytes())
    dropped = page.evaluate_handle(
        """([name, bytes]) => { const d = new DataTransfer();
                      d.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" })); return d; }""",
        [name, content],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})

    expect(page.locator("#chosen")).to_contain_text("1 file")
    page.get_by_role("button", name="Diagnose this exam").click()
    expect(page.get_by_text("Judged from a single image")).to_be_visible()


def test_a_hidden_file_that_is_picked_is_sent(page: Page, exam_folder: Path, tmp_path: Path) -> None:
    hidden = tmp_path / ".a.jpg"
    hidden.write_bytes(pictures(exam_folder)[12].read_bytes())
    page.goto("/covid")
    page.locator("#files").set_input_files(hidden)

    expect(page.locator("#chosen")).to_contain_text("1 file")
    expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()


def test_progress_is_seen_and_leads_to_the_result(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    gate = threading.Event()
    with (
        listening(tmp_path, load=lambda: FakeClassifier(gate=gate)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        diagnose(page, pictures(exam_folder))
        expect(page.get_by_role("heading", level=1)).to_have_text("Diagnosis in progress")
        expect(page.locator("#steps .now")).to_have_text("Scoring")
        faults = severe(page)
        gate.set()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)

    assert faults == []


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


def test_a_refused_exam_says_what_to_do(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")

    diagnose(page, [tmp_path / "broken.jpg"])

    expect(page.get_by_role("heading", level=1)).to_have_text("A file cannot be read")
    expect(page.get_by_text("Export the exam again")).to_be_visible()
    assert severe(page) == []


def test_a_lost_connection_is_said(page: Page, exam_folder: Path) -> None:
    page.route("**/api/v1/exams", lambda route: route.abort())
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(exam_folder)[:1])
    page.get_by_role("button", name="Diagnose this exam").click()

    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
    expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()


def test_an_example_is_tried(page: Page) -> None:
    page.goto("/covid")
    page.get_by_role("button", name="Try an example").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT, timeout=20_000)
    expect(page.get_by_text("A synthetic exam, drawn by the service")).to_be_visible()


def test_a_reader_disagrees(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    page.get_by_label("Disagree").check()
    page.get_by_label("Comment", exact=True).fill("motion")
    page.get_by_role("button", name="Keep this").click()

    expect(page.locator(".said")).to_contain_text("motion")
    assert severe(page) == []


def test_predictive_values_follow_the_prevalence(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    manifest = a_manifest(measured=some_measured())
    with (
        listening(tmp_path, load=lambda: FakeClassifier(manifest=manifest)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        diagnose(page, pictures(exam_folder))
        expect(page.locator("#positives")).to_have_text("33 % (16 % – 51 %)")
        page.locator("#prevalence").fill("50")
        expect(page.locator("#positives")).to_contain_text("82 %")
        assert severe(page) == []


def test_a_report_is_printed_on_two_pages_at_most(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.locator(".thumbs img").last.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")

    printed = page.pdf(format="A4")

    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
    page.emulate_media(media="print")
    expect(page.locator(".bar-notice")).to_be_visible()
    expect(page.locator(".thumbs img").first).to_be_visible()
    expect(page.locator("#viewer")).to_be_hidden()


def test_the_light_theme_is_chosen_kept_and_readable(page: Page, exam_folder: Path, tmp_path: Path) -> None:
    page.goto("/covid")
    page.get_by_role("button", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert severe(page) == []
    diagnose(page, pictures(exam_folder))
    drawn(page)
    page.locator("details summary").click()
    assert severe(page) == []
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    (tmp_path / "broken.jpg").write_bytes(b"")
    page.get_by_role("button", name="Light").click()
    diagnose(page, [tmp_path / "broken.jpg"])
    expect(page.get_by_role("heading", level=1)).to_have_text("A file cannot be read")
    assert severe(page) == []


def test_the_browser_knows_its_exams_by_their_ids_alone(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    expect(page.locator("#history")).to_be_hidden()
    diagnose(page, pictures(exam_folder))
    drawn(page)
    place = page.url

    page.goto("/covid")
    expect(page.locator("#history-list a")).to_have_text(re.compile(r"COVID-19 found, \d+ %"))
    assert severe(page) == []
    assert page.evaluate("() => Object.values(localStorage)") == [f'["{place.rsplit("/", 1)[1]}"]']
    page.locator("#history-list a").click()
    page.get_by_role("button", name="Delete this exam").click()
    page.wait_for_url("**/covid")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#history")).to_be_hidden()


def test_two_exams_are_set_side_by_side(page: Page, exam_folder: Path) -> None:
    for files in (pictures(exam_folder), pictures(exam_folder)[4:20]):
        diagnose(page, files)
        drawn(page)
    page.goto("/covid")
    picks = page.locator("#history-list input")
    picks.nth(1).check()
    picks.nth(0).check()
    page.get_by_role("button", name="Set two side by side").click()

    where = page.locator(".where")
    expect(where.nth(0)).to_contain_text("of 24")
    expect(where.nth(1)).to_contain_text("of 16")
    expect(page.locator("#change")).to_have_text(re.compile(r"[+-]\d+ points"))
    page.locator("#both").focus()
    page.keyboard.press("Home")
    before = where.all_inner_texts()
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 100)
    expect(where.nth(0)).not_to_have_text(before[0])
    page.keyboard.press("o")
    expect(page.locator("#maps")).not_to_be_checked()
    assert severe(page) == []


def test_an_exam_is_deleted(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    place = page.url
    page.get_by_role("button", name="Delete this exam").click()
    page.wait_for_url("**/covid")

    page.goto(place)

    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    assert severe(page) == []


def test_the_result_can_be_used_by_everyone(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    expect(page.locator("#curve canvas")).to_be_visible()
    page.locator("details summary").click()

    assert severe(page) == []


def test_the_form_can_be_used_by_everyone(page: Page) -> None:
    page.goto("/covid")

    assert severe(page) == []


def test_the_documentation_needs_no_other_host(page: Page) -> None:
    page.goto("/docs")

    expect(page.locator(".opblock").first).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (768, 1024), (390, 800)])
def test_nothing_is_cut_off_at_the_side(page: Page, exam_folder: Path, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for _ in ("form", "result"):
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        diagnose(page, pictures(exam_folder))
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_page_is_light_to_fetch(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))
    page.reload()
    expect(page.locator("#curve canvas")).to_be_visible()

    fetched = page.evaluate(
        """[...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
           .filter(one => !/\\/slices\\/\\d+\\/|\\/maps$/.test(one.name)).map(one => one.decodedBodySize)"""
    )

    assert 100_000 < sum(fetched) < 300_000
