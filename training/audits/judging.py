"""What the model says of an exam and of its slices, as serving would find it, also of an altered exam."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit

from app.ct.diagnosis import HeldBack, Verdict, diagnose
from app.ct.errors import ExamError, NoLung, UnlikeTraining
from app.ct.exam import Exam, Slice
from app.ct.fitness import is_like_training
from app.ct.manifest import Manifest
from app.ct.preprocessing import Prepared
from app.ct.scores import SliceScores
from training.audits.alterations import Look
from training.measuring.choosing import Machine, slices_at_most, slices_to_score

_TOGETHER = 64
"""Pictures that share a pass through the network, at least, so long as there are so many."""


class Auditable(Machine, Protocol):
    """What of ``app.ct.classifier.Classifier`` an audit needs."""

    manifest: Manifest
    engine_name: str

    def prepare(self, ct_slice: Slice) -> Prepared:
        """Make the network's input of a slice."""
        ...

    def score_prepared(self, prepared: Sequence[Prepared]) -> SliceScores:
        """Score such inputs."""
        ...


@dataclass(frozen=True, eq=False)
class Judged:
    """An exam's scores.

    Attributes:
        probability: of the exam; of a single image, where it holds one slice. None where nothing could be scored.
        slices: probability of each scored slice by its place in the exam.
        unlike: the places of slices that are unlike those the model was trained on.
        refused: why serving would refuse the exam (an error's code); empty where it would not.
        verdict: what serving would say, inside the band or with slices missing within the lungs inconclusive; None where
            nothing could be scored.
    """

    probability: float | None
    slices: dict[int, float]
    unlike: frozenset[int]
    refused: str
    verdict: Verdict | None = None

    @classmethod
    def unscored(cls, why: str) -> "Judged":
        """Of an exam that cannot be scored."""
        return cls(None, {}, frozenset(), why)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An exam whose slices wait to be scored; ``prepared`` are those that are, ``indices`` their places."""

    prepared: list[Prepared]
    indices: list[int]
    exam_slices: int
    refused: str
    held_back: HeldBack | None = None


def judge(exams: Iterable[tuple[Exam | ExamError, Look]], model: Auditable) -> Iterator[Judged]:
    """Score exams, each with a look at its prepared slices; pictures of several small ones share a pass.

    Args:
        exams: or why there is none; taken one at a time, so that only few of them are in memory.
        model: the classifier.
    """
    waiting: list[_Waiting] = []
    for exam, look in exams:
        waiting.append(_prepared(exam, look, model))
        if sum(len(one.prepared) for one in waiting) >= _TOGETHER:
            yield from _judged(waiting, model)
            waiting = []
    yield from _judged(waiting, model)


def _prepared(exam: Exam | ExamError, look: Look, model: Auditable) -> _Waiting:
    if isinstance(exam, ExamError):
        return _Waiting([], [], 0, exam.code)
    chosen = slices_to_score(exam, slices_at_most(model), model.manifest.fitness)
    looks = [(index, look(model.prepare(exam.slices[index]))) for index in chosen.indices]
    kept = [(index, prepared) for index, prepared in looks if prepared is not None]
    return _Waiting(
        [p for _, p in kept],
        [i for i, _ in kept],
        exam_slices=len(exam.slices),
        refused=chosen.refused,
        held_back=chosen.held_back,
    )


def _judged(waiting: Sequence[_Waiting], model: Auditable) -> Iterator[Judged]:
    pictures = [prepared for one in waiting for prepared in one.prepared]
    scores = model.score_prepared(pictures) if pictures else None
    start = 0
    for one in waiting:
        end = start + len(one.prepared)
        if scores is None or end == start:
            yield Judged.unscored(one.refused or NoLung.code)
        else:
            yield _of(one, scores.logits[start:end], scores.distance[start:end], model.manifest)
        start = end


def _of(one: _Waiting, logits: np.ndarray, distance: np.ndarray, manifest: Manifest) -> Judged:
    diagnosis = diagnose(
        one.indices,
        logits,
        exam_slices=one.exam_slices,
        rule=manifest.exam_rule,
        image=manifest.image,
        held_back=one.held_back,
    )
    each = expit(logits.astype(np.float64))
    unlike = frozenset(i for i, far in zip(one.indices, distance, strict=True) if not far <= 1)
    refused = one.refused or ("" if is_like_training(distance) else UnlikeTraining.code)
    slices = dict(zip(one.indices, each.tolist(), strict=True))
    return Judged(diagnosis.probability, slices, unlike, refused, diagnosis.verdict)
