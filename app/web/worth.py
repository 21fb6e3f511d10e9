"""What a call at the threshold is worth, as if there were no inconclusive band: what was measured, and what it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.ct.manifest import Measured
from app.web.schemas import ExamReport

PREVALENCES = (0.01, 0.05, 0.1, 0.3, 0.5)
"""Told where there is no JavaScript to ask for others."""
_AS_EXAM: tuple[Literal["exam", "patient"], ...] = ("exam", "patient")
"""Nearest to a whole exam first."""


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval; None where there is no interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Predicted:
    """Of those called positive the share that is, of those called negative the share that is not; None where nobody is called.

    The ends take the lower, or the upper, ends of sensitivity and specificity together, so they are wider than 95 %.
    """

    prevalence: float
    ppv: Rate | None
    npv: Rate | None


@dataclass(frozen=True)
class Worth:
    """What was measured at the threshold that the verdict was judged by, the inconclusive band not counted as one.

    Attributes:
        data: what was measured on.
        by: what was counted, slices, patients or exams.
        n, groups: how many of them, and of how many patients or blocks.
    """

    data: str
    by: Literal["slice", "patient", "exam"]
    n: int
    groups: int
    sensitivity: Rate
    specificity: Rate

    @property
    def predicted(self) -> list[Predicted]:
        """At some prevalences."""
        return [self.at(prevalence) for prevalence in PREVALENCES]

    def at(self, prevalence: float) -> Predicted:
        """What a call means where COVID-19 is so frequent, if sensitivity and specificity hold there (Bayes)."""
        return Predicted(
            prevalence,
            ppv=_right(self.sensitivity, self.specificity, prevalence),
            npv=_right(self.specificity, self.sensitivity, 1 - prevalence),
        )


def worth_of(report: ExamReport, measured: Sequence[Measured]) -> Worth | None:
    """The figures that fit how the report was judged: of single images by slice, of exams by exam or by patient.

    Args:
        report: what was judged.
        measured: of the model that serves now.

    Returns:
        Those of the most cases; None where nothing fits, or nobody measured what such a verdict is worth.
    """
    if report.held_back or report.input.few_scored:
        return None
    kinds = ("slice",) if len(report.slices) == 1 else _AS_EXAM
    for by in kinds:
        counted = [m for m in measured if m.by == by]
        found = [w for w in (_worth(counted, data) for data in {m.data for m in counted}) if w]
        if found:
            return max(found, key=lambda w: (w.n, w.data))
    return None


def _worth(measured: Sequence[Measured], data: str) -> Worth | None:
    of_data = {m.metric: m for m in measured if m.data == data}
    sensitivity, specificity = (of_data.get(name) for name in ("sensitivity", "specificity"))
    if sensitivity is None or specificity is None or sensitivity.value is None or specificity.value is None:
        return None
    return Worth(
        data,
        by=sensitivity.by,
        n=sensitivity.n,
        groups=sensitivity.groups,
        sensitivity=Rate(sensitivity.value, sensitivity.low, sensitivity.high),
        specificity=Rate(specificity.value, specificity.low, specificity.high),
    )


def _right(found: Rate, other: Rate, frequency: float) -> Rate | None:
    """The share of calls that are right.

    Args:
        found: share of the class that is called so.
        other: share of the other class that is not.
        frequency: of the class.
    """
    value, low, high = (
        None if f is None or o is None else _share(f * frequency, (1 - o) * (1 - frequency))
        for f, o in ((found.value, other.value), (found.low, other.low), (found.high, other.high))
    )
    return None if value is None else Rate(value, low, high)


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest else None
