"""What is no axial chest CT never gets a probability, whoever sends it and however it is packed."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom.data import get_testdata_file

from app.ct.errors import ExamError
from app.ct.reading import NamedFile
from tests.foreign.generated import Upload, pictures, tagged_exams, untagged_exams
from tests.models import the_service

pytestmark = pytest.mark.anyio

CODES = {error.code for error in ExamError.__subclasses__()}
SEEDS = range(16)
TEST_FILES = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent
OF_THE_CHEST = "CT_small.dcm"
"""A close look at a vertebra with a little lung beside it: an axial chest CT, whatever it is good for."""


@dataclass(frozen=True)
class Answer:
    """What the service said to one upload."""

    upload: Upload
    status: int
    body: dict[str, object]

    @property
    def refused(self) -> bool:
        """A problem of the sender's, by a code of ours, and nothing of a diagnosis beside it."""
        known = 400 <= self.status < 500 and self.body.get("code") in CODES
        return known and not {"probability", "verdict"} & self.body.keys()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """The service with the model it really serves."""
    async with the_service(tmp_path_factory.mktemp("data")) as running:
        yield running


async def answers(client: httpx.AsyncClient, uploads: Iterable[Upload]) -> list[Answer]:
    found = []
    for upload in uploads:
        sent = [("files", (file.name, file.read())) for file in upload.files]
        answer = await client.post("/api/v1/exams", files=sent)
        found.append(Answer(upload, answer.status_code, answer.json()))
    return found


def accepted(found: list[Answer]) -> list[str]:
    return [f"{a.upload.kind} {a.upload.seed}: {a.status} {a.body.get('code')}" for a in found if not a.refused]


def pydicom_files() -> Iterator[Upload]:
    for path in sorted(TEST_FILES.rglob("*")):
        if path.is_file():
            yield Upload(path.relative_to(TEST_FILES).as_posix(), 0, (NamedFile(path.name, path),))


async def test_of_a_hundred_foreign_pictures_one_at_most_gets_a_probability(client: httpx.AsyncClient) -> None:
    found = await answers(client, (*pictures(SEEDS), *untagged_exams(SEEDS)))

    assert len(accepted(found)) <= len(found) // 100, accepted(found)
    assert [a for a in found if a.status >= 500] == []


async def test_no_exam_of_another_machine_gets_a_probability(client: httpx.AsyncClient) -> None:
    found = await answers(client, tagged_exams(SEEDS))

    assert accepted(found) == []
    assert {a.body["code"] for a in found} == {"not-ct"}


async def test_no_test_file_of_pydicom_but_a_chest_gets_a_probability(client: httpx.AsyncClient) -> None:
    found = await answers(client, pydicom_files())

    assert len(found) > 100
    assert accepted([a for a in found if a.upload.kind != OF_THE_CHEST]) == []
    assert [a for a in found if a.status >= 500] == []


async def test_foreign_pictures_among_each_other_are_no_exam(client: httpx.AsyncClient) -> None:
    mixed = tuple(file for upload in pictures(range(1)) for file in upload.files)
    named = tuple(NamedFile(f"{n}{Path(file.name).suffix}", file.read()) for n, file in enumerate(mixed))

    assert accepted(await answers(client, [Upload("mixed", 0, named)])) == []
