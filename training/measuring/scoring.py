"""Records scored by the very code that serves: the reader, the classifier and the exam rule of ``app.ct``."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Protocol

import numpy as np

from app.ct.diagnosis import HeldBack, Verdict, diagnose
from app.ct.errors import ExamError, UnlikeTraining
from app.ct.exam import Exam, Slice
from app.ct.fitness import is_like_training
from app.ct.heatmap import enlarged
from app.ct.manifest import FitnessSpec, Manifest
from app.ct.preprocessing import make_preprocessor
from app.ct.scores import SliceScores
from training.measuring.choosing import Machine, slices_at_most, slices_to_score
from training.measuring.masks import Located, SliceMap, lesions_of, locate
from training.records.catalog import CatalogError, Record

_BATCH = 32


class Scorer(Machine, Protocol):
    """What of ``app.ct.classifier.Classifier`` is needed to score."""

    manifest: Manifest
    engine_name: str

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
class Shown:
    """The slice of a case that argued most for COVID-19, to be looked at.

    Attributes:
        record: that the slice is of.
        index: of the slice in the record's exam.
        heat: float32 (rows, columns), 0..1, as serving shows it.
        box: what the heat covers of the slice: top, left, bottom, right, ends excluded.
        logit: of the slice.
        evidence_in_lung: 0..1, share of the positive heat inside the lungs; None where they were not found.
    """

    record: Record
    index: int
    heat: np.ndarray
    box: tuple[int, int, int, int]
    logit: float
    evidence_in_lung: float | None


@dataclass(frozen=True, eq=False)
class Scored:
    """One case: a slice, the slices of a patient, or an exam.

    Attributes:
        records: at least one, all of one label.
        refused: why serving would refuse it (an error's code); empty where it would not.
        logits: of the slices scored; empty where the reader could not read it.
        probability: of COVID-19, by the image's or the exam's rule; None where nothing could be scored.
        called: whether the probability lies at or above the threshold that serving uses for it.
        verdict: what serving would say, inside the band or with slices missing within the lungs inconclusive; what it would
            refuse has one all the same. None where nothing could be scored.
        located: what masks say of the maps of its slices, one for each slice that has a mask.
        shown: the slice that argued most; None where nothing could be scored.
    """

    records: tuple[Record, ...]
    refused: str
    logits: tuple[float, ...] = ()
    probability: float | None = None
    called: bool = False
    verdict: Verdict | None = None
    located: tuple[Located, ...] = ()
    shown: Shown | None = None

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
        CatalogError: an exam among the records, or a file of several slices, which is to be scored as slices.
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
    chosen = slices_to_score(exam, slices_at_most(scorer), scorer.manifest.fitness)
    scores = SliceScores.joined(list(scorer.score_chunks(exam, chosen.indices)))
    judged = _judged(
        (record,),
        chosen.refused or _unlike(scores.distance),
        logits=scores.logits,
        exam_slices=len(exam.slices),
        manifest=scorer.manifest,
        held_back=chosen.held_back,
    )
    strongest = int(np.argmax(scores.logits))
    slices = [exam.slices[index] for index in scores.indices]
    located = _located(record, scores, slices, of=len(exam.slices), manifest=scorer.manifest)
    shown = _shown(record, scores, strongest, index=scores.indices[strongest])
    return replace(judged, located=located, shown=shown)


def _unlike(distance: np.ndarray) -> str:
    """Why serving would refuse scored slices; empty where it would not."""
    return "" if is_like_training(distance) else UnlikeTraining.code


def _slices(records: Sequence[Record], scorer: Scorer, progress: Progress) -> Iterator[Scored]:
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        yield from _batch(batch, scorer, first=start + 1)
        progress(start + len(batch), len(records))


def _batch(records: Sequence[Record], scorer: Scorer, *, first: int) -> Iterator[Scored]:
    """Slices of different records share one pass through the network; each is read and judged by itself."""
    fitness = scorer.manifest.fitness
    read = [_read_slice(record, fitness, number=number) for number, record in enumerate(records, start=first)]
    slices = [s for s, _ in read if s is not None]
    scores = scorer.score(slices) if slices else None
    place = 0
    for record, (one, refused) in zip(records, read, strict=True):
        if one is None or scores is None:
            yield Scored((record,), refused)
            continue
        refused = refused or _unlike(scores.distance[place : place + 1])
        logits = scores.logits[place : place + 1]
        judged = _judged((record,), refused, logits=logits, exam_slices=1, manifest=scorer.manifest)
        located = _located(record, scores.at([place], indices=[0]), [one], of=1, manifest=scorer.manifest)
        yield replace(judged, located=located, shown=_shown(record, scores, place, index=0))
        place += 1


def _read_slice(record: Record, fitness: FitnessSpec, *, number: int) -> tuple[Slice | None, str]:
    """The slice of the ``number``-th record, and why serving would refuse it without scoring it."""
    try:
        exam = record.read()
    except ExamError as error:
        return None, error.code
    if len(exam.slices) > 1:
        raise CatalogError(f"Record {number} is one file of several slices, a whole exam: evaluate it with --by exam.")
    return exam.slices[0], slices_to_score(exam, None, fitness).refused


def _patients(slices: Sequence[Scored], manifest: Manifest) -> list[Scored]:
    patients: dict[tuple[str, str, int], list[Scored]] = {}
    for one in slices:
        record = one.record
        patients.setdefault((record.dataset, record.patient or record.group, record.label), []).append(one)
    return [_patient(members, manifest) for members in patients.values()]


def of_both_labels(cases: Sequence[Scored]) -> int:
    """How many patients have slices of both labels: each of them is two cases, one of either label."""
    cells = {(c.record.dataset, c.record.patient or c.record.group, c.record.label) for c in cases}
    return len(cells) - len({(dataset, name) for dataset, name, _ in cells})


def _patient(members: Sequence[Scored], manifest: Manifest) -> Scored:
    """A patient's slices as a small exam: refused where none shows lung, or most of those that do are unlike training.

    Of a patient who is not refused all slices that could be read count.
    """
    records = tuple(m.record for m in members)
    refused = _refusal([m.refused for m in members])
    logits = np.array([logit for m in members for logit in m.logits], dtype=np.float32)
    if not len(logits):
        return Scored(records, refused)
    judged = _judged(records, refused, logits=logits, exam_slices=len(members), manifest=manifest)
    shown = [m.shown for m in members if m.shown is not None]
    located = tuple(chain.from_iterable(m.located for m in members))
    return replace(judged, located=located, shown=max(shown, key=lambda s: s.logit))


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
    held_back: HeldBack | None = None,
) -> Scored:
    diagnosis = diagnose(
        range(len(logits)),
        logits,
        exam_slices=exam_slices,
        rule=manifest.exam_rule,
        image=manifest.image,
        held_back=held_back,
    )
    return Scored(
        records,
        refused,
        logits=tuple(float(x) for x in logits),
        probability=diagnosis.probability,
        called=diagnosis.probability >= diagnosis.threshold,
        verdict=diagnosis.verdict,
    )


def _located(
    record: Record, scores: SliceScores, slices: Sequence[Slice], *, of: int, manifest: Manifest
) -> tuple[Located, ...]:
    """What the record's mask says of the maps of its slices; nothing where it has none.

    Args:
        record: that holds the slices.
        scores: of the slices, in their order.
        slices: that were scored.
        of: how many slices the record holds.
        manifest: of the model.
    """
    if record.mask is None:
        return ()
    try:
        lesions = lesions_of(record, slices=of)
    except CatalogError as error:
        return (Located(record, problem=str(error)),)
    found = []
    for place, one in enumerate(slices):
        box, shape = _box(scores, place), (one.height, one.width)
        maps = SliceMap(scores.share[place], scores.evidence[place], box, shape, _lung(one, manifest))
        found.append(locate(record, maps, lesions, one))
    # What is wrong with one mask is told once, and of how many slices.
    wrong = Counter(one.problem for one in found if one.problem)
    told = {why: why if of == 1 else f"{why} So on {count} of {len(slices)} slices." for why, count in wrong.items()}
    return (*(one for one in found if not one.problem), *(Located(record, problem=told[why]) for why in wrong))


def _lung(one: Slice, manifest: Manifest) -> np.ndarray | None:
    """Where serving found the lungs, bool (height, width); None where it did not."""
    prepared = make_preprocessor(manifest.preprocessing.name, manifest.preprocessing.size)(one)
    if not prepared.lung_share:
        return None
    return enlarged(prepared.lung.astype(np.float32), prepared.box, (one.height, one.width)) >= 0.5


def _shown(record: Record, scores: SliceScores, place: int, *, index: int) -> Shown:
    in_lung = float(scores.evidence_in_lung[place]) if scores.lung_found[place] else None
    heat = replace(scores, share=scores.share[place : place + 1]).heat[0]
    logit = float(scores.logits[place])
    return Shown(record, index, heat, _box(scores, place), logit=logit, evidence_in_lung=in_lung)


def _box(scores: SliceScores, place: int) -> tuple[int, int, int, int]:
    top, left, bottom, right = (int(edge) for edge in scores.boxes[place])
    return top, left, bottom, right
