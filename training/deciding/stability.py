"""Whether a rule says the same of an exam whichever of its slices are scored, and more of a phantom with more lesions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.ct.diagnosis import Verdict, exam_probability, verdict
from app.ct.exam import Exam, Slice
from app.ct.exam_rule import ExamRule
from app.ct.phantom import phantom
from app.ct.phantom.lesions import COUNTS
from app.ct.selection import LEAST_MEASURED, evenly_chosen, lung_area, select_slices

SCORED = (LEAST_MEASURED, 32, 64, None)
"""Slices scored of one exam; None for all."""
_OTHER = 32
_SHIFTS = (0.05, 0.25, 0.75, 0.95)
"""Where in each of ``_OTHER`` equal parts a slice is taken, beside the middle."""
_SEEDS = range(3)
PHANTOM_SLICES, _SIZE = 120, 256
"""Of a phantom; about eighty of the slices show lung."""

LogitsOf = Callable[[Sequence[Slice]], np.ndarray]


@dataclass(frozen=True, eq=False)
class WholeExam:
    """Every slice of an exam that shows lung, scored.

    Attributes:
        name: for tables.
        logits: float (slices,), calibrated by slice, head to feet.
        body: of phantoms, which body was drawn; None of others.
        lesions: of phantoms, how many lesions; 0 of others.
    """

    name: str
    logits: np.ndarray
    body: int | None = None
    lesions: int = 0


def phantom_exams(logits_of: LogitsOf, *, slices: int = PHANTOM_SLICES, size: int = _SIZE) -> list[WholeExam]:
    """Phantoms with no, few and many lesions, scored whole.

    Args:
        logits_of: calibrated logits of slices.
        slices: of each phantom, over 300 mm.
        size: rows and columns.
    """
    found = []
    for seed in _SEEDS:
        for kind in ("none", "few", "many"):
            exam = phantom(slices=slices, lesions=kind, seed=seed, size=size).exam()
            logits = logits_of(slices_with_lung(exam))
            found.append(WholeExam(f"phantom {seed}, {kind}", logits, body=seed, lesions=COUNTS[kind]))
    return found


def slices_with_lung(exam: Exam) -> list[Slice]:
    """All slices that show lung, head to feet.

    Raises:
        NoLung: none does.
    """
    return [exam.slices[k] for k in select_slices(lung_area(exam), None)]


@dataclass(frozen=True)
class Answers:
    """What a rule says of one exam.

    Attributes:
        probabilities: for 16, 32, 64 and all slices.
        others: for other choices of 32 slices.
        verdicts: the different ones among all of these.
    """

    exam: str
    probabilities: tuple[float, ...]
    others: tuple[float, ...]
    verdicts: frozenset[Verdict]

    @property
    def change(self) -> float:
        """Largest difference of two probabilities."""
        every = (*self.probabilities, *self.others)
        return max(every) - min(every)


@dataclass(frozen=True)
class Stability:
    """What a rule says of whole exams.

    Attributes:
        answers: one an exam.
        in_order: whether of each body more lesions are more probable, all slices scored; None without phantoms.
    """

    answers: tuple[Answers, ...]
    in_order: bool | None

    @property
    def largest_change(self) -> float:
        """Of any exam's probability."""
        return max((a.change for a in self.answers), default=0.0)

    @property
    def opposite(self) -> int:
        """Exams called COVID-19 by some of their slices and not COVID-19 by others."""
        return sum({Verdict.COVID_19, Verdict.NON_COVID_19} <= a.verdicts for a in self.answers)

    @property
    def changed(self) -> int:
        """Exams with more than one verdict, inconclusive counted as one."""
        return sum(len(a.verdicts) > 1 for a in self.answers)


def stability(rule: ExamRule, exams: Sequence[WholeExam]) -> Stability:
    """Judge every exam by several choices of its slices."""
    return Stability(tuple(_answers(rule, exam) for exam in exams), _in_order(rule, exams))


def _answers(rule: ExamRule, exam: WholeExam) -> Answers:
    count = len(exam.logits)
    probabilities = tuple(exam_probability(exam.logits[evenly_chosen(count, n)], rule) for n in SCORED)
    others = tuple(exam_probability(exam.logits[evenly_chosen(count, _OTHER, at=at)], rule) for at in _SHIFTS)
    verdicts = frozenset(verdict(p, rule.decision) for p in (*probabilities, *others))
    return Answers(exam.name, probabilities, others, verdicts)


def _in_order(rule: ExamRule, exams: Sequence[WholeExam]) -> bool | None:
    phantoms = [e for e in exams if e.body is not None]
    if not phantoms:
        return None
    for body in {e.body for e in phantoms}:
        mine = sorted((e for e in phantoms if e.body == body), key=lambda e: e.lesions)
        if any(exam_probability(a.logits, rule) >= exam_probability(b.logits, rule) for a, b in pairwise(mine)):
            return False
    return True
