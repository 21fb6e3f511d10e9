"""What is no text can be told from what surrounds it, in both themes (WCAG 1.4.11)."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.steps import diagnose, drawn, pictures

ENOUGH = 3.0
OF = """([selector, property]) => {
    const shown = document.querySelector(selector);
    const panel = shown.closest(".panel") ?? document.documentElement;
    return [getComputedStyle(shown)[property], getComputedStyle(panel).backgroundColor];
}"""


def luminance(color: str) -> float:
    """Of an opaque ``rgb()``, as WCAG 2 defines it."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", color)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def faint(page: Page, looked: dict[str, str]) -> dict[str, float]:
    """What stands out too little from its panel."""
    found = {one: contrast(*page.evaluate(OF, [one, what])) for one, what in looked.items()}
    return {one: ratio for one, ratio in found.items() if ratio < ENOUGH}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fields_buttons_and_the_band_stand_out(page: Page, address: str, exam_folder: Path, theme: str) -> None:
    page.context.add_cookies([{"name": "covidct-theme", "value": theme, "url": address}])
    diagnose(page, pictures(exam_folder))
    drawn(page)
    fields = ("#comment", "#center", "#preset", "[name=opinion]", "#invert", ".bar button", "#fit")
    looked = dict.fromkeys(fields, "borderTopColor") | {".scale-band": "stroke"}
    faults = faint(page, looked)
    on_line = contrast(
        *page.evaluate("""() => [".scale-band", ".scale-line"].map((one, k) =>
        getComputedStyle(document.querySelector(one))[["stroke", "fill"][k]])""")
    )
    page.goto("/covid")
    faults |= faint(
        page, {".pick": "borderTopColor", "#drop": "borderTopColor", "#history-list input": "borderTopColor"}
    )

    assert faults == {}
    assert on_line >= ENOUGH


def test_the_ratio_by_hand() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)
