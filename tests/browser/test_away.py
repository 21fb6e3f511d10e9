"""The service goes away and comes back while a page is open."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import looking
from tests.browser.steps import VERDICT, diagnose, drawn, pictures, send, severe

AWAY, BACK, GONE, TROUBLED = (f"#service [data-state={state}]" for state in ("gone", "back", "expired", "troubled"))
AN_EXAM = re.compile(r"/api/v1/exams/[^/]+$")


@dataclass
class Service:
    """A process that is killed, as by a power cut, and started anew on the same data folder."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gate(self) -> Path:
        """Nothing is scored before it is there."""
        return self.folder / "gate"

    def start(self) -> None:
        given = [str(self.folder / "data"), str(self.port), str(self.gate)]
        command = [sys.executable, "-m", "tests.browser.served", *given]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = Service(tmp_path, port)
    one.start()
    yield one
    one.kill()


@pytest.fixture
def shown(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=service.address, viewport={"width": 1280, "height": 720})
    with looking(context, service.address) as page:
        yield page


def test_a_running_exam_comes_to_its_end_after_a_restart(shown: Page, service: Service, exam_folder: Path) -> None:
    send(shown, pictures(exam_folder))
    expect(shown.locator("#steps .now")).to_have_text("Scoring")
    shown.goto("/covid")
    shown.get_by_role("link", name="in progress").click()
    expect(shown.get_by_role("heading", level=1)).to_have_text("Diagnosis in progress")
    shown.wait_for_load_state()
    service.kill()
    expect(shown.locator(AWAY)).to_be_visible()
    assert severe(shown) == []
    service.gate.touch()
    service.start()

    expect(shown.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_an_exam_that_is_followed_below_the_form_survives_a_restart(
    shown: Page, service: Service, exam_folder: Path
) -> None:
    send(shown, pictures(exam_folder))
    expect(shown.locator("#steps .now")).to_have_text("Scoring")
    service.kill()
    expect(shown.locator(AWAY)).to_be_visible()
    service.gate.touch()
    service.start()

    expect(shown.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_a_result_goes_on_after_a_restart(shown: Page, service: Service, scan_folder: Path) -> None:
    service.gate.touch()
    diagnose(shown, pictures(scan_folder))
    drawn(shown)
    expect(shown.locator("#arrived")).to_have_text("")
    service.kill()
    # These values were not fetched yet.
    shown.locator("#stage").focus()
    shown.keyboard.press("1")
    expect(shown.locator(AWAY)).to_be_visible()
    expect(shown.locator("#from-picture")).to_be_visible()
    shown.keyboard.press("Home")
    expect(shown.locator("#caption")).to_contain_text("Slice 1 of 24")
    service.start()

    expect(shown.locator(BACK)).to_be_visible()
    expect(shown.locator("#from-picture")).to_be_hidden()
    expect(shown.locator("#lost")).to_be_hidden()


def test_pictures_that_were_lost_come_when_the_service_is_back(
    shown: Page, service: Service, scan_folder: Path
) -> None:
    service.gate.touch()
    is_lost = True
    # Never unrouted: what is on its way while interception ends was lost once.
    shown.route(
        re.compile(r"/slices/(\d|1\d)/image.jpg"), lambda route: route.abort() if is_lost else route.continue_()
    )
    diagnose(shown, pictures(scan_folder))
    expect(shown.locator("#lost")).to_be_visible()
    assert severe(shown) == []
    is_lost = False
    shown.context.set_offline(True)
    expect(shown.locator(AWAY)).to_be_visible()
    shown.context.set_offline(False)

    expect(shown.locator("#lost")).to_be_hidden()
    expect(shown.locator("#arrived")).to_have_text("")


def test_what_a_reader_wrote_stays_until_the_service_takes_it(shown: Page, service: Service, exam_folder: Path) -> None:
    service.gate.touch()
    diagnose(shown, pictures(exam_folder))
    shown.get_by_label("Disagree").check()
    shown.get_by_label("Comment", exact=True).fill("motion")
    service.kill()
    shown.get_by_role("button", name="Keep this").click()
    expect(shown.locator(AWAY)).to_be_visible()
    expect(shown.get_by_label("Comment", exact=True)).to_have_value("motion")
    service.start()
    expect(shown.locator(BACK)).to_be_visible()
    shown.get_by_role("button", name="Keep this").click()

    expect(shown.locator(".said")).to_contain_text("motion")


def test_the_form_and_the_history_go_on_after_a_restart(shown: Page, service: Service, exam_folder: Path) -> None:
    service.gate.touch()
    diagnose(shown, pictures(exam_folder))
    shown.goto("/covid")
    shown.locator("#files").set_input_files(pictures(exam_folder))
    service.kill()
    shown.get_by_role("button", name="Diagnose this exam").click()
    expect(shown.get_by_role("alert")).to_contain_text("What you chose is still here")
    expect(shown.locator(AWAY)).to_be_visible()
    assert severe(shown) == []
    service.start()
    expect(shown.locator(BACK)).to_be_visible()
    expect(shown.locator("#history-list a")).to_have_count(1)
    shown.get_by_role("button", name="Diagnose this exam").click()

    expect(shown.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_a_link_leads_nowhere_while_nobody_answers(shown: Page, service: Service) -> None:
    shown.goto("/covid")
    service.kill()
    shown.get_by_role("button", name="Try an example").click()
    expect(shown.locator(AWAY)).to_be_visible()
    shown.get_by_role("link", name="API", exact=True).click()

    expect(shown.get_by_role("heading", level=1)).to_have_text("COVID-19 in chest CT")


def test_events_that_cannot_be_had_are_asked_for(shown: Page, service: Service, exam_folder: Path) -> None:
    shown.route("**/events", lambda route: route.fulfill(status=502))
    send(shown, pictures(exam_folder))
    expect(shown.locator("#steps .now")).to_have_text("Scoring")
    service.gate.touch()

    expect(shown.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_answers_that_break_off_or_are_errors_are_asked_for_again(
    shown: Page, service: Service, exam_folder: Path
) -> None:
    asked: list[str] = []
    is_mended = False

    def answer(route: Route) -> None:
        if is_mended:
            route.continue_()
            return
        asked.append(route.request.url)
        route.fulfill(status=200 if len(asked) == 1 else 500, body="{")

    shown.route("**/events", lambda route: route.fulfill(status=502))
    shown.route(AN_EXAM, answer)
    service.gate.touch()
    send(shown, pictures(exam_folder))
    expect(shown.locator(TROUBLED)).to_be_visible()
    assert severe(shown) == []
    is_mended = True

    expect(shown.get_by_role("heading", level=1)).to_contain_text(VERDICT)
    assert len(asked) > 1


def test_a_result_whose_answer_broke_off_is_shown_when_the_service_is_back(
    shown: Page, service: Service, exam_folder: Path
) -> None:
    is_whole = False
    shown.route(
        "**/maps", lambda route: route.continue_() if is_whole else route.fulfill(status=200, body='{"maps": [')
    )
    service.gate.touch()
    diagnose(shown, pictures(exam_folder))
    expect(shown.locator(AWAY)).to_be_visible()
    is_whole = True

    expect(shown.locator(BACK)).to_be_visible()
    drawn(shown)


def test_a_refusal_that_could_not_be_had_is_told_when_the_service_is_back(
    shown: Page, exam_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    is_away = True
    shown.route(re.compile(f"/livez$|{AN_EXAM.pattern}"), lambda route: route.abort() if is_away else route.continue_())
    send(shown, [tmp_path / "broken.jpg"])
    expect(shown.locator(AWAY)).to_be_visible()
    is_away = False

    expect(shown.get_by_role("alert")).to_contain_text("A file cannot be read")
    expect(shown.get_by_role("button", name="Diagnose this exam")).to_be_enabled()


def test_who_no_longer_waits_is_not_told_that_the_service_is_back(shown: Page) -> None:
    shown.goto("/covid")
    told = shown.evaluate("""async () => {
        const { away, onReturn } = await import("/static/js/service.js");
        const told = [];
        const forget = onReturn(() => told.push("left"));
        const back = new Promise((done) => onReturn(() => done(told.push("waits"))));
        forget();
        away();
        await back;
        return told;
    }""")

    assert told == ["waits"]


def test_what_is_asked_for_names_the_kind_and_the_language(shown: Page) -> None:
    shown.goto("/covid")
    with shown.expect_request("**/livez") as asked:
        shown.evaluate("""async () => {
            const { jsonAt } = await import("/static/js/service.js");
            await jsonAt("/livez").catch(() => {});
        }""")

    assert asked.value.headers["accept"] == "application/json"
    assert asked.value.headers["accept-language"] == "en"


def test_an_exam_deleted_elsewhere_is_said_to_be_gone(shown: Page, service: Service, scan_folder: Path) -> None:
    service.gate.touch()
    diagnose(shown, pictures(scan_folder))
    drawn(shown)
    expect(shown.locator("#arrived")).to_have_text("")
    assert httpx.delete(shown.url.replace("/covid/", "/api/v1/"), timeout=60).status_code == 204
    shown.locator("#stage").focus()
    shown.keyboard.press("1")

    expect(shown.locator(GONE)).to_be_visible()
    expect(shown.get_by_role("button", name="Keep this")).to_be_disabled()
    assert severe(shown) == []
