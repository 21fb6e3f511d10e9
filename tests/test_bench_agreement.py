"""What is served is held against the reference: maps, probabilities, verdicts."""

from pathlib import Path

import numpy as np
import pytest

from app.ct.classifier import Classifier
from app.ct.phantom import phantom
from app.service import DiagnosisService
from app.uploads import Limits
from tests.bench import codings
from tests.bench.agreement import (
    FLIPS,
    LARGEST_CHANGE,
    LEAST_ALIKE,
    Agreement,
    agreement_figures,
    agreement_table,
    alikeness,
    measure_agreement,
)
from tests.bench.fakes import FakeEngine
from tests.bench.figures import by_name
from tests.bench.sent import SentExam, supply
from tests.fakes import a_manifest, some_training_slices


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> tuple[SentExam, ...]:
    work = tmp_path_factory.mktemp("work")
    raw = codings.coded(phantom(slices=6, size=128), codings.RAW, work / "raw").files
    return supply(work, raw=raw, real=Path("absent"), size=128).exams


def a_service(logit: float) -> DiagnosisService:
    return DiagnosisService(Classifier(a_manifest(), FakeEngine(logit), some_training_slices()), limits=Limits())


def an_agreement(**changes: float) -> Agreement:
    plain: dict[str, float] = {"exam_change": 0.01, "slice_change": 0.02, "flips": 0, "alike": 1.0, "least_alike": 0.99}
    return Agreement("any", 64, verdict="COVID_19", **(plain | changes))  # type: ignore[arg-type]


def compared(exams: tuple[SentExam, ...], ours: float, theirs: float) -> list[Agreement]:
    return measure_agreement(exams, a_service(ours), a_service(theirs), on_exam=lambda _: None)


def test_equal_engines_agree(exams: tuple[SentExam, ...]) -> None:
    found = compared(exams, 3.0, 3.0)

    assert [(a.exam_change, a.slice_change, a.flips, a.least_alike) for a in found] == [(0.0, 0.0, 0, 1.0)] * len(exams)


def test_a_verdict_that_turns_is_a_flip_of_the_exam_and_of_its_slices(exams: tuple[SentExam, ...]) -> None:
    (single,) = compared(exams[-1:], 3.0, -3.0)

    assert (single.scored, single.flips, single.verdict) == (1, 2, "COVID_19")


def test_a_verdict_that_becomes_inconclusive_is_no_flip(exams: tuple[SentExam, ...]) -> None:
    (first, *_) = compared(exams, 3.0, 0.0)

    assert first.flips == 0
    assert first.slice_change == pytest.approx(0.4526, abs=1e-3)


def test_maps_are_alike_whatever_their_scale() -> None:
    maps = np.random.default_rng(0).random((2, 4, 4))

    assert alikeness(maps, 3 * maps + 1) == pytest.approx([1.0, 1.0])
    assert alikeness(maps, -maps) == pytest.approx([-1.0, -1.0])


def test_flat_maps_are_alike_and_a_flat_one_is_like_no_other() -> None:
    flat, other = np.ones((1, 4, 4)), np.random.default_rng(0).random((1, 4, 4))

    assert alikeness(flat, 2 * flat) == pytest.approx([1.0])
    assert alikeness(flat, other) == pytest.approx([0.0])


def test_the_worst_of_all_exams_is_told() -> None:
    figures = by_name(agreement_figures([an_agreement(), an_agreement(exam_change=0.03, flips=2, least_alike=0.9)]))

    assert [figures[name].median for name in (LARGEST_CHANGE, FLIPS, LEAST_ALIKE)] == [0.03, 2, 0.9]
    assert len(agreement_table([an_agreement()], engine="fake").rows) == 1
