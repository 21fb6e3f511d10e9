"""Exams over HTTP."""

import asyncio
import json
import sqlite3
import threading
from base64 import b64decode
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from app import NOTICE
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.settings import Settings
from tests.builders import a_dicom_exam, a_jpeg, a_zip
from tests.fakes import FakeClassifier, a_manifest, an_affected_spec
from tests.web.conftest import Serve, Upload

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG\r\n\x1a\n"


async def post(client: httpx.AsyncClient, upload: Upload, **headers: str) -> httpx.Response:
    return await client.post(
        "/api/v1/exams", files=upload, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


async def settled(client: httpx.AsyncClient, place: str, *, while_: str = "queued") -> dict[str, object]:
    """The exam once it left a status."""
    for _ in range(6000):
        report: dict[str, object] = (await client.get(place)).json()
        if report["status"] != while_:
            return report
        await asyncio.sleep(0.01)
    raise AssertionError(f"still {while_}")


async def test_an_exam_comes_back_whole(client: httpx.AsyncClient, upload: Upload) -> None:
    answer = await post(client, upload)

    report = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/exams/{report['id']}"
    assert report["verdict"] == "COVID_19"
    assert 0 <= report["probability"] <= 1
    assert report["input"]["slices"] == 12 == len(report["slices"])
    assert report["input"]["scored"] == sum(one["scored"] for one in report["slices"])
    assert {one["training_distance"] for one in report["slices"]} == {0.5, None}
    assert report["notice"] == NOTICE
    assert report["model"]["name"] == "fake-1"
    assert report["model"]["exam_rule"] == {
        "name": "top-share-mean",
        "top_share": 0.2,
        "in_words": "The mean of the strongest 20 % of the scored slices.",
        "rests_on": "Chosen on nothing: a fake.",
    }
    assert (report["judged_by"], report["image_threshold"]) == ("exam-rule", 0.5)
    assert report["timing_s"]["total"] >= report["timing_s"]["receive"]


async def test_the_exam_reads_the_same_later(client: httpx.AsyncClient, upload: Upload) -> None:
    posted = await post(client, upload)

    got = await client.get(posted.headers["location"])

    assert got.content == posted.content
    assert got.headers["etag"] == posted.headers["etag"]


async def test_an_unchanged_exam_is_not_sent_twice(client: httpx.AsyncClient, upload: Upload) -> None:
    posted = await post(client, upload)

    again = await client.get(posted.headers["location"], headers={"If-None-Match": posted.headers["etag"]})

    assert again.status_code == 304
    assert again.content == b""


async def test_every_slice_has_a_picture_and_every_scored_slice_a_map(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    report = (await post(client, upload)).json()

    for one in report["slices"]:
        kinds = ("image", "heatmap", "overlay") if one["scored"] else ("image",)
        for kind in kinds:
            picture = await client.get(one[kind])
            assert picture.content.startswith(PNG)
            assert "immutable" in picture.headers["cache-control"]
    assert (await client.get(report["heatmap"])).content.startswith(PNG)


CHEST = phantom(slices=5, lesions="few", size=64)


@pytest.fixture(scope="module")
def scan() -> Upload:
    """A small synthetic exam of 5 DICOM files."""
    return [("files", (file.name, file.read())) for file in dicom_files(CHEST)]


async def test_hounsfield_units_come_with_their_shape(client: httpx.AsyncClient, scan: Upload) -> None:
    report = (await post(client, scan)).json()

    answer = await client.get(report["slices"][2]["pixels"])

    shape = (int(answer.headers["x-rows"]), int(answer.headers["x-columns"]))
    assert np.array_equal(np.frombuffer(answer.content, "<i2").reshape(shape), CHEST.hu[2])
    assert report["slices"][2]["pixel_spacing_mm"] == pytest.approx(CHEST.spacing_mm[1:])


async def test_pictures_have_no_hounsfield_units(client: httpx.AsyncClient, upload: Upload) -> None:
    report = (await post(client, upload)).json()

    assert {one["pixels"] for one in report["slices"]} == {None}
    assert (await client.get(report["slices"][0]["image"].replace("image.png", "pixels"))).status_code == 404


async def test_units_are_kept_only_where_the_operator_wants_them(serve: Serve, scan: Upload) -> None:
    async with serve(keep_values=False) as client:
        report = (await post(client, scan)).json()

    assert {one["pixels"] for one in report["slices"]} == {None}


async def test_all_maps_come_in_one(client: httpx.AsyncClient, scan: Upload) -> None:
    report = (await post(client, scan)).json()

    maps = (await client.get(f"/api/v1/exams/{report['id']}/maps")).json()["maps"]

    assert [one["slice"] for one in maps] == [one["index"] for one in report["slices"] if one["scored"]]
    assert {len(b64decode(one["heat"])) for one in maps} == {maps[0]["rows"] * maps[0]["columns"]}
    top, left, bottom, right = maps[0]["box"]
    assert 0 <= top < bottom <= 64
    assert 0 <= left < right <= 64


async def test_compressed_pictures_are_smaller_and_carry_the_notice(client: httpx.AsyncClient, upload: Upload) -> None:
    one = (await post(client, upload)).json()["slices"][6]

    jpeg, png = (await client.get(one["compressed"])).content, (await client.get(one["image"])).content

    assert len(jpeg) < len(png)
    assert NOTICE.encode() in jpeg


async def test_a_slice_that_was_not_scored_has_no_map(client: httpx.AsyncClient, upload: Upload) -> None:
    answer = await client.post("/api/v1/exams?slices=1", files=upload)
    report = answer.json()
    other = next(one for one in report["slices"] if not one["scored"])

    missing = await client.get(other["image"].replace("image.png", "overlay.png"))

    assert other["overlay"] is None
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(("asked", "scored"), [("3", 3), ("all", 12)])
async def test_the_sender_may_say_how_many_slices_to_score(
    client: httpx.AsyncClient, upload: Upload, asked: str, scored: int
) -> None:
    report = (await client.post(f"/api/v1/exams?slices={asked}", files=upload)).json()

    assert report["input"]["scored"] <= scored
    assert report["input"]["scored"] >= min(scored, 3)


async def test_a_single_image_is_judged_by_the_image_threshold(client: httpx.AsyncClient, upload: Upload) -> None:
    report = (await post(client, upload[5:6])).json()

    assert report["inconclusive_band"] == [0.4, 0.6]
    assert report["judged_by"] == "image-threshold"
    assert report["input"]["slices"] == 1


async def test_one_scored_slice_of_an_exam_is_judged_by_the_exam_rule(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    report = (await client.post("/api/v1/exams?slices=1", files=upload)).json()

    assert report["input"]["scored"] == 1
    assert (report["judged_by"], report["inconclusive_band"]) == ("exam-rule", [0.38, 0.62])


async def test_one_zip_is_the_same_exam_as_its_files(client: httpx.AsyncClient, upload: Upload) -> None:
    archive = a_zip([(f"folder/{name}", content) for _, (name, content) in upload])

    loose = (await post(client, upload)).json()
    zipped = (await post(client, [("files", ("exam.zip", archive))])).json()

    assert zipped["probability"] == loose["probability"]
    assert zipped["input"]["slices"] == 12


async def test_who_does_not_wait_finds_the_report_at_location(client: httpx.AsyncClient, upload: Upload) -> None:
    answer = await post(client, upload, Prefer="respond-async")

    assert answer.status_code == 202
    assert answer.headers["retry-after"]
    assert answer.json()["status"] in ("queued", "running")
    for status in ("queued", "running"):
        report = await settled(client, answer.headers["location"], while_=status)
    assert report["status"] == "done"


async def test_a_running_exam_tells_its_progress(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        place = (await post(client, upload, Prefer="respond-async")).headers["location"]
        running = await settled(client, place)
        gate.set()
        done = await settled(client, place, while_="running")

    assert running["status"] == "running"
    assert isinstance(running["progress"], dict)
    assert "verdict" not in running
    assert done["status"] == "done"


async def test_livez_answers_while_an_exam_is_scored(serve: Serve, upload: Upload) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        waiting = asyncio.create_task(post(client, upload))
        await asyncio.sleep(0.3)
        alive = await client.get("/livez")
        was_waiting = not waiting.done()
        gate.set()
        answer = await waiting

    assert alive.status_code == 200
    assert was_waiting
    assert answer.status_code == 201


async def test_an_exam_that_nobody_works_on_and_that_has_not_ended_is_told_without_an_end(
    client: httpx.AsyncClient, upload: Upload, tmp_path: Path
) -> None:
    place = (await post(client, upload)).headers["location"]
    with closing(sqlite3.connect(tmp_path / "data" / "exams.sqlite", timeout=30)) as opened, opened:
        opened.execute("UPDATE exams SET status = 'queued'")

    events = (await client.get(f"{place}/events")).text

    assert "event: received" in events
    assert "id: last" not in events


async def test_events_tell_every_step_and_the_running_probability(client: httpx.AsyncClient, upload: Upload) -> None:
    place = (await post(client, upload, Prefer="respond-async")).headers["location"]

    events = (await client.get(f"{place}/events")).text
    names = [line.removeprefix("event: ") for line in events.splitlines() if line.startswith("event: ")]
    told = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data: ")]

    assert names[0] == "received"
    assert names[-1] == "done"
    for name, event in zip(names, told, strict=True):
        if name == "scoring" and event["scored"]:
            assert 0 <= event["probability"] <= 1
    assert all("verdict" not in event for event in told)


async def test_who_comes_late_is_told_how_it_ended(client: httpx.AsyncClient, upload: Upload) -> None:
    place = (await post(client, upload)).headers["location"]

    events = (await client.get(f"{place}/events")).text

    assert "event: done" in events


async def test_who_was_told_the_end_is_not_told_again(client: httpx.AsyncClient, upload: Upload) -> None:
    place = (await post(client, upload)).headers["location"]
    events = (await client.get(f"{place}/events")).text
    ids = [line.removeprefix("id: ") for line in events.splitlines() if line.startswith("id: ")]

    again = await client.get(f"{place}/events", headers={"Last-Event-ID": ids[-1]})
    other = await client.get(f"{place}/events", headers={"Last-Event-ID": "0"})

    assert events.rindex("id: ") > events.index("event: done")
    assert len(ids) == 1
    assert (again.status_code, again.content) == (204, b"")
    assert other.text == events


async def test_the_same_idempotency_key_gives_the_same_exam(client: httpx.AsyncClient, upload: Upload) -> None:
    first = await post(client, upload, Idempotency_Key="k1")
    second = await post(client, upload, Idempotency_Key="k1")
    other = await post(client, upload, Idempotency_Key="k2")

    assert (first.status_code, second.status_code, other.status_code) == (201, 200, 201)
    assert second.content == first.content
    again = await post(client, upload, Idempotency_Key="k1", Prefer="respond-async")
    assert (again.status_code, again.content) == (200, first.content)
    assert other.json()["id"] != first.json()["id"]


async def test_two_uploads_at_once_under_one_key_are_one_exam(serve: Serve, upload: Upload) -> None:
    async with serve() as client:
        answers = await asyncio.gather(*(post(client, upload, Idempotency_Key="k") for _ in range(3)))
        listed = (await client.get("/api/v1/exams")).json()["exams"]

    assert len({answer.json()["id"] for answer in answers}) == 1 == len(listed)


async def test_a_refused_exam_is_a_problem_and_stays_readable(client: httpx.AsyncClient) -> None:
    answer = await post(client, [("files", ("a.jpg", b""))])

    problem = answer.json()
    kept = (await client.get(problem["instance"])).json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "unreadable"
    assert problem["advice"]
    assert "probability" not in answer.text
    assert kept["status"] == "refused"
    assert kept["problem"]["code"] == "unreadable"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"%PDF-1.7", 415, "unsupported-type"),
        (b"\xff\xd8\xff\xe0 cut off", 422, "unreadable"),
        (a_zip([("a.txt", b"hello")])[:-30], 422, "unsafe-archive"),
        (a_jpeg(), 422, "no-lung"),
        (a_dicom_exam(slices=1, Modality="MR")[0], 422, "not-ct"),
    ],
)
async def test_what_cannot_be_diagnosed_is_refused_with_its_code(
    client: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    answer = await post(client, [("files", ("a", content))])

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_wish_in_the_wrong_place_is_not_passed_over(client: httpx.AsyncClient, upload: Upload) -> None:
    in_form = await client.post("/api/v1/exams", files=upload, data={"series_instance_uid": "1.2.3"})
    misspelt = await client.post("/api/v1/exams?slice=2", files=upload)

    for answer in (in_form, misspelt):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
        assert "series_instance_uid" in answer.json()["detail"]


async def test_the_limits_of_an_upload_are_described(client: httpx.AsyncClient) -> None:
    told = (await client.get("/openapi.json")).json()["paths"]["/api/v1/exams"]["post"]["description"]
    own = Settings(data_dir=Path("data"))

    for limit in (own.max_files, own.max_upload_mb, own.queue_size, own.exams_per_minute, own.upload_mb_per_minute):
        assert f"{limit:,} " in " ".join(told.split())


async def test_a_body_that_is_no_form_is_told_what_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/exams", content=a_zip([("a.jpg", a_jpeg())]))

    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json()["detail"]
    assert "`files`" in answer.json()["detail"]


async def test_a_deleted_exam_is_gone_with_its_files(serve: Serve, upload: Upload, tmp_path: Path) -> None:
    async with serve() as client:
        report = (await post(client, upload)).json()
        erased = await client.delete(f"/api/v1/exams/{report['id']}")
        after = await client.get(f"/api/v1/exams/{report['id']}")
        picture = await client.get(report["heatmap"])

    assert (erased.status_code, erased.content) == (204, b"")
    assert (after.status_code, picture.status_code) == (404, 404)
    assert not list((tmp_path / "data" / "exams").iterdir())


async def test_an_exam_deleted_while_it_is_diagnosed_leaves_nothing(
    serve: Serve, upload: Upload, tmp_path: Path
) -> None:
    gate = threading.Event()
    async with serve(load=lambda: FakeClassifier(gate=gate)) as client:
        place = (await post(client, upload, Prefer="respond-async")).headers["location"]
        await settled(client, place)
        await client.delete(place)
        gate.set()
        following = await post(client, upload)

    assert following.status_code == 201
    assert [path.name for path in (tmp_path / "data" / "exams").iterdir()] == [following.json()["id"]]


async def test_what_was_uploaded_is_deleted_once_diagnosed(serve: Serve, upload: Upload, tmp_path: Path) -> None:
    async with serve() as client:
        exam_id = (await post(client, upload)).json()["id"]

    folder = tmp_path / "data" / "exams" / exam_id
    assert (folder / "gray").is_dir()
    assert not (folder / "originals").exists()


async def test_an_exam_expires_and_says_so(serve: Serve, upload: Upload, tmp_path: Path) -> None:
    async with serve(retention_h=1e-9, sweep_s=0.05) as client:
        place = (await post(client, upload, Prefer="respond-async")).headers["location"]
        answer = await client.get(place)
        while answer.status_code == 200:
            await asyncio.sleep(0.02)
            answer = await client.get(place)
        async with asyncio.timeout(60):  # Folders are erased after the exam is noted as expired.
            while list((tmp_path / "data" / "exams").iterdir()):
                await asyncio.sleep(0.02)

    assert (answer.status_code, answer.json()["code"]) == (410, "expired")


async def test_sweeping_goes_on_after_a_fault(serve: Serve, upload: Upload, tmp_path: Path) -> None:
    async with serve(retention_h=1e-9, sweep_s=0.02) as client:
        await client.get("/api/v1/exams")
        connection = sqlite3.connect(tmp_path / "data" / "exams.sqlite", timeout=30)
        connection.execute("ALTER TABLE exams RENAME TO away")
        await asyncio.sleep(0.1)
        connection.execute("ALTER TABLE away RENAME TO exams")
        connection.close()
        place = (await post(client, upload, Prefer="respond-async")).headers["location"]
        while (await client.get(place)).status_code == 200:
            await asyncio.sleep(0.02)
        gone = await client.get(place)

    assert gone.status_code == 410


async def test_the_list_is_newest_first_and_leads_on(client: httpx.AsyncClient, upload: Upload) -> None:
    sent = [(await post(client, upload[:3])).json()["id"] for _ in range(3)]

    first = (await client.get("/api/v1/exams?limit=2")).json()
    rest = (await client.get(f"/api/v1/exams?limit=2&cursor={first['next']}")).json()

    assert [one["id"] for one in first["exams"] + rest["exams"]] == sent[::-1]
    assert rest["next"] is None
    assert "verdict" not in first["exams"][0]


async def test_a_model_that_estimates_it_tells_how_much_of_the_lung_looks_affected(
    serve: Serve, upload: Upload
) -> None:
    async with serve(load=lambda: FakeClassifier(manifest=a_manifest(affected=an_affected_spec()))) as client:
        report = (await post(client, upload)).json()
        model = (await client.get("/api/v1/model")).json()

    share = report["affected_share"]
    assert share == {"value": 0.25, "low": pytest.approx(0.199, abs=0.001), "high": pytest.approx(0.301, abs=0.001)}
    assert {one["affected_share"]["value"] for one in report["slices"] if one["scored"]} == {0.25}
    assert {one["affected_share"] for one in report["slices"] if not one["scored"]} <= {None}
    assert model["affected"]["rests_on"] == report["model"]["affected_rests_on"] == "Fitted on nothing: a fake."


async def test_a_model_that_does_not_estimate_it_leaves_it_open(client: httpx.AsyncClient, upload: Upload) -> None:
    report = (await post(client, upload)).json()

    assert report["affected_share"] is None
    assert {one["affected_share"] for one in report["slices"]} == {None}


async def test_a_browser_keeps_pictures_no_longer_than_the_exam_is_kept(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = (await post(client, upload)).json()
    kept_until = datetime.fromisoformat(report["expires_at"])

    monkeypatch.setattr("app.web.pictures.utc_now", lambda: kept_until - timedelta(minutes=5))
    late = await client.get(report["heatmap"])
    erased = await client.delete(f"/api/v1/exams/{report['id']}")

    assert late.headers["cache-control"] == "private, max-age=300, immutable"
    assert erased.headers["clear-site-data"] == '"cache"'
