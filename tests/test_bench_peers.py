"""A peer is measured on the very slices that the service scored, and with the same weights."""

import asyncio
from collections.abc import Sequence
from io import BytesIO

import httpx
import numpy as np
import pydicom
import pytest

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, jpeg_files
from tests.bench.client import Form
from tests.bench.peers import (
    PAPER_MS,
    Peered,
    faster_name,
    leaner_name,
    naive_form,
    peer_figures,
    peers_table,
    send_naive,
)
from tests.bench.process import BenchFailed
from tests.builders import files
from tests.models import the_served_model


def a_peered() -> Peered:
    return Peered("raw", 64, ours_s=(2.0, 4.0), naive_s=(20.0, 20.0), ours_mb=500, naive_mb=2000)


def a_peer(*numbers: int, status: int = 200) -> httpx.Client:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"probability": 0.5, "slices": [{"number": n} for n in numbers]})

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://peer")


def test_a_peer_that_scored_the_same_slices_is_timed() -> None:
    assert send_naive(a_peer(3, 1), naive_form(files(b"one"), (1, 3)), (1, 3)) > 0


@pytest.mark.parametrize("numbers", [(1,), (1, 2), (1, 3, 5)])
def test_a_peer_that_scored_others_ends_the_measurement(numbers: tuple[int, ...]) -> None:
    with pytest.raises(BenchFailed, match="not the service's 2"):
        send_naive(a_peer(*numbers), naive_form(files(b"one"), (1, 3)), (1, 3))


def test_a_peer_that_fails_ends_the_measurement() -> None:
    with pytest.raises(BenchFailed, match="500"):
        send_naive(a_peer(status=500), naive_form(files(b"one"), (1,)), (1,))


def test_the_peer_gets_the_same_files_and_the_slices_to_score() -> None:
    form = naive_form(files(b"first", b"second"), (4, 7))

    assert all(part in form.body for part in (b"first", b"second", b'name="wanted"', b"4,7"))


def test_ratios_are_of_each_round() -> None:
    figures = {f.name: f for f in peer_figures([a_peered()])}

    assert figures[faster_name("raw")].rounds == (10.0, 5.0)
    assert figures[leaner_name("raw")].rounds == (4.0,)


def test_the_paper_stands_beside_with_its_hardware() -> None:
    ours, naive, paper = peers_table([a_peered()], engine="fake").rows

    assert ours[3:6] == ("3.00 (2.00 to 4.00)", "46.9", "6.67")
    assert naive[4] == "312"
    assert paper[4] == str(PAPER_MS)
    assert "GTX 1070" in paper[1]


def _asked(app: object, form: Form) -> dict[str, object]:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://peer") as client:
            return await client.post("/predict", content=form.body, headers=form.headers)

    answer = asyncio.run(ask())
    assert answer.status_code == 200
    return dict(answer.json())


def _numbers(answer: dict[str, object]) -> Sequence[int]:
    slices = answer["slices"]
    assert isinstance(slices, list)
    return [s["number"] for s in slices]


def test_what_a_user_would_write_answers_with_probabilities_and_maps() -> None:
    naive = pytest.importorskip("tests.bench.naive")
    app, chest = naive.create_app(the_served_model()), phantom(slices=4, size=128)

    of_dicom = _asked(app, naive_form(list(dicom_files(chest)), (2, 4)))
    of_pictures = _asked(app, naive_form(list(jpeg_files(chest)), (1, 3)))

    assert (_numbers(of_dicom), _numbers(of_pictures)) == ([2, 4], [1, 3])
    heat = np.array(of_dicom["slices"][0]["heatmap"])  # type: ignore[index]
    assert (heat.ndim, heat.min() >= 0, heat.max() <= 1) == (2, True, True)


def test_what_a_user_would_write_shows_the_lung_window() -> None:
    naive = pytest.importorskip("tests.bench.naive")
    (file,) = dicom_files(phantom(slices=1, size=64))

    number, data_set = naive.read_number(file.read(), 0)
    pixels = naive.read_pixels(data_set, 32)

    hu = pydicom.dcmread(BytesIO(file.read())).pixel_array.astype(int) - 1024
    assert number == 1
    assert pixels.mean() == pytest.approx(((hu.clip(-1350, 150) + 1350) / 1500 * 255).mean(), abs=1)
