"""The page as a reader of Chinese uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import looking
from tests.browser.steps import caption, diagnose, drawn, pictures, send, severe
from tests.web.reading import english_in

SEND = "诊断此检查"
MODEL = frozenset({"fake", "lung", "box", "AM", "PM"})


@pytest.fixture
def chinese(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 720}, locale="zh-CN")
    with looking(context, address) as shown:
        yield shown


def english_left(page: Page) -> set[str]:
    """Words that the page says in English now, its scripts' too."""
    return english_in(page.content(), beside=MODEL)


def test_an_exam_is_sent_and_read_in_chinese(chinese: Page, exam_folder: Path) -> None:
    diagnose(chinese, pictures(exam_folder), button=SEND)
    drawn(chinese)

    expect(chinese.get_by_role("heading", level=1)).to_contain_text("模型提示 COVID-19")
    assert "第 12 层，共 24 层 · 概率 " in caption(chinese)
    chinese.locator("#stage").press("ArrowDown")
    assert caption(chinese).startswith("第 13 层，共 24 层")
    assert english_left(chinese) - {"Chosen", "on", "nothing"} == set()


def test_the_keys_are_explained_in_chinese(chinese: Page, exam_folder: Path) -> None:
    diagnose(chinese, pictures(exam_folder), button=SEND)
    drawn(chinese)
    chinese.keyboard.press("?")

    dialog = chinese.get_by_role("dialog", name="快捷键与手势")
    expect(dialog).to_contain_text("软组织窗、肺窗、肝窗、骨窗、脑窗")
    assert severe(chinese) == []


def test_a_refusal_comes_in_the_language_of_the_page(chinese: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    send(chinese, [tmp_path / "broken.jpg"], button=SEND)

    expect(chinese.get_by_role("alert")).to_contain_text("第 1 个文件（按上传顺序，共 1 个）：文件为空。")
    expect(chinese.locator("#history")).to_contain_text("已拒绝")
    assert english_left(chinese) == set()
    assert severe(chinese) == []


def test_every_page_can_be_used_by_everyone(chinese: Page, exam_folder: Path) -> None:
    chinese.goto("/covid")
    assert severe(chinese) == []
    diagnose(chinese, pictures(exam_folder), button=SEND)
    drawn(chinese)
    chinese.locator(".table-all summary").click()

    assert severe(chinese) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (768, 1024), (390, 800)])
def test_nothing_is_cut_off_at_the_side(chinese: Page, exam_folder: Path, width: int, height: int) -> None:
    chinese.set_viewport_size({"width": width, "height": height})
    chinese.goto("/covid")
    assert chinese.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    diagnose(chinese, pictures(exam_folder), button=SEND)

    assert chinese.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_language_is_switched_without_javascript(plain_page: Page) -> None:
    plain_page.goto("/covid")
    plain_page.get_by_role("button", name="中文").click()
    expect(plain_page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("胸部 CT 中的 COVID-19")
    plain_page.get_by_role("button", name="English").click()

    expect(plain_page.get_by_role("heading", level=1)).to_have_text("COVID-19 in chest CT")
