"""What readers do and see, for every test of the page."""

import re
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

VERDICT = "The model finds COVID-19"
_TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def send(page: Page, files: Sequence[Path], *, button: str = "Diagnose this exam") -> None:
    page.goto("/covid")
    page.locator("#files").set_input_files(files)
    page.get_by_role("button", name=button).click()


def diagnose(page: Page, files: Sequence[Path], *, button: str = "Diagnose this exam") -> None:
    send(page, files, button=button)
    page.wait_for_url(re.compile("/covid/exams/"))
    expect(page.locator("#exam")).to_be_attached()


def erase(page: Page) -> None:
    """Delete the exam of the page; that is asked twice."""
    expect(page.get_by_role("button", name="Delete for good")).to_be_hidden()
    page.get_by_text("Delete this exam…").click()
    page.get_by_role("button", name="Delete for good").click()


def change_theme(page: Page, button: str) -> None:
    """And wait until it is kept."""
    with page.expect_response(re.compile("/covid/preferences")):
        page.get_by_role("button", name=button).click()


def caption(page: Page) -> str:
    return page.locator("#caption").inner_text()


def stage(page: Page, name: str) -> str:
    """What the viewer says of itself."""
    return page.locator("#stage").get_attribute(f"data-{name}") or ""


def drawn(page: Page) -> None:
    """Wait until the viewer shows its slice."""
    # What was asked for last is drawn with the next frame, and until then what was drawn before is told.
    page.evaluate(_TWO_FRAMES)
    expect(page.locator("#stage[data-drawn]")).to_have_attribute("data-drawn", re.compile(r"^\d+$"))
    page.evaluate(_TWO_FRAMES)


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
    """Names of the accessibility faults in either theme, whatever their weight."""
    own = page.locator("html").get_attribute("data-theme")
    # A color on its way to another one is neither; and the end of a transition may never be told.
    page.emulate_media(reduced_motion="reduce")
    found = [fault for theme in ("dark", "light") for fault in _faults(page, theme)]
    page.evaluate(_IN_THEME, own)
    page.emulate_media(reduced_motion="no-preference")
    return found


_IN_THEME = "(theme) => { document.documentElement.dataset.theme = theme; }"


def _faults(page: Page, theme: str) -> list[str]:
    page.evaluate(_IN_THEME, theme)
    # Its own way to imported style sheets is one that our policy forbids.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [f"{theme}: {one['id']}: {one['nodes'][0]['html']}" for one in found]
