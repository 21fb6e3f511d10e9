"""Before the model is there, and when it will not come."""

import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.ct.errors import BrokenModel
from app.exam_folder import ExamFolder
from app.kept import Sent
from app.service import SliceClassifier
from app.web import intake
from tests.browser.conftest import listening, looking
from tests.browser.steps import VERDICT, pictures, severe
from tests.fakes import FakeClassifier


def test_a_page_opened_early_renews_itself_once_the_model_is_there(browser: Browser, tmp_path: Path) -> None:
    gate = threading.Event()

    def load() -> SliceClassifier:
        gate.wait()
        return FakeClassifier()

    with listening(tmp_path, load=load) as address, looking(browser.new_context(base_url=address), address) as page:
        page.goto("/covid")
        expect(page.get_by_text("The model is being loaded and checked")).to_be_visible()
        faults = severe(page)
        gate.set()
        expect(page.get_by_text("The model is being loaded and checked")).to_have_count(0)
        expect(page.get_by_text("fake-1")).to_be_visible()

    assert faults == []


def test_what_was_chosen_early_is_still_there_when_the_model_is(
    browser: Browser, tmp_path: Path, exam_folder: Path
) -> None:
    gate = threading.Event()

    def load() -> SliceClassifier:
        gate.wait()
        return FakeClassifier()

    with listening(tmp_path, load=load) as address, looking(browser.new_context(base_url=address), address) as page:
        page.goto("/covid")
        page.locator("#files").set_input_files(pictures(exam_folder))
        gate.set()
        expect(page.get_by_text("The model is being loaded and checked")).to_have_count(0)
        page.get_by_role("button", name="Diagnose this exam").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_an_example_that_is_asked_for_early_comes_once_the_model_is_there(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, draw = threading.Event(), threading.Event(), intake._draw_example

    def draw_late(folder: ExamFolder) -> Sent:
        # So that the page hears of the model while its form is on its way.
        begun.wait(60)
        return draw(folder)

    monkeypatch.setattr(intake, "_draw_example", draw_late)

    def load() -> SliceClassifier:
        gate.wait()
        return FakeClassifier()

    with listening(tmp_path, load=load) as address, looking(browser.new_context(base_url=address), address) as page:
        page.goto("/covid")
        with page.expect_request("**/covid/example"):
            page.get_by_role("button", name="Try an example").click(no_wait_after=True)
        with page.expect_response(lambda answer: answer.url.endswith("/readyz") and answer.ok, timeout=30_000):
            gate.set()
        begun.set()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT, timeout=60_000)


def test_a_model_that_is_refused_is_said_to_be(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    def load() -> SliceClassifier:
        raise BrokenModel("no")

    with listening(tmp_path, load=load) as address, looking(browser.new_context(base_url=address), address) as page:
        page.goto("/covid")
        expect(page.get_by_text("Exams cannot be diagnosed now.")).to_be_visible()
        page.locator("#files").set_input_files(pictures(exam_folder)[:1])
        page.get_by_role("button", name="Diagnose this exam").click()
        expect(page.locator("#problem")).to_contain_text("not ready")
        assert severe(page) == []
