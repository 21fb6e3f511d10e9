"""Signing in by key, the list of a key, what another key and another site's page come to, and names that would be scripts."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread

from app.keys import keys_in
from tests.browser.steps import change_theme, diagnose, drawn, erase, pictures, severe


def a_key(tmp_path: Path, name: str = "ward") -> str:
    with keys_in(tmp_path) as keys:
        return keys.add(name, now=datetime.now(UTC))[1]


def sign_in(page: Page, secret: str) -> None:
    page.goto("/covid")
    expect(page).to_have_url(re.compile("/covid/sign-in"))
    page.get_by_label("Key").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#upload")).to_be_visible()


def test_a_key_has_its_exams_and_no_other_key_has_them(page: Page, tmp_path: Path, exam_folder: Path) -> None:
    mine, others = a_key(tmp_path), a_key(tmp_path, "clinic")
    page.goto("/covid")
    page.get_by_label("Key").fill("covidct_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("no key in use")
    assert severe(page) == []

    sign_in(page, mine)
    expect(page.get_by_text("None are kept.")).to_be_visible()
    diagnose(page, pictures(exam_folder))
    drawn(page)
    exam = page.url
    page.locator("#comment").fill("a draft")
    page.goto("/covid")
    expect(page.locator(".history li a")).to_have_text(re.compile(r"Model: COVID-19, [\d.]+ %"))
    named = re.compile(r"^First of two: Model: COVID-19, [\d.]+ % · \d{4}-\d\d-\d\d \d\d:\d\d UTC$")
    expect(page.locator("[name=first]")).to_have_attribute("aria-label", named)
    assert page.evaluate("() => sessionStorage.length") == 1
    assert severe(page) == []
    assert page.evaluate("() => Object.keys(localStorage)") == []
    assert "covidct-session" not in page.evaluate("() => document.cookie")

    page.get_by_role("button", name="Sign out").click()
    # Until it is loaded whole: the browser clears its cache meanwhile, and aborts what is asked of it before.
    page.wait_for_url(re.compile("/covid/sign-in"))
    expect(page.get_by_label("Key")).to_be_visible()
    assert page.evaluate("() => sessionStorage.length") == 0
    sign_in(page, others)
    expect(page.locator(".history li")).to_have_count(0)
    assert page.goto(exam).status == 404  # type: ignore[union-attr]
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


def test_who_is_signed_in_changes_the_theme_in_place(page: Page, tmp_path: Path) -> None:
    sign_in(page, a_key(tmp_path))
    change_theme(page, "Light")
    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_page_is_signed_in_and_used_without_javascript(plain_page: Page, tmp_path: Path, exam_folder: Path) -> None:
    sign_in(plain_page, a_key(tmp_path))
    diagnose(plain_page, pictures(exam_folder))
    plain_page.goto("/covid")
    expect(plain_page.locator(".history li")).to_have_count(1)
    plain_page.locator(".history li a").click()
    erase(plain_page)
    expect(plain_page.get_by_text("None are kept.")).to_be_visible()
    plain_page.get_by_role("button", name="Sign out").click()
    expect(plain_page.get_by_label("Key")).to_be_visible()


FOREIGN = """<form id="f" method="post" action="{0}/covid/example"></form><script>f.submit()</script>"""


@contextmanager
def foreign_page(content: str) -> Iterator[str]:
    """Another site on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_foreign_page_cannot_have_the_browser_send_anything(
    browser: Browser, address: str, tmp_path: Path, signed_in: bool
) -> None:
    context = browser.new_context(base_url=address)
    page = context.new_page()
    if signed_in:
        sign_in(page, a_key(tmp_path))
    with foreign_page(FOREIGN.format(address)) as elsewhere:
        page.goto(elsewhere)
        page.wait_for_url(f"{address}/covid/example")
    expect(page.locator(".state-kind")).to_have_text("403 · foreign-page")
    assert not [folder for folder in (tmp_path / "exams").iterdir() if folder.is_dir()]
    context.close()


SCRIPTS = [
    "<script>globalThis.ran = 1</script>",
    "\"><img src=x onerror='globalThis.ran = 1'>",
    "<svg onload=globalThis.ran=1>",
    "'-(globalThis.ran=1)-'",
    "{{ ''.__class__ }}${globalThis.ran=1}",
]


def test_no_script_in_a_tag_a_name_or_a_comment_runs(page: Page, scan_folder: Path, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    for number, path in enumerate(pictures(scan_folder)):
        script = SCRIPTS[number % len(SCRIPTS)]
        data_set = dcmread(path)
        for tag in ("PatientName", "InstitutionName", "StudyDescription", "SeriesDescription"):
            setattr(data_set, tag, script[:64])
        data_set.PatientID = SCRIPTS[0][:64]  # One for all: slices of several patients are refused.
        for tag in ("ProtocolName", "ConvolutionKernel"):
            setattr(data_set, tag, script[:16].replace("\\", ""))
        data_set.save_as(sent / f"{script.replace('/', '_')}{number}.dcm")
    diagnose(page, pictures(sent))
    drawn(page)
    exam = page.url
    page.locator(".table-all summary").click()
    page.locator("[name=comment]").fill("".join(SCRIPTS))
    page.get_by_label("Only a comment").check()
    page.get_by_role("button", name="Keep this").click()
    expect(page.locator(".reviews .said li")).to_contain_text(SCRIPTS[0])
    for place in (
        exam,
        "/covid",
        f"/covid?before={SCRIPTS[0]}",
        f"/covid/sign-in?back={SCRIPTS[1]}",
        f"/covid/{SCRIPTS[2]}",
    ):
        page.goto(place)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("() => globalThis.ran") is None
        assert page.locator("img[src=x], svg[onload]").count() == 0
