"""Sending an exam from the form."""

import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.browser.conftest import listening, looking
from tests.browser.steps import VERDICT, change_theme, diagnose, pictures, send, severe
from tests.fakes import FakeClassifier


def test_an_exam_is_sent_and_its_verdict_read(page: Page, exam_folder: Path) -> None:
    diagnose(page, pictures(exam_folder))

    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    expect(page.locator(".big")).to_have_text(re.compile(r"\d %"))
    expect(page.locator("#curve canvas")).to_be_visible()
    expect(page.locator(".thumbs li").first).to_be_visible()


def test_a_folder_is_picked(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    page.locator("#folder").set_input_files(exam_folder)

    expect(page.locator("#chosen")).to_contain_text(re.compile(r"24 files, .* kB: 24 pictures"))
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


def test_progress_is_seen_below_the_form_and_leads_to_the_result(
    browser: Browser, tmp_path: Path, exam_folder: Path
) -> None:
    gate = threading.Event()
    with (
        listening(tmp_path, load=lambda: FakeClassifier(gate=gate)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        send(page, pictures(exam_folder))
        expect(page.locator("#progress-figures")).to_contain_text("sent")
        expect(page.locator("#steps .now")).to_have_text("Scoring")
        expect(page.locator("#steps [aria-current=step]")).to_have_text("Scoring")
        expect(page.locator("#course-said")).to_have_text("Scoring")
        faults = severe(page)
        gate.set()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)

    assert faults == []


def test_the_page_of_an_exam_under_way_leads_to_its_result(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    gate = threading.Event()
    with (
        listening(tmp_path, load=lambda: FakeClassifier(gate=gate)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        send(page, pictures(exam_folder))
        expect(page.locator("#steps .now")).to_have_text("Scoring")
        page.goto("/covid")
        page.get_by_role("link", name="in progress").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Diagnosis in progress")
        expect(page.locator("#steps .now")).to_have_text("Scoring")
        faults = severe(page)
        gate.set()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)

    assert faults == []


def test_a_diagnosis_is_cancelled_and_what_was_chosen_stays(
    browser: Browser, tmp_path: Path, exam_folder: Path
) -> None:
    gate = threading.Event()
    with (
        listening(tmp_path, load=lambda: FakeClassifier(gate=gate)) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        send(page, pictures(exam_folder))
        expect(page.locator("#steps .now")).to_have_text("Scoring")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#course")).to_be_hidden()
        expect(page.locator("#history")).to_be_hidden()
        expect(page.locator("#chosen")).to_contain_text("24 files")
        gate.set()
        page.get_by_role("button", name="Diagnose this exam").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_who_comes_back_after_a_diagnosis_finds_the_form_and_nothing_to_cancel(page: Page, exam_folder: Path) -> None:
    # The browser stays on the page as it was left, as if it came back to it.
    page.route("**/covid/exams/*", lambda route: route.fulfill(status=204))
    with page.expect_request("**/covid/exams/*"):
        send(page, pictures(exam_folder))

    expect(page.locator("#cancel")).to_be_hidden()
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#send")).to_be_enabled()


def test_an_exam_that_has_ended_is_not_erased_by_who_cancels_it(page: Page, exam_folder: Path) -> None:
    # That it ended is not told.
    page.route("**/events", lambda _: None)
    send(page, pictures(exam_folder))
    expect(page.locator("#course")).to_be_visible()
    page.evaluate(
        """async () => {
        const [exam] = JSON.parse(localStorage.getItem("covidct-exams"));
        while ((await (await fetch(`/api/v1/exams/${exam}`)).json()).status !== "done");
    }"""
    )
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_a_refused_exam_says_what_to_do_and_keeps_what_was_chosen(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")

    send(page, [tmp_path / "broken.jpg"])

    expect(page.get_by_role("alert")).to_contain_text("A file cannot be read")
    expect(page.get_by_role("alert")).to_contain_text("Export the exam again")
    expect(page.locator("#chosen")).to_contain_text("1 file")
    expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()
    assert severe(page) == []
    page.get_by_role("link", name="refused").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A file cannot be read")
    assert severe(page) == []


def test_a_lost_connection_is_said(page: Page, exam_folder: Path) -> None:
    page.route("**/api/v1/exams", lambda route: route.abort())
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(exam_folder)[:1])
    page.get_by_role("button", name="Diagnose this exam").click()

    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
    expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()


@pytest.mark.parametrize(("status", "is_another"), [(502, False), (504, False), (503, False), (422, True)])
def test_what_may_have_arrived_is_sent_again_as_the_same_exam(
    page: Page, exam_folder: Path, status: int, is_another: bool
) -> None:
    keys: list[str] = []

    def refuse(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.fulfill(status=status, body="<html></html>")

    page.route("**/api/v1/exams", refuse)
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(exam_folder)[:1])
    for _ in range(2):
        page.get_by_role("button", name="Diagnose this exam").click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()

    assert (len(keys), keys[0] != keys[1]) == (2, is_another)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (413, "Something in front of the service takes no upload of this size. Tell the operator"),
        (403, "Something in front of the service turned the upload away. Tell the operator, with the number 403."),
        (500, "The service gave no answer. Try again"),
    ],
)
def test_what_something_in_front_of_the_service_answers_is_told_as_such(
    page: Page, exam_folder: Path, status: int, words: str
) -> None:
    page.route("**/api/v1/exams", lambda route: route.fulfill(status=status, body="<html></html>"))
    send(page, pictures(exam_folder)[:1])

    expect(page.get_by_role("alert")).to_have_text(re.compile(r"\s+".join(map(re.escape, words.split()))))


def test_an_example_is_tried(page: Page) -> None:
    page.goto("/covid")
    page.get_by_role("button", name="Try an example").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    expect(page.get_by_text("A synthetic exam, drawn by the service")).to_be_visible()


def test_what_cannot_be_read_leaves_nothing_to_send(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(exam_folder))
    expect(page.locator("#send")).to_be_enabled()
    page.evaluate(
        """() => {
        const entry = { isFile: true, fullPath: "/a.jpg", file: (taken, failed) => failed(new Error()) };
        const dropped = new Event("drop", { bubbles: true, cancelable: true });
        dropped.dataTransfer = { items: [{ webkitGetAsEntry: () => entry }], files: [] };
        document.getElementById("drop").dispatchEvent(dropped);
    }"""
    )

    expect(page.locator("#problem-title")).to_have_text("What was dropped cannot be read.")
    expect(page.locator("#send")).to_be_disabled()
    expect(page.locator("#chosen")).to_have_text("")


def test_what_is_dropped_beside_the_box_does_not_take_the_page_away(page: Page) -> None:
    page.goto("/covid")

    assert not page.evaluate(
        """() => document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true }))"""
    )


def test_a_folder_of_dicom_is_dropped(page: Page, scan_folder: Path) -> None:
    page.goto("/covid")
    box = page.locator("#drop").bounding_box()
    assert box is not None
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
    files = {"items": [], "files": [str(scan_folder)], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": step, **middle, "data": files})

    expect(page.locator("#chosen")).to_contain_text("24 DICOM")
    page.get_by_role("button", name="Diagnose this exam").click()
    page.wait_for_url(re.compile("/covid/exams/"))
    expect(page.get_by_text("DICOM, 24 files")).to_be_visible()


def test_what_was_chosen_stays_when_the_theme_changes(page: Page, exam_folder: Path) -> None:
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(exam_folder))
    change_theme(page, "Light")

    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.get_by_role("button", name="Dark")).to_be_focused()
    expect(page.locator("#chosen")).to_contain_text("24 files")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_browser_asks_before_a_page_is_left_that_is_sending(page: Page, scan_folder: Path) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 50_000}
    page.on("dialog", stay)
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(scan_folder))
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.get_by_role("button", name="Diagnose this exam").click()
    expect(page.locator("#progress-figures")).to_contain_text("kB/s")
    page.get_by_role("link", name="New exam").click(no_wait_after=True)
    expect(page.locator("#progress")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="New exam").click()
    expect(page.locator("#chosen")).to_have_text("")

    assert asked == ["beforeunload"]


def test_the_browser_asks_before_another_language_loses_what_was_chosen(page: Page, scan_folder: Path) -> None:
    answers = [False, True]
    page.on("dialog", lambda dialog: dialog.accept() if answers.pop(0) else dialog.dismiss())
    page.goto("/covid")
    page.get_by_role(
        "heading", level=1
    ).click()  # As who chooses files does: a browser asks nobody who never touched a page.
    page.locator("#files").set_input_files(pictures(scan_folder))
    expect(page.locator("#chosen")).to_contain_text("24 files")
    with page.expect_event("dialog"):
        page.get_by_role("button", name="中文").click(no_wait_after=True)
    expect(page.locator("#chosen")).to_contain_text("24 files")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("button", name="English")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="中文")).to_be_visible()

    assert answers == []


def test_speed_and_time_left_are_told_and_sending_is_cancelled(page: Page, scan_folder: Path) -> None:
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 50_000}
    page.goto("/covid")
    page.locator("#files").set_input_files(pictures(scan_folder))
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.get_by_role("button", name="Diagnose this exam").click()
    expect(page.locator("#progress-figures")).to_have_text(re.compile(r"kB of \d+ kB, \d+ kB/s, \d+ s left"))
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#chosen")).to_contain_text("24 files")
    expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()
