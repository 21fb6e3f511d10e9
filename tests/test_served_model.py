"""The service with the model it really serves, over HTTP."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from app.ct.classifier import Classifier
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.ct.reading import NamedFile, read_exam
from app.ct.scores import SliceScores
from app.settings import Settings, model_folder
from tests.builders import shared_data
from tests.models import the_service

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with the_service(tmp_path_factory.mktemp("data")) as running:
        yield running


async def diagnosed(client: httpx.AsyncClient, files: list[NamedFile]) -> dict[str, object]:
    answer = await client.post("/api/v1/exams", files=[("files", (file.name, file.read())) for file in files])
    assert answer.status_code == 201, answer.text
    report: dict[str, object] = answer.json()
    return report


def real(name: str) -> list[NamedFile]:
    folder = shared_data() / "exams" / name
    return [NamedFile(path.name, path) for path in sorted(folder.iterdir())]


def as_jpeg(exam: Exam) -> list[NamedFile]:
    """The exam's lung window as JPEG of quality 90, in order."""
    files = []
    for index, one in enumerate(exam.slices):
        content = io.BytesIO()
        Image.fromarray(one.gray).save(content, "JPEG", quality=90)
        files.append(NamedFile(f"{index:04}.jpg", content.getvalue()))
    return files


def test_a_slice_has_the_same_scores_in_any_company() -> None:
    # What is scored ahead of the other slices of an exam is not scored again.
    classifier = Classifier.load(model_folder(Settings()), engine="openvino")
    chest = phantom(slices=9, lesions="few", size=256)
    slices = list(chest.exam().slices)
    together = classifier.score(slices)

    parts = ((0, 1), (1, 4), (4, 9))
    apart = [classifier.score(slices[begin:end], indices=range(begin, end)) for begin, end in parts]

    apart_all = SliceScores.joined(apart)
    in_float32 = classifier.precision == "f32"
    assert np.abs(apart_all.probabilities - together.probabilities).max() <= (0 if in_float32 else 0.01)
    assert np.abs(apart_all.share - together.share).max() <= (0 if in_float32 else 0.01)
    assert np.allclose(apart_all.distance, together.distance, atol=1e-5 if in_float32 else 0.01)


async def test_a_synthetic_exam_goes_from_bytes_to_a_map(client: httpx.AsyncClient) -> None:
    report = await diagnosed(client, list(dicom_files(phantom(slices=12, lesions="many", size=256))))

    picture = await client.get(str(report["heatmap"]))

    assert 0 <= float(str(report["probability"])) <= 1
    assert picture.content.startswith(b"\x89PNG")


async def test_more_lesions_are_never_less_probable(client: httpx.AsyncClient) -> None:
    none, many = [
        await diagnosed(client, list(dicom_files(phantom(slices=16, lesions=lesions, size=256))))
        for lesions in ("none", "many")
    ]

    assert float(str(many["probability"])) >= float(str(none["probability"]))


async def test_a_diseased_exam_and_a_healthy_one_are_told_apart(client: httpx.AsyncClient) -> None:
    diseased, healthy = await diagnosed(client, real("P002")), await diagnosed(client, real("normal002-jpeg"))

    assert diseased["verdict"] == "COVID_19"
    assert healthy["verdict"] != "COVID_19"
    assert float(str(diseased["probability"])) > float(str(healthy["probability"])) + 0.3


async def test_dicom_and_jpeg_of_one_exam_agree(client: httpx.AsyncClient, tmp_path: Path) -> None:
    files = real("P002")

    dicom = await diagnosed(client, files)
    jpeg = await diagnosed(client, as_jpeg(read_exam(files)))

    assert jpeg["verdict"] == dicom["verdict"]
    assert float(str(jpeg["probability"])) == pytest.approx(float(str(dicom["probability"])), abs=0.05)
