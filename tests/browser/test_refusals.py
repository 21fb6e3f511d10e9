"""What is turned away, and what the reader is told then."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread

from app.ct import errors
from app.ct.errors import CovidCTError
from tests.browser.conftest import listening, looking
from tests.browser.steps import VERDICT, pictures, send, severe
from tests.fakes import FakeClassifier

Make = Callable[[Path, Path], list[Path]]


def a_file(name: str, content: bytes) -> Make:
    def make(scan: Path, folder: Path) -> list[Path]:
        (folder / name).write_bytes(content)
        return [folder / name]

    return make


def a_scan(**tags: object) -> Make:
    """Two slices of a scan; what is callable gives the value of the first and the second."""

    def make(scan: Path, folder: Path) -> list[Path]:
        made = []
        for number, path in enumerate(pictures(scan)[10:12]):
            data_set = dcmread(path)
            for name, value in tags.items():
                setattr(data_set, name, value(number) if callable(value) else value)
            data_set.save_as(folder / path.name)
            made.append(folder / path.name)
        return made

    return make


def nested() -> bytes:
    inner, outer = io.BytesIO(), io.BytesIO()
    zipfile.ZipFile(inner, "w").close()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inside.zip", inner.getvalue())
    return outer.getvalue()


REFUSED: dict[type[CovidCTError], Make] = {
    errors.Unreadable: a_file("broken.jpg", b""),
    errors.UnsupportedType: a_file("letter.txt", b"Dear colleague"),
    errors.UnsafeArchive: a_file("exam.zip", nested()),
    errors.WrongModality: a_scan(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4"),
    errors.NotChest: a_scan(BodyPartExamined="HEAD"),
    errors.SeveralStudies: a_scan(StudyInstanceUID=lambda number: f"1.2.3.{number}"),
    errors.NoUsableSeries: a_scan(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.code)
def test_each_refusal_says_what_happened_and_what_to_do(
    page: Page, scan_folder: Path, tmp_path: Path, kind: type[CovidCTError]
) -> None:
    send(page, REFUSED[kind](scan_folder, tmp_path))

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(kind.title)
    expect(alert).to_contain_text(kind.advice)
    expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()


def test_after_a_refusal_better_files_are_sent(page: Page, exam_folder: Path, tmp_path: Path) -> None:
    send(page, a_file("broken.jpg", b"")(exam_folder, tmp_path))
    expect(page.get_by_role("alert")).to_contain_text("A file cannot be read")
    page.locator("#files").set_input_files(pictures(exam_folder))
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Diagnose this exam").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(VERDICT)


def test_a_refusal_is_read_without_javascript(plain_page: Page, tmp_path: Path) -> None:
    send(plain_page, a_file("broken.jpg", b"")(tmp_path, tmp_path))

    expect(plain_page.get_by_role("heading", level=1)).to_have_text("A file cannot be read")
    expect(plain_page.get_by_text("Export the exam again")).to_be_visible()


@pytest.mark.parametrize(("limit", "words"), [("max_files", "At most 3 are taken"), ("max_upload_mb", "At most 1 MB")])
def test_what_is_more_than_the_limit_is_said_before_anything_is_sent(
    browser: Browser, tmp_path: Path, scan_folder: Path, limit: str, words: str
) -> None:
    most = {"max_files": 3, "max_upload_mb": 1}[limit]
    with (
        listening(tmp_path, **{limit: most}) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        page.goto("/covid")
        page.locator("#files").set_input_files([*pictures(scan_folder), *pictures(scan_folder), *pictures(scan_folder)])
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.get_by_role("button", name="Diagnose this exam")).to_be_disabled()
        assert severe(page) == []
        page.locator("#files").set_input_files(pictures(scan_folder)[:2])
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.get_by_role("button", name="Diagnose this exam")).to_be_enabled()


def test_a_fault_of_the_service_is_told_as_one(browser: Browser, tmp_path: Path, exam_folder: Path) -> None:
    with (
        listening(tmp_path, load=lambda: FakeClassifier(fault=RuntimeError("secret"))) as address,
        looking(browser.new_context(base_url=address), address) as page,
    ):
        send(page, pictures(exam_folder))
        expect(page.get_by_role("alert")).to_contain_text("Something went wrong inside the service")
        page.get_by_role("link", name="failed").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Something went wrong inside the service")
        assert severe(page) == []
        assert "secret" not in page.content()
