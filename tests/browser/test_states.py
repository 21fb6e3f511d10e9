"""Every state of the page in both themes, at every size."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import listening, looking
from tests.browser.steps import diagnose, drawn, pictures, send, severe
from tests.fakes import FakeClassifier


@pytest.fixture(params=["dark", "light"])
def themed(request: pytest.FixtureRequest, page: Page, address: str) -> Iterator[Page]:
    page.context.add_cookies([{"name": "covidct-theme", "value": request.param, "url": address}])
    yield page
    assert page.locator("html").get_attribute("data-theme") == request.param


def test_form_history_and_comparison_can_be_used_by_everyone(themed: Page, exam_folder: Path) -> None:
    for files in (pictures(exam_folder), pictures(exam_folder)[4:20]):
        diagnose(themed, files)
    themed.goto("/covid")
    expect(themed.locator("#history-list a")).to_have_count(2)
    themed.locator("#files").set_input_files(pictures(exam_folder))
    assert severe(themed) == []
    for pick in themed.locator("#history-list input").all():
        pick.check()
    themed.get_by_role("button", name="Set two side by side").click()
    expect(themed.locator(".where").first).to_contain_text("of")
    assert severe(themed) == []


def test_a_result_in_each_of_its_states_can_be_used_by_everyone(themed: Page, exam_folder: Path) -> None:
    diagnose(themed, pictures(exam_folder))
    drawn(themed)
    themed.locator(".table-all summary").click()
    themed.locator(".delete summary").click()
    themed.locator("#preset").select_option("1")
    themed.locator("#beside").click()
    assert severe(themed) == []
    themed.keyboard.press("?")
    expect(themed.get_by_role("dialog")).to_be_visible()
    assert severe(themed) == []
    themed.keyboard.press("Escape")
    themed.get_by_label("Disagree").check()
    themed.get_by_role("button", name="Keep this").click()
    expect(themed.locator(".said")).to_contain_text("Disagrees")
    assert severe(themed) == []


def test_small_pages_can_be_used_by_everyone(themed: Page, exam_folder: Path, tmp_path: Path) -> None:
    diagnose(themed, pictures(exam_folder)[12:13])
    drawn(themed)
    assert severe(themed) == []
    themed.goto("/covid/nothing")
    assert severe(themed) == []
    (tmp_path / "broken.jpg").write_bytes(b"")
    send(themed, [tmp_path / "broken.jpg"])
    expect(themed.get_by_role("alert")).to_be_visible()
    assert severe(themed) == []
    themed.get_by_role("link", name="refused").click()
    expect(themed.get_by_role("heading", level=1)).to_have_text("A file cannot be read")
    assert severe(themed) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_progress_can_be_used_by_everyone(browser: Browser, tmp_path: Path, exam_folder: Path, theme: str) -> None:
    gate = threading.Event()
    with (
        listening(tmp_path, load=lambda: FakeClassifier(gate=gate)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        page.context.add_cookies([{"name": "covidct-theme", "value": theme, "url": address}])
        send(page, pictures(exam_folder))
        expect(page.locator("#steps .now")).to_have_text("Scoring")
        faults = severe(page)
        page.goto("/covid")
        page.get_by_role("link", name="in progress").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Diagnosis in progress")
        faults += severe(page)
        gate.set()

    assert faults == []


CUT_OFF = """() => [...document.querySelectorAll("main *:not([type=file])")].filter((one) => {
    const { overflowX, clipPath } = getComputedStyle(one);
    return ["hidden", "clip"].includes(overflowX) && clipPath === "none" && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.outerHTML.slice(0, 80))"""


def fits(page: Page) -> bool:
    assert page.evaluate(CUT_OFF) == []
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_at_twice_the_size_all_is_there_and_works(browser: Browser, address: str, exam_folder: Path) -> None:
    context = browser.new_context(base_url=address, viewport={"width": 640, "height": 360}, device_scale_factor=2)
    with looking(context, address) as page:
        page.goto("/covid")
        assert fits(page)
        diagnose(page, pictures(exam_folder))
        drawn(page)
        assert fits(page)
        for tool in page.locator(".tools button:visible, .tools input, .tools select").all():
            tool.scroll_into_view_if_needed()
            expect(tool).to_be_in_viewport()
        page.locator("#zoom-in").click()
        expect(page.locator("#stage")).to_have_attribute("data-zoom", "1.25")
        page.locator("#help-open").click()
        page.get_by_role("button", name="Close").click()


def test_with_letters_of_twice_the_size_nothing_is_cut_off(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    for _ in ("form", "result"):
        page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
        assert fits(page)
        diagnose(page, pictures(exam_folder))
        drawn(page)
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    assert fits(page)


SMALL = """() => [...document.querySelectorAll("button, [role=button], select, summary, .pick, .bar a")]
    .filter((one) => one.checkVisibility() && !one.matches(".link"))
    .filter((one) => { const { width, height } = one.getBoundingClientRect(); return width < 24 || height < 24; })
    .map((one) => one.outerHTML.slice(0, 80))"""


def test_on_a_tablet_nothing_is_too_small_for_a_finger(browser: Browser, address: str, exam_folder: Path) -> None:
    context = browser.new_context(base_url=address, has_touch=True, viewport={"width": 820, "height": 1180})
    with looking(context, address) as page:
        page.goto("/covid")
        assert page.evaluate(SMALL) == []
        diagnose(page, pictures(exam_folder))
        drawn(page)
        assert fits(page)
        assert page.evaluate(SMALL) == []
        page.locator("#beside").tap()
        expect(page.locator("#beside")).to_have_attribute("aria-pressed", "true")
