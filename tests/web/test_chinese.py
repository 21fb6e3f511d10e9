"""Every state of the page in Chinese: nothing that a reader is told is left in English."""

import contextlib
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest

from app.ct.errors import BrokenModel, NotReady
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.service import SliceClassifier
from tests.builders import a_dicom
from tests.fakes import FakeClassifier, a_manifest, an_affected_spec, some_measured
from tests.web.conftest import Serve, Upload
from tests.web.reading import english_in
from tests.web.test_languages import CHINESE

pytestmark = pytest.mark.anyio

RESTS_ON = "Chosen on nothing: there were no validation patients of both classes with several slices."
MODEL = frozenset({"fake", "lung", "box"})


@pytest.fixture
async def chinese(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(CHINESE)
    return client


async def page_of(client: httpx.AsyncClient, files: Upload) -> str:
    """The page of an exam once it is diagnosed."""
    kept = await client.post("/api/v1/exams", files=files)
    return (await client.get(kept.headers["location"].replace("/api/v1", "/covid"), headers=CHINESE)).text


def all_told() -> FakeClassifier:
    """Tells everything that a model may tell."""
    measured, affected = some_measured(data="patients-1"), an_affected_spec()
    spec = affected.model_copy(update={"rests_on": "Read exam probabilities as a ranking."})
    return FakeClassifier(
        manifest=a_manifest(rests_on=RESTS_ON, affected=spec, measured=measured), lungs_lost=5, unlike=range(5, 6)
    )


async def test_the_form(chinese: httpx.AsyncClient) -> None:
    page = (await chinese.get("/covid")).text

    assert "仅供研究使用，并非医疗器械。" in page
    assert english_in(page, beside=MODEL) == set()


async def test_the_form_while_the_model_loads_and_when_it_failed(serve: Serve) -> None:
    pages = []
    for error in (BrokenModel("The weights cannot be read."), None):
        gate = threading.Event()

        def load(error: Exception | None = error, gate: threading.Event = gate) -> SliceClassifier:
            if error is not None:
                raise error
            gate.wait(timeout=30)
            return FakeClassifier()

        with contextlib.suppress(NotReady):
            async with serve(load=load, ready_wait_s=0.1) as client:
                pages.append(await client.get("/covid", headers=CHINESE))
        gate.set()

    assert all(english_in(page.text) == set() for page in pages)


async def test_an_exam_under_way(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        place = (await client.post("/covid", files=upload)).headers["location"]
        page = (await client.get(place, headers=CHINESE)).text
        gate.set()

    assert "检查，12 个文件" in page
    assert english_in(page) == set()


async def test_a_result_with_all_there_is_to_say(serve: Serve) -> None:
    slices = [("files", (f.name, f.read())) for f in dicom_files(phantom(slices=40, lesions="few", size=96))]
    beside = [("files", ("b.txt", b"words")), ("files", ("c", a_dicom(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])))]
    async with serve(load=all_told) as client:
        page = await page_of(client, [*slices, *beside])

    assert "已排除 1 个非层面文件。" in page
    assert "（1 层）：定位像" in page
    assert "该判定的参考价值" in page
    assert "约 2" in page
    assert "无选择依据：没有两个类别均有" in page
    assert english_in(page, beside=MODEL | {"patients"}) == set()


async def test_a_single_image_and_a_review(chinese: httpx.AsyncClient, upload: Upload) -> None:
    kept = (await chinese.post("/api/v1/exams", files=upload[5:6])).json()
    place = f"/covid/exams/{kept['id']}"
    await chinese.post(f"{place}/reviews", data={"opinion": "disagree"})

    page = (await chinese.get(place)).text

    assert "仅凭单张图像，按单层阈值判定。" in page
    assert "<b>不同意</b>" in page
    assert english_in(page, beside=MODEL) == set()


@pytest.mark.parametrize("peak", [3.0, -3.0, 0.0])
async def test_every_verdict(serve: Serve, upload: Upload, peak: float) -> None:
    manifest = a_manifest(rests_on=RESTS_ON)
    async with serve(load=lambda: FakeClassifier(peak=peak, spread=0.0, manifest=manifest)) as client:
        page = await page_of(client, upload)

    assert english_in(page, beside=MODEL) == set()


async def test_a_verdict_that_is_held_back(serve: Serve) -> None:
    sparse = [("files", (f.name, f.read())) for f in dicom_files(phantom(slices=9, lesions="few", size=96))]
    async with serve(load=lambda: FakeClassifier(manifest=a_manifest(rests_on=RESTS_ON))) as client:
        page = await page_of(client, sparse)

    assert "肺内有层面缺失，因此不以概率作出判定。" in page
    assert "超过 10 mm 时不作判定" in page
    assert english_in(page, beside=MODEL) == set()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("a", b"")], "第 1 个文件（按上传顺序，共 1 个）：文件为空。"),
        ([("a.dcm", a_dicom(ImageType=["LOCALIZER"]))], "没有横断面 CT 序列（序列 1：定位像 × 1）。"),
        ([("a.zip", b"PK\x03\x04 no more of it")], "压缩包已损坏。"),
    ],
)
async def test_a_refusal(chinese: httpx.AsyncClient, files: list[tuple[str, bytes]], words: str) -> None:
    page = await page_of(chinese, [("files", file) for file in files])

    assert words in page
    assert english_in(page, beside=frozenset({"unreadable", "no", "usable", "series", "unsafe", "archive"})) == set()


async def test_a_refusal_of_more_series_than_anybody_reads(chinese: httpx.AsyncClient) -> None:
    each = [a_dicom(ImageType=["LOCALIZER"], SeriesInstanceUID=f"1.2.{n}", SeriesNumber=n) for n in range(1, 201)]

    kept = await chinese.post("/api/v1/exams", files=[("files", (str(n), file)) for n, file in enumerate(each)])
    page = (await chinese.get(kept.headers["location"].replace("/api/v1", "/covid"))).text

    assert (kept.status_code, kept.json()["code"]) == (422, "no-usable-series")
    assert kept.json()["detail"].endswith("；序列 10：定位像 × 1；另有 190 个）。")
    assert kept.json()["detail"] in page


async def test_a_failure(serve: Serve, upload: Upload) -> None:
    async with serve(load=lambda: FakeClassifier(fault=RuntimeError("of the engine"))) as client:
        page = await page_of(client, upload)

    assert "诊断因服务内部原因中止。" in page
    assert english_in(page, beside=frozenset({"internal"})) == set()


async def test_problems(chinese: httpx.AsyncClient) -> None:
    for answer in (await chinese.get("/covid/nothing"), await chinese.post("/covid", files=[("files", ("", b""))])):
        assert english_in(answer.text, beside=frozenset({"not", "found", "no", "files"})) == set()


async def test_two_exams_side_by_side(serve: Serve, upload: Upload) -> None:
    async with serve(load=all_told) as client:
        ids = [(await client.post("/api/v1/exams", files=files)).json()["id"] for files in (upload, upload[2:])]
        page = await client.get(f"/covid/compare?first={ids[0]}&second={ids[1]}", headers=CHINESE)

    assert "个百分点" in page.text
    assert english_in(page.text, beside=MODEL) == set()


async def test_a_model_that_says_something_else_is_quoted_in_english(
    chinese: httpx.AsyncClient, upload: Upload
) -> None:
    page = await page_of(chinese, upload)

    assert "取已评分层面中最强的 20 % 的平均值。Chosen on nothing: a fake." in page


async def test_an_exam_is_read_back_in_the_language_of_each_reader(serve: Serve, upload: Upload) -> None:
    async with serve(load=all_told) as client:
        kept = await client.post("/api/v1/exams", files=upload, headers=CHINESE)
    async with serve() as client:
        report = (await client.get(kept.headers["location"], headers=CHINESE)).json()
        place = kept.headers["location"].replace("/api/v1", "/covid")
        english, chinese = [(await client.get(place, headers=h)).text for h in ({"Accept-Language": "en"}, CHINESE)]

    assert report["input"]["warnings"][-1].endswith("slices looks unlike those the model was trained on.")
    assert report["input"]["warnings"][-1] in english
    assert "层中有 1 层与模型的训练层面不相似。" in chinese


async def test_an_exam_kept_before_sentences_were_is_told_in_english(
    serve: Serve, upload: Upload, tmp_path: Path
) -> None:
    async with serve(load=all_told) as client:
        kept = await client.post("/api/v1/exams", files=upload)
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "exams.sqlite", timeout=30)) as database, database:
            database.execute("UPDATE exams SET said = NULL")
        page = await client.get(kept.headers["location"].replace("/api/v1", "/covid"), headers=CHINESE)

    assert page.status_code == 200
    assert '<span lang="en">1 of ' in page.text


async def test_problems_speak_the_language_asked_for(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post("/api/v1/exams", files=[("files", ("a", b""))], headers={"Accept-Language": asked})
        for asked in ("zh-CN", "*", "en;q=0.5, zh;q=0.9")
    ]

    assert [answer.json()["title"] for answer in answers] == [
        "有文件无法读取",
        "A file cannot be read",
        "有文件无法读取",
    ]
    assert [answer.headers["content-language"] for answer in answers] == ["zh-Hans", "en", "zh-Hans"]
    assert all(answer.headers["vary"] == "Accept-Language" for answer in answers)
    assert all(answer.json()["code"] == "unreadable" for answer in answers)


async def test_a_kept_problem_is_told_in_the_language_of_who_asks(chinese: httpx.AsyncClient) -> None:
    place = (await chinese.post("/api/v1/exams", files=[("files", ("a", b""))])).headers["location"]

    told = [(await chinese.get(place, headers={"Accept-Language": asked})).json() for asked in ("en", "zh")]

    assert told[0]["problem"]["detail"] == "File 1 of 1 (in the order sent): empty."
    assert told[1]["problem"]["detail"] == "第 1 个文件（按上传顺序，共 1 个）：文件为空。"
