"""Whole exams are diagnosed stage by stage, through the service itself."""

from pathlib import Path

import pytest

from app.ct.classifier import Classifier
from app.ct.phantom import phantom
from app.exam_folder import Wish
from app.service import DiagnosisService
from app.uploads import Limits
from tests.bench import codings
from tests.bench.codings import coded
from tests.bench.fakes import FakeEngine
from tests.bench.sent import RAW, SINGLE, SentExam, supply
from tests.bench.stages import TimedEngine, diagnose_once, measure_stages, stages_table
from tests.fakes import a_manifest, some_training_slices


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> tuple[SentExam, ...]:
    work = tmp_path_factory.mktemp("work")
    raw = coded(phantom(slices=6, size=128), codings.RAW, work / "raw").files
    return supply(work, raw=raw, real=work / "absent", size=128).exams


def test_real_exams_that_are_absent_are_named(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    raw = coded(phantom(slices=2, size=32), codings.RAW, tmp_path / "raw").files
    (tmp_path / "real" / "P002").mkdir(parents=True)
    (tmp_path / "real" / "P002" / "a.dcm").write_bytes(b"a slice")

    found = supply(tmp_path / "work", raw=raw, real=tmp_path / "real", size=32)

    assert [exam.name for exam in found.exams] == [RAW, "P002, JPEG lossless DICOM", SINGLE]
    assert [exam.is_real for exam in found.exams] == [False, True, False]
    assert len(found.absent) == 3


def test_a_diagnosis_is_timed_stage_by_stage(exams: tuple[SentExam, ...]) -> None:
    engine = TimedEngine(FakeEngine())
    service = DiagnosisService(Classifier(a_manifest(), engine, some_training_slices()), limits=Limits())

    diagnosed, spent = diagnose_once(exams[0], Wish(slices=0), service, engine)

    assert len(diagnosed.exam.slices) == 6
    assert spent.network == engine.seconds > 0
    assert spent.total == pytest.approx(
        spent.unpack + spent.read + spent.select + spent.preprocess + spent.network + spent.judge + spent.keep
    )


def test_every_exam_is_diagnosed_in_every_round_as_asked(exams: tuple[SentExam, ...]) -> None:
    found = measure_stages(exams, a_manifest(), FakeEngine(), some_training_slices(), rounds=2, on_exam=lambda _: None)

    assert [(e.exam, e.asked, len(e.rounds)) for e in found] == [(RAW, "64", 2), (RAW, "all", 2), (SINGLE, "all", 2)]
    assert len(stages_table(found, engine="fake", absent=()).rows) == 3
