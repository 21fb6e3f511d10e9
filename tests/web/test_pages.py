"""The page as a browser without JavaScript gets it."""

import contextlib
import errno
import html
import json
import math
import re
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest

from app import NOTICE
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.web.reporting import kept_report
from app.web.templating import templates
from tests.builders import rewritten
from tests.fakes import FakeClassifier, a_manifest, an_affected_spec, some_measured
from tests.web.conftest import Serve, Upload, serving
from tests.web.keyed import a_key, sign_in

pytestmark = pytest.mark.anyio


async def result_page(client: httpx.AsyncClient, upload: Upload) -> str:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]
    return (await client.get(f"/covid/exams/{exam_id}")).text


async def test_the_form_leads_to_the_exams_page(client: httpx.AsyncClient, upload: Upload) -> None:
    answer = await client.post("/covid", files=upload)
    page = await client.get(answer.headers["location"])

    assert answer.status_code == 303
    assert re.fullmatch(r"/covid/exams/[0-9a-f]{32}", answer.headers["location"])
    assert page.status_code == 200


async def test_the_form_says_that_what_a_picture_shows_in_letters_stays(client: httpx.AsyncClient) -> None:
    assert "What is written into the picture itself stays" in (await client.get("/covid")).text


async def test_the_example_is_diagnosed_and_named_synthetic(client: httpx.AsyncClient) -> None:
    place = (await client.post("/covid/example")).headers["location"]
    api = place.replace("/covid/", "/api/v1/")
    async with client.stream("GET", f"{api}/events") as events:
        async for _ in events.aiter_lines():
            pass

    report, page = (await client.get(api)).json(), (await client.get(place)).text

    assert report["input"]["synthetic"] is True
    assert report["input"]["warnings"][0].startswith("A synthetic exam")
    assert "A synthetic exam" in page


async def test_an_example_is_marked_in_the_list_of_a_key(serve: Serve, upload: Upload, tmp_path: Path) -> None:
    secret = a_key(tmp_path / "data")
    async with serve() as client:
        csrf = await sign_in(client, secret)
        await client.post("/api/v1/exams", files=upload, headers={"X-CSRF-Token": csrf})
        place = (await client.post(f"/covid/example?csrf={csrf}")).headers["location"]
        async with client.stream("GET", place.replace("/covid/", "/api/v1/") + "/events") as events:
            async for _ in events.aiter_lines():
                pass
        page = (await client.get("/covid")).text

    assert page.count("/covid/exams/") == 2
    assert page.count("synthetic example") == 1


async def test_an_example_that_cannot_be_kept_leaves_nothing(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(json, "dumps", full)
    answer = await client.post("/covid/example")

    assert answer.status_code == 507
    assert list((tmp_path / "data/exams").iterdir()) == []


async def test_two_exams_are_compared_without_javascript(client: httpx.AsyncClient, upload: Upload) -> None:
    ids = [(await client.post("/api/v1/exams", files=files)).json()["id"] for files in (upload, upload[2:])]

    page = await client.get(f"/covid/compare?first={ids[0]}&second={ids[1]}")

    assert page.status_code == 200
    assert NOTICE in page.text
    assert "of 12" in page.text
    assert "of 10" in page.text


@pytest.mark.parametrize("query", ["", "?first=0&second=0", "?first=0"])
async def test_what_is_not_there_is_not_compared(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/covid/compare{query}")).status_code in (404, 422)


async def test_a_theme_is_kept_and_leads_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/covid/preferences?back=/covid/compare?first=0", data={"theme": "light"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/covid/compare?first=0")
    assert 'data-theme="light"' in (await client.get("/covid")).text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/covid", "/covidx", "/api/v1/exams"])
async def test_a_theme_leads_to_our_pages_alone(client: httpx.AsyncClient, back: str) -> None:
    answer = await client.post("/covid/preferences", params={"back": back}, data={"theme": "pink"})

    assert answer.headers["location"] == "/covid"
    assert "set-cookie" not in answer.headers


async def test_what_readers_said_stands_on_the_page(client: httpx.AsyncClient, upload: Upload) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]
    said = {"opinion": "disagree", "comment": "<b>motion</b>"}

    await client.post(f"/covid/exams/{exam_id}/reviews", data=said)

    page = (await client.get(f"/covid/exams/{exam_id}")).text
    assert "Disagrees" in page
    assert "&lt;b&gt;motion" in page


async def test_what_a_verdict_is_worth_stands_on_the_page(serve: Serve, upload: Upload) -> None:
    manifest = a_manifest(measured=some_measured(data="patients-1"))
    async with serve(load=lambda: FakeClassifier(manifest=manifest)) as client:
        page = await result_page(client, upload)

    assert "What this verdict is worth, counted at the threshold alone" in page
    assert "as if there were no inconclusive band; the service calls fewer" in page
    assert "at a hospital that gave no data for training the model does worse (see the model card)" in page
    assert "90.0 % (70.0 % – 95.0 %)" in page
    assert "patients-1: 40 patients" in page
    assert "<td>33.3 % (16.3 % – 51.4 %)</td><td>98.6 % (94.7 % – 99.4 %)</td>" in page


async def test_where_no_call_was_made_none_is_weighed(serve: Serve, upload: Upload) -> None:
    manifest = a_manifest(measured=some_measured())
    async with serve(load=lambda: FakeClassifier(peak=0.0, spread=0.0, manifest=manifest)) as client:
        page = await result_page(client, upload)

    assert "What calls at the threshold alone are worth" in page
    assert "No call was made, so there is nothing to be weighed" in page
    assert "90.0 % (70.0 % – 95.0 %)" in page
    assert "Positive calls" not in page


async def test_what_was_measured_is_never_told_as_certain(serve: Serve, upload: Upload) -> None:
    manifest = a_manifest(measured=some_measured(sensitivity=0.9999))
    async with serve(load=lambda: FakeClassifier(manifest=manifest)) as client:
        page = await result_page(client, upload)

    assert "<dd>&gt; 99.9 % (70.0 % – 95.0 %)</dd>" in page


@pytest.mark.parametrize(
    ("before", "after", "digits", "told"),
    [
        (0.5, 0.4996, 1, "0.0"),
        (0.5, 0.5, 1, "0.0"),
        (0.054, 0.05, 0, "0"),
        (0.121, 0.1, 1, "−2.1"),
        (0.1, 0.46, 0, "+36"),
        (0.064, 0.005, 0, "−5"),
        (0.3744, 0.1996, 1, "−17.4"),
    ],
)
async def test_a_change_is_that_of_the_figures_told(before: float, after: float, digits: int, told: str) -> None:
    parts = templates.env.get_template("parts.html").module

    assert parts.change(before, after, digits) == told  # type: ignore[attr-defined]


async def test_a_verdict_of_another_model_is_not_told_what_this_one_s_are_worth(tmp_path: Path, upload: Upload) -> None:
    before = a_manifest(measured=some_measured(data="patients-1"))
    after = before.model_copy(update={"files": {"weights.safetensors": "1" * 64}})
    async with serving(tmp_path, load=lambda: FakeClassifier(manifest=before)) as client:
        exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]
        own = (await client.get(f"/covid/exams/{exam_id}")).text
    async with serving(tmp_path, load=lambda: FakeClassifier(manifest=after)) as client:
        other = (await client.get(f"/covid/exams/{exam_id}")).text

    assert "patients-1" in own
    assert "patients-1" not in other


@pytest.mark.parametrize(("without", "known"), [((), True), (("ImageOrientationPatient",), False)])
async def test_sides_are_told_only_where_they_are_known(
    client: httpx.AsyncClient, without: tuple[str, ...], *, known: bool
) -> None:
    report = (await client.post("/api/v1/exams", files=some_dicom(without=without))).json()
    page = (await client.get(f"/covid/exams/{report['id']}")).text
    compared = (await client.get("/covid/compare", params={"first": report["id"], "second": report["id"]})).text

    assert report["input"]["oriented"] is known
    assert ("data-letters" in page) is ("side-r" in page) is ("data-letters" in compared) is known


@pytest.mark.parametrize(
    ("peak", "words", "caveat"),
    [
        (3.0, "The model finds COVID-19", "Other kinds of pneumonia can look the same to this model"),
        (-3.0, "The model does not find COVID-19", "This does not rule out COVID-19"),
        (0.0, "Inconclusive", "Neither clearly for COVID-19"),
    ],
)
async def test_the_verdict_stands_in_plain_words_with_its_caveat(
    serve: Serve, upload: Upload, peak: float, words: str, caveat: str
) -> None:
    async with serve(load=lambda: FakeClassifier(peak=peak, spread=0.0)) as client:
        page = await result_page(client, upload)

    assert words in page
    assert caveat in page
    assert "the model’s probability of COVID-19" in page
    assert "It ranks exams and is not this patient’s risk." in page


def some_dicom(*, without: tuple[str, ...] = ()) -> Upload:
    """A chest of 12 slices whose tags lack some."""
    chest = dicom_files(phantom(slices=12, lesions="few", size=96))
    sent = [rewritten(f.read(), lambda d: [delattr(d, keyword) for keyword in without]) for f in chest]
    return [("files", ("a", one)) for one in sent]


HEAD = ("Slice, head to feet", "towards the head", "towards the feet", "head on the left", "<span>head</span>")
FIRST = ("Slice, first to last", "towards the first slice", "towards the last slice", "the first one on the left")


@pytest.mark.parametrize(
    ("without", "said", "unsaid"),
    [
        ((), HEAD, FIRST),
        (("ImageOrientationPatient",), HEAD, FIRST),
        (("ImagePositionPatient",), FIRST, HEAD),
    ],
)
async def test_head_and_feet_are_named_only_where_they_are_known(
    client: httpx.AsyncClient, without: tuple[str, ...], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    report = (await client.post("/api/v1/exams", files=some_dicom(without=without))).json()
    page = (await client.get(f"/covid/exams/{report['id']}?slice=5")).text

    assert [words for words in said if words not in page] == []
    assert [words for words in unsaid if words in page] == []


async def test_pictures_never_tell_which_end_is_the_head(client: httpx.AsyncClient, upload: Upload) -> None:
    page = await result_page(client, upload)

    assert FIRST[0] in page
    assert [words for words in HEAD if words in page] == []


async def test_a_comparison_warns_where_an_exam_may_stand_upside_down(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    known, unknown = [(await client.post("/api/v1/exams", files=f)).json()["id"] for f in (some_dicom(), upload)]
    both = (await client.get(f"/covid/compare?first={known}&second={known}")).text
    one = (await client.get(f"/covid/compare?first={known}&second={unknown}")).text

    assert ("it is not known which end is the head" in both, "head to feet" in both) == (False, True)
    assert ("it is not known which end is the head" in one, "head to feet" in one) == (True, False)


async def test_a_comparison_tells_what_each_verdict_stands_on(serve: Serve, upload: Upload) -> None:
    sparse = [("files", (f.name, f.read())) for f in dicom_files(phantom(slices=9, lesions="few", size=96))]
    async with serve(load=lambda: FakeClassifier(spread=0.0)) as client:
        held = (await client.post("/api/v1/exams", files=sparse)).json()
        place = (await client.post("/covid/example")).headers["location"]
        async with client.stream("GET", place.replace("/covid/", "/api/v1/") + "/events") as events:
            async for _ in events.aiter_lines():
                pass
        page = (await client.get(f"/covid/compare?first={held['id']}&second={place.rsplit('/', 1)[1]}")).text

    assert "Slices are missing within the lungs, so the probability decides nothing." in page
    assert all(html.escape(warning, quote=False) in html.unescape(page) for warning in held["input"]["warnings"])
    assert f"9 read, {held['input']['scored']} scored" in page
    assert "DICOM, 9 files" in page
    assert page.count("yes, nobody’s lungs") == 1


async def test_the_page_and_the_report_say_why_a_verdict_was_held_back(serve: Serve) -> None:
    sparse = [("files", (f.name, f.read())) for f in dicom_files(phantom(slices=9, lesions="few", size=96))]
    manifest = a_manifest(measured=some_measured(data="patients-1"))
    async with serve(load=lambda: FakeClassifier(spread=0.0, manifest=manifest)) as client:
        report = (await client.post("/api/v1/exams", files=sparse)).json()
        page = (await client.get(f"/covid/exams/{report['id']}")).text

    assert (report["verdict"], report["held_back"]) == ("INCONCLUSIVE", "gap-in-lungs")
    assert "Slices are missing within the lungs, so the probability decides nothing." in page
    assert "Neither clearly for COVID-19" not in page
    assert "inside the inconclusive band" not in page
    assert "worth-title" not in page


async def test_what_nobody_measured_is_not_weighed(serve: Serve, upload: Upload) -> None:
    manifest = a_manifest(measured=some_measured())
    async with serve(load=lambda: FakeClassifier(manifest=manifest)) as client:
        report = (await client.post("/api/v1/exams?slices=2", files=upload)).json()
        page = (await client.get(f"/covid/exams/{report['id']}")).text

    assert report["input"]["few_scored"] is True
    assert "nobody measured what the verdict is worth" in page
    assert "worth-title" not in page


async def test_a_report_of_before_few_slices_were_told_is_still_read(client: httpx.AsyncClient, upload: Upload) -> None:
    report = (await client.post("/api/v1/exams", files=upload)).json()
    del report["input"]["few_scored"]

    assert kept_report(json.dumps(report)).input.few_scored is False


@pytest.mark.parametrize(
    ("probability", "told"), [(0.3764, "Probability 37.6 %, below"), (0.99987, "> 99.9 %"), (0.0004, "< 0.1 %")]
)
async def test_a_probability_is_told_from_a_limit_nearby_and_never_certain(
    serve: Serve, upload: Upload, probability: float, told: str
) -> None:
    peak = math.log(probability / (1 - probability))
    async with serve(load=lambda: FakeClassifier(peak=peak, spread=0.0)) as client:
        page = await result_page(client, upload)

    assert told in html.unescape(page)


async def test_the_result_shows_model_input_and_notice(client: httpx.AsyncClient, upload: Upload) -> None:
    page = await result_page(client, upload)

    assert NOTICE in page
    assert "fake-1" in page
    assert "12 read" in page
    assert "by file name" in page


async def test_a_chosen_slice_is_shown_without_javascript(client: httpx.AsyncClient, upload: Upload) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]

    page = (await client.get(f"/covid/exams/{exam_id}?slice=3")).text

    assert "Slice 4 of 12" in page
    assert "?slice=2#viewer" in page
    assert "?slice=4#viewer" in page


async def test_a_single_image_is_called_one(client: httpx.AsyncClient, upload: Upload) -> None:
    page = await result_page(client, upload[5:6])

    assert "single image" in page


async def test_the_page_says_what_the_verdict_rests_on(client: httpx.AsyncClient, upload: Upload) -> None:
    exam = await result_page(client, upload)
    image = await result_page(client, upload[5:6])

    assert "The mean of the strongest 20 % of the scored slices. Chosen on nothing: a fake." in exam
    assert "judged by the image threshold; the exam rule was not used" in image
    assert "Chosen on" not in image


async def test_where_the_lungs_were_not_found_the_reader_is_told(serve: Serve, upload: Upload) -> None:
    async with serve(load=lambda: FakeClassifier(lungs_lost=12)) as client:
        scored = (await client.post("/api/v1/exams", files=upload)).json()["input"]["scored"]
        page = await result_page(client, upload)

    assert f"On {scored} of {scored} scored slices the lungs were not found; they were scored whole." in page
    assert page.count("lungs not found") == 1 + scored
    assert "evidence in the lungs" not in page


async def test_a_result_stays_that_of_the_model_that_made_it(serve: Serve, upload: Upload) -> None:
    async with serve() as client:
        exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]
        before = (await client.get(f"/covid/exams/{exam_id}")).text
    other = a_manifest(image_threshold=0.3, rests_on="Chosen on something else.")
    async with serve(load=lambda: FakeClassifier(manifest=other)) as client:
        after = (await client.get(f"/covid/exams/{exam_id}")).text

    assert after == before
    assert "slice threshold 50.0 %" in after


@pytest.mark.parametrize("report", ["{}", "no JSON", '{"strongest_slice": 1}'])
async def test_a_report_of_another_version_is_said_to_be_one(
    client: httpx.AsyncClient, upload: Upload, tmp_path: Path, report: str
) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "exams.sqlite", timeout=30)) as database, database:
        database.execute("UPDATE exams SET report = ?", [report])

    page = await client.get(f"/covid/exams/{exam_id}")
    picture = await client.get(f"/api/v1/exams/{exam_id}/heatmap.png")

    assert (page.status_code, picture.status_code) == (410, 410)
    assert "The report was made by another version" in page.text
    assert picture.json()["code"] == "other-version"


async def test_a_running_exam_shows_its_progress_and_refreshes(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        place = (await client.post("/covid", files=upload)).headers["location"]
        page = (await client.get(place)).text
        gate.set()

    assert "Diagnosis in progress" in page
    assert page.count('aria-current="step"') == 1
    assert re.search(r'id="course-said"[^>]* aria-live="polite"', page)
    assert 'http-equiv="refresh"' in page


async def test_a_refused_exam_says_why_and_what_to_do(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/exams", files=[("files", ("a", b""))])

    page = (await client.get(answer.headers["location"].replace("/api/v1", "/covid"))).text

    assert "A file cannot be read" in page
    assert "Export the exam again" in page
    assert "probability of COVID-19" not in page


@pytest.mark.parametrize("path", ["/covid/exams/0123", "/covid/nothing"])
async def test_what_is_missing_is_a_page_to_a_reader(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Not found" in answer.text


async def test_an_empty_form_is_answered_by_a_page(client: httpx.AsyncClient) -> None:
    answer = await client.post("/covid", files=[("files", ("", b""))])

    assert answer.status_code == 422
    assert "No CT slices in the upload" in answer.text


async def test_an_exam_can_be_deleted_from_its_page(client: httpx.AsyncClient, upload: Upload) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]

    answer = await client.post(f"/covid/exams/{exam_id}/delete")

    assert (answer.status_code, answer.headers["location"]) == (303, "/covid")
    assert answer.headers["clear-site-data"] == '"cache"'
    assert (await client.get(f"/api/v1/exams/{exam_id}")).status_code == 404


async def test_who_cancels_an_exam_that_has_ended_is_led_to_its_result(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    exam_id = (await client.post("/api/v1/exams", files=upload)).json()["id"]

    answer = await client.post(f"/covid/exams/{exam_id}/delete?unless=done")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/covid/exams/{exam_id}")
    assert (await client.get(f"/api/v1/exams/{exam_id}")).status_code == 200


async def test_an_exam_under_way_is_cancelled_from_its_page(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        place = (await client.post("/covid", files=upload)).headers["location"]
        (cancel,) = re.findall(rf'action="({place}/delete[^"]*)"', (await client.get(place)).text)
        answer = await client.post(cancel)
        gate.set()

        assert (cancel, answer.headers["location"]) == (f"{place}/delete?unless=done", "/covid")
        assert (await client.get(place)).status_code == 404


async def test_an_exam_is_erased_behind_a_question(client: httpx.AsyncClient, upload: Upload) -> None:
    done = await client.post("/api/v1/exams", files=upload)
    refused = await client.post("/api/v1/exams", files=[("files", ("a", b""))])

    for place in (one.headers["location"].replace("/api/v1", "/covid") for one in (done, refused)):
        page = (await client.get(place)).text
        (asked,) = re.findall(r'<details class="delete">.*?</details>', page, re.DOTALL)
        assert "erased for good." in asked
        assert page.count("/delete") == asked.count("/delete") == 1


async def test_an_exam_says_of_how_many_slices_it_is(client: httpx.AsyncClient, upload: Upload) -> None:
    page = await result_page(client, upload[4:6])

    assert '<p class="state-kind">Exam of 2 slices</p>' in page


async def test_the_root_leads_to_the_page(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).headers["location"] == "/covid"


async def test_the_page_tells_the_share_of_lung_affected_with_its_error(serve: Serve, upload: Upload) -> None:
    async with serve(load=lambda: FakeClassifier(manifest=a_manifest(affected=an_affected_spec()))) as client:
        page = await result_page(client, upload)

    assert "About 25 % of the lung on the scored slices looks affected, probably between 20 % and 30 %." in page
    assert "any disease may look so, not COVID-19 alone" in page
    assert "Fitted on nothing: a fake." in page


async def test_the_page_says_nothing_of_lung_affected_where_it_is_not_estimated(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    assert "affected" not in await result_page(client, upload)
