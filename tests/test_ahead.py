"""The first word of a large exam."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from app.course import Reading, Scoring
from app.ct.errors import NoLung, NotChest, Unreadable
from app.ct.exam import Exam
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, jpeg_files
from app.ct.reading import first
from app.ct.reading.files import NamedFile
from app.ct.scores import SliceScores
from app.ct.workers import ON_THE_SPOT, Workers
from app.exam_folder import Wish
from app.service import Diagnosed, DiagnosisService
from app.uploads import Limits
from tests.builders import rewritten
from tests.fakes import FakeClassifier, a_manifest


@dataclass
class _ByPicture(FakeClassifier):
    """Scores a slice by its picture alone, and remembers what it was given."""

    seen: list[bytes] = field(default_factory=list)

    def score_chunks(
        self, exam: Exam, indices: Sequence[int], *, chunk: int = 8, workers: Workers = ON_THE_SPOT
    ) -> Iterator[SliceScores]:
        for part in super().score_chunks(exam, indices, chunk=chunk, workers=workers):
            grays = [exam.slices[k].gray for k in part.indices]
            self.seen += [gray.tobytes() for gray in grays]
            yield replace(part, logits=np.array([gray.mean() / 100 - 1 for gray in grays], np.float32))


@pytest.fixture(scope="module")
def scan() -> list[NamedFile]:
    return list(dicom_files(phantom(slices=60, lesions="few", size=128)))


@pytest.fixture(scope="module")
def prints() -> list[NamedFile]:
    return list(jpeg_files(phantom(slices=60, lesions="few", size=128)))


def diagnosed(
    files: list[NamedFile], spool: Path, wish: Wish | None = None
) -> tuple[Diagnosed, _ByPicture, list[Reading | Scoring]]:
    told: list[Reading | Scoring] = []
    classifier = _ByPicture()
    service = DiagnosisService(classifier, limits=Limits())
    return service.diagnose(files, spool=spool, wish=wish or Wish(), on_progress=told.append), classifier, told


@pytest.mark.parametrize("kind", ["scan", "prints"])
def test_the_report_is_the_same_as_without_and_no_slice_is_scored_twice(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[NamedFile] = request.getfixturevalue(kind)
    found, classifier, told = diagnosed(files, tmp_path)
    monkeypatch.setattr(first, "_LEAST", 1000)
    without, plainly, told_without = diagnosed(files, tmp_path)

    assert found.diagnosis == without.diagnosis
    assert found.scores.indices == without.scores.indices
    assert sorted(classifier.seen) == sorted(plainly.seen)
    assert isinstance(told[1], Scoring)
    assert told[1].scored == 8
    assert told[1].probability is not None
    assert told_without[1] == Scoring(0, len(without.scores.indices))
    assert [one.scored for one in told if isinstance(one, Scoring)] == sorted(
        one.scored for one in told if isinstance(one, Scoring)
    )
    assert told[-1] == told_without[-1]


def test_it_is_told_before_the_others_are_read(scan: list[NamedFile], tmp_path: Path) -> None:
    damaged = [*scan[:40], NamedFile(scan[40].name, scan[40].read()[:-3000]), *scan[41:]]
    told: list[Reading | Scoring] = []
    service = DiagnosisService(_ByPicture(), limits=Limits())

    with pytest.raises(Unreadable, match="File 41 of 60"):
        service.diagnose(damaged, spool=tmp_path, wish=Wish(), on_progress=told.append)

    assert [type(one) for one in told] == [Reading, Scoring]


def test_which_slices_come_first_does_not_depend_on_the_order_of_sending(scan: list[NamedFile], tmp_path: Path) -> None:
    told, told_reversed = diagnosed(scan, tmp_path)[2], diagnosed(scan[::-1], tmp_path)[2]

    assert told == told_reversed


@pytest.mark.parametrize("slices", [1, 8, 15])
def test_nothing_is_scored_ahead_where_few_slices_are_wanted(
    scan: list[NamedFile], tmp_path: Path, slices: int
) -> None:
    _, classifier, told = diagnosed(scan, tmp_path, Wish(slices=slices))

    assert len(classifier.seen) == slices
    assert told[1] == Scoring(0, slices)


def test_of_an_exam_that_shows_too_little_lung_nothing_is_told_ahead(scan: list[NamedFile], tmp_path: Path) -> None:
    told: list[Reading | Scoring] = []
    classifier = _ByPicture(manifest=a_manifest(least_lung_area=0.9))

    with pytest.raises(NoLung):
        DiagnosisService(classifier, limits=Limits()).diagnose(
            scan, spool=tmp_path, wish=Wish(), on_progress=told.append
        )

    assert told == [Reading()]
    assert classifier.seen == []


def test_nothing_is_told_ahead_of_what_names_another_body_part(scan: list[NamedFile], tmp_path: Path) -> None:
    named = [NamedFile(f.name, rewritten(f.read(), lambda d: setattr(d, "BodyPartExamined", "ABDOMEN"))) for f in scan]
    told: list[Reading | Scoring] = []
    service = DiagnosisService(_ByPicture(), limits=Limits())

    with pytest.raises(NotChest):
        service.diagnose(named, spool=tmp_path, wish=Wish(), on_progress=told.append)

    assert told == [Reading()]
