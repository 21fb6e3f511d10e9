"""Records tried with every alteration of an audit, and what came of it, pair by pair."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.ct.diagnosis import Verdict, verdict
from app.ct.errors import ExamError
from app.ct.exam import Exam, InputKind
from app.ct.manifest import Decision, Manifest
from training.audits.alterations import UNALTERED, Alteration
from training.audits.judging import Auditable, Judged, judge
from training.measuring.scoring import By
from training.records.catalog import Record

Progress = Callable[[int, int], None]

UNREAD = "unread"


@dataclass(frozen=True, eq=False)
class Case:
    """A record as it is and altered.

    Attributes:
        record: an image or an exam.
        form: what it came as: dicom, volume, or a picture's suffix; ``UNREAD`` where it cannot be read.
        exam_slices: how many slices it holds; 0 where it cannot be read.
        before: what the model says of it as it is.
        after: what it says of it altered; only those alterations that can be done to it.
    """

    record: Record
    form: str
    exam_slices: int
    before: Judged
    after: dict[Alteration, Judged]


@dataclass(frozen=True)
class Pair:
    """One slice or exam before and after.

    Attributes:
        label: None for a slice of an exam, whose label is the exam's.
        group, source: of the record.
        before, after: probabilities; None where there is none.
        refused_before, refused_after: whether serving would refuse it.
        verdict_before, verdict_after: what serving would say of it; None where there is no probability.
        decision: threshold and band of both.
        not_chosen: whether it is a slice of an exam of which other slices were scored after.
    """

    label: int | None
    group: str
    source: str
    before: float | None
    after: float | None
    refused_before: bool
    refused_after: bool
    verdict_before: Verdict | None
    verdict_after: Verdict | None
    decision: Decision
    not_chosen: bool = False


def try_all(
    records: Sequence[Record], alterations: Sequence[Alteration], model: Auditable, *, seed: int, progress: Progress
) -> list[Case]:
    """Try every alteration on every record.

    Args:
        records: images or exams.
        alterations: what is done to each; chance in them depends on the seed and on the places in both sequences.
        model: the classifier.
        seed: of the alterations' chance.
        progress: told how many of how many records are done.
    """
    cases = []
    for number, record in enumerate(records):
        cases.append(_tried(record, alterations, model, seed=(seed, number)))
        progress(number + 1, len(records))
    return cases


def _tried(record: Record, alterations: Sequence[Alteration], model: Auditable, *, seed: tuple[int, int]) -> Case:
    try:
        exam = record.read()
    except ExamError as error:
        return Case(record, UNREAD, 0, Judged.unscored(error.code), {})
    fitting = [(0, UNALTERED), *((k, a) for k, a in enumerate(alterations, start=1) if a.applies(exam))]
    variants = ((_changed(a, exam, np.random.default_rng((*seed, k))), a.look) for k, a in fitting)
    before, *after = judge(variants, model)
    return Case(
        record,
        _form(record, exam),
        exam_slices=len(exam.slices),
        before=before,
        after=dict(zip([a for _, a in fitting[1:]], after, strict=True)),
    )


def _changed(alteration: Alteration, exam: Exam, rng: np.random.Generator) -> Exam | ExamError:
    try:
        return alteration.change(exam, rng)
    except ExamError as error:
        return error


def _form(record: Record, exam: Exam) -> str:
    return record.file.suffix.lower().lstrip(".") if exam.kind is InputKind.IMAGES else str(exam.kind)


def pairs(cases: Iterable[Case], alteration: Alteration, by: By, manifest: Manifest) -> list[Pair]:
    """Every slice or exam that was tried with ``alteration``, before and after.

    Args:
        cases: as ``try_all`` gives them.
        alteration: one of those tried.
        by: ``By.EXAM``, records of several slices by the exam rule; ``By.SLICE``, each slice by itself, also those of exams.
        manifest: of the model, for its decisions.
    """
    of_one = _exam_pair if by is By.EXAM else _slice_pairs
    tried = (case for case in cases if alteration in case.after)
    return [pair for case in tried for pair in of_one(case, case.after[alteration], manifest)]


def _exam_pair(case: Case, after: Judged, manifest: Manifest) -> Iterator[Pair]:
    if case.exam_slices > 1:
        yield Pair(
            label=case.record.label,
            group=case.record.group,
            source=case.record.dataset,
            before=case.before.probability,
            after=after.probability,
            refused_before=bool(case.before.refused),
            refused_after=bool(after.refused),
            verdict_before=case.before.verdict,
            verdict_after=after.verdict,
            decision=manifest.exam_rule.decision,
        )


def _slice_pairs(case: Case, after: Judged, manifest: Manifest) -> Iterator[Pair]:
    """Slices scored before; of an exam not all are chosen again after."""
    single = case.exam_slices == 1
    for index in [0] if single else case.before.slices:
        first, second = case.before.slices.get(index), after.slices.get(index)
        yield Pair(
            label=case.record.label if single else None,
            group=case.record.group,
            source=case.record.dataset,
            before=first,
            after=second,
            refused_before=bool(case.before.refused) if single else index in case.before.unlike,
            refused_after=bool(after.refused) if single else index in after.unlike,
            verdict_before=None if first is None else verdict(first, manifest.image),
            verdict_after=None if second is None else verdict(second, manifest.image),
            decision=manifest.image,
            not_chosen=not single and bool(after.slices) and index not in after.slices,
        )
