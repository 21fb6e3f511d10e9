"""Records scored by the very code that serves: the reader, the classifier and the exam rule of ``app.ct``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from app.ct.diagnosis import diagnose
from app.ct.errors import ExamError, NoLung, NotChest, UnevenExam, UnlikeTraining
from app.ct.exam import Exam, Slice
from app.ct.fitness import check_body_part, check_lung_area, is_like_training
from app.ct.manifest import FitnessSpec, Manifest
from app.ct.scores import SliceScores
from app.ct.selection import CPU_SLICES, lung_area, select_slices
from training.catalog import CatalogError, Record

_BATCH = 32


class Scorer(Protocol):
    """What of ``app.ct.classifier.Classifier`` is needed to score."""

    manifest: Manifest
    engine_name: str
    on_gpu: bool

    def score_chunks(self, exam: Exam, indices: Sequence[int], *, chunk: int = 8) -> Iterator[SliceScores]:
        """Score some slices of an exam, in parts."""
        ...

    def score(self, slices: Sequence[Slice]) -> SliceScores:
        """Score slices that need not be of one exam."""
        ...


class By(StrEnum):
    """What is one case of an evaluation."""

    SLICE = "slice"
    PATIENT = "patient"
    EXAM = "exam"


@dataclass(frozen=True, eq=False)
class SliceMap:
    """The maps of one scored slice; see ``SliceScores``."""

    share: np.ndarray
    evidence: np.ndarray
    box: tuple[int, int, int, int]
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Scored:
    """One case: a slice, the slices of a patient, or an exam.

    Attributes:
        records: at least one, all of one label.
        refused: why serving would refuse it (an error's code); empty where it would not.
        logits: of the slices scored; empty where the reader could not read it.
        probability: of COVID-19, by the image's or the exam's rule; None where nothing could be scored.
        called: whether the probability lies at or above the threshold that serving uses for it.
        maps: of a single slice whose record has a mask; else None.
    """

    records: tuple[Record, ...]
    refused: str
    logits: tuple[float, ...] = ()
    probability: float | None = None
    called: bool = False
    maps: SliceMap | None = None

    @property
    def record(self) -> Record:
        """The first record."""
        return self.records[0]


Progress = Callable[[int, int], None]


def score(records: Sequence[Record], scorer: Scorer, *, by: By, progress: Progress = lambda *_: None) -> list[Scored]:
    """Score every record, also what serving would refuse, as long as it can be read.

    Args:
        records: images, or with ``By.EXAM`` also folders.
        scorer: the classifier.
        by: a patient is what the records name so, else their group; its slices become one small exam, a patient of
            whom there is one slice an exam of one slice.
        progress: told how many of how many records are done.

    Raises:
        CatalogError: an exam among the records, which is to be scored as slices.
    """
    if by is By.EXAM:
        return list(_exams(records, scorer, progress))
    if any(record.is_exam for record in records):
        raise CatalogError("The data hold whole exams: evaluate them with --by exam.")
    slices = list(_slices(records, scorer, progress))
    return slices if by is By.SLICE else _patients(slices, scorer.manifest)


def _exams(records: Sequence[Record], scorer: Scorer, progress: Progress) -> Iterator[Scored]:
    for number, record in enumerate(records, start=1):
        yield _exam(record, scorer)
        progress(number, len(records))


def _exam(record: Record, scorer: Scorer) -> Scored:
    try:
        exam = record.read()
    except ExamError as error:
        return Scored((record,), refused=error.code)
    limit = None if scorer.on_gpu else CPU_SLICES
    indices, refused = slices_to_score(exam, limit, scorer.manifest.fitness)
    scores = SliceScores.joined(list(scorer.score_chunks(exam, indices)))
    refused = refused or _unlike(scores.distance)
    return _judged((record,), refused, logits=scores.logits, exam_slices=len(exam.slices), manifest=scorer.manifest)


def slices_to_score(exam: Exam, limit: int | None, fitness: FitnessSpec) -> tuple[tuple[int, ...], str]:
    """The slices serving would score; where it would refuse the exam, some that are spread over it, and why."""
    try:
        check_body_part(exam)
        area = lung_area(exam)
        check_lung_area(area, fitness.least_lung_area)
        return select_slices(area, limit), ""
    except (NotChest, NoLung) as error:
        return _spread(len(exam.slices), limit), error.code


def _unlike(distance: np.ndarray) -> str:
    """Why serving would refuse scored slices; empty where it would not."""
    return "" if is_like_training(distance) else UnlikeTraining.code


def _slices(records: Sequence[Record], scorer: Scorer, progress: Progress) -> Iterator[Scored]:
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        yield from _batch(batch, scorer)
        progress(start + len(batch), len(records))


def _batch(records: Sequence[Record], scorer: Scorer) -> Iterator[Scored]:
    """Slices of different records share one pass through the network; each is read and judged by itself."""
    fitness = scorer.manifest.fitness
    read = [_read_slice(record, fitness) for record in records]
    slices = [s for s, _ in read if s is not None]
    scores = scorer.score(slices) if slices else None
    place = 0
    for record, (one, refused) in zip(records, read, strict=True):
        if one is None or scores is None:
            yield Scored((record,), refused)
            continue
        maps = _maps(scores, place, one) if record.mask else None
        refused = refused or _unlike(scores.distance[place : place + 1])
        logits = scores.logits[place : place + 1]
        yield _judged((record,), refused, logits=logits, exam_slices=1, manifest=scorer.manifest, maps=maps)
        place += 1


def _read_slice(record: Record, fitness: FitnessSpec) -> tuple[Slice | None, str]:
    """The slice, and why serving would refuse it without scoring it; a file of several slices is none."""
    try:
        exam = record.read()
    except ExamError as error:
        return None, error.code
    if len(exam.slices) > 1:
        return None, UnevenExam.code
    return exam.slices[0], slices_to_score(exam, None, fitness)[1]


def _spread(count: int, limit: int | None) -> tuple[int, ...]:
    """At most ``limit`` of ``count`` indices, evenly spread."""
    wanted = count if limit is None else min(limit, count)
    return tuple(int(i) for i in np.unique(np.linspace(0, count - 1, wanted).round()))


def _patients(slices: Sequence[Scored], manifest: Manifest) -> list[Scored]:
    patients: dict[tuple[str, str, int], list[Scored]] = {}
    for one in slices:
        record = one.record
        patients.setdefault((record.dataset, record.patient or record.group, record.label), []).append(one)
    return [_patient(members, manifest) for members in patients.values()]


def _patient(members: Sequence[Scored], manifest: Manifest) -> Scored:
    """A patient's slices as a small exam: refused where none shows lung, or most of those that do are unlike training.

    Of a patient who is not refused all slices that could be read count.
    """
    records = tuple(m.record for m in members)
    refused = _refusal([m.refused for m in members])
    logits = np.array([logit for m in members for logit in m.logits], dtype=np.float32)
    if not len(logits):
        return Scored(records, refused)
    return _judged(records, refused, logits=logits, exam_slices=len(members), manifest=manifest)


def _refusal(of_slices: Sequence[str]) -> str:
    selected = [why for why in of_slices if why in ("", UnlikeTraining.code)]
    if not selected:
        return of_slices[0]
    return UnlikeTraining.code if selected.count(UnlikeTraining.code) > len(selected) / 2 else ""


def _judged(
    records: tuple[Record, ...],
    refused: str,
    *,
    logits: np.ndarray,
    exam_slices: int,
    manifest: Manifest,
    maps: SliceMap | None = None,
) -> Scored:
    diagnosis = diagnose(
        range(len(logits)), logits, exam_slices=exam_slices, rule=manifest.exam_rule, image=manifest.image
    )
    return Scored(
        records,
        refused,
        logits=tuple(float(x) for x in logits),
        probability=diagnosis.probability,
        called=diagnosis.probability >= diagnosis.threshold,
        maps=maps,
    )


def _maps(scores: SliceScores, place: int, one: Slice) -> SliceMap:
    top, left, bottom, right = (int(edge) for edge in scores.boxes[place])
    return SliceMap(scores.share[place], scores.evidence[place], (top, left, bottom, right), (one.height, one.width))
