"""How far answers moved between two looks at the same cases: numbers in, one row of an audit's table out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.audits.alterations import Alteration
from training.audits.trial import Pair
from training.measuring.scoring import By
from training.metrics.evaluation import Interval, share
from training.metrics.paired_areas import paired_areas

NONE = Interval(None)
ALL = "all"
"""What the row over all sources names as its source."""


@dataclass(frozen=True)
class Bootstrap:
    """How many samples of groups intervals rest on, and the seed they are drawn with."""

    draws: int
    seed: int


@dataclass(frozen=True)
class Aucs:
    """AUC before, after, and after less before on the same cases; all None for one class."""

    before: Interval = NONE
    after: Interval = NONE
    change: Interval = NONE


@dataclass(frozen=True)
class Medians:
    """Median probability of positives and negatives before and after; an AUC says nothing of how far they lie apart."""

    positives_before: float | None = None
    negatives_before: float | None = None
    positives_after: float | None = None
    negatives_after: float | None = None


@dataclass(frozen=True)
class Moves:
    """How far probabilities moved.

    Attributes:
        largest, percentile95, median: of the absolute change; None where nothing was scored twice.
        flips: share whose side of the threshold changed.
        flips_inside: how many of these lay inside the inconclusive band before.
        flips_outside: how many lay outside, where there had been a verdict.
        verdicts_changed: how many got another of the three verdicts, which gaps in the lungs decide too.
    """

    largest: float | None = None
    percentile95: float | None = None
    median: float | None = None
    flips: Interval = NONE
    flips_inside: int = 0
    flips_outside: int = 0
    verdicts_changed: int = 0


@dataclass(frozen=True)
class Row:
    """One alteration on one source.

    Attributes:
        alteration, strength: what was done.
        source: the data set, or ``ALL``.
        by: whether slices or exams are counted.
        n, positives, groups: of the pairs that could be scored before and after; positives None for slices of exams.
        lost: how many could be scored before, and not after.
        not_chosen: how many more slices were scored before, and not chosen again from their exam after.
        refused_before, refused_after: how many of all but these serving would refuse.
    """

    alteration: str
    strength: str
    source: str
    by: By
    n: int
    positives: int | None
    groups: int
    lost: int
    not_chosen: int
    refused_before: int
    refused_after: int
    auc: Aucs
    medians: Medians
    moves: Moves


@dataclass(frozen=True, eq=False)
class _Scored:
    """Pairs scored before and after: float64 (pairs,) each, str (pairs,) groups, and labels where all have one."""

    pairs: tuple[Pair, ...]
    before: np.ndarray
    after: np.ndarray
    groups: np.ndarray
    labels: np.ndarray | None

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> "_Scored":
        kept = tuple(p for p in pairs if p.before is not None and p.after is not None)
        labels = [p.label for p in kept if p.label is not None]
        return cls(
            kept,
            before=np.array([p.before for p in kept], dtype=np.float64),
            after=np.array([p.after for p in kept], dtype=np.float64),
            groups=np.array([p.group for p in kept], dtype=np.str_),
            labels=np.array(labels) if len(labels) == len(kept) else None,
        )


def row(pairs: Sequence[Pair], alteration: Alteration, *, source: str, by: By, bootstrap: Bootstrap) -> Row:
    """Measure pairs of one alteration and source; there may be none."""
    scored, again = _Scored.of(pairs), [p for p in pairs if not p.not_chosen]
    return Row(
        alteration=alteration.name,
        strength=alteration.strength,
        source=source,
        by=by,
        n=len(scored.pairs),
        positives=None if scored.labels is None else int(scored.labels.sum()),
        groups=len(set(scored.groups.tolist())),
        lost=sum(p.before is not None and p.after is None for p in again),
        not_chosen=len(pairs) - len(again),
        refused_before=sum(p.refused_before for p in again),
        refused_after=sum(p.refused_after for p in again),
        auc=Aucs()
        if scored.labels is None
        else auc_pair(scored.labels, scored.before, scored.after, scored.groups, bootstrap),
        medians=Medians() if scored.labels is None else _medians(scored, scored.labels),
        moves=_moves(scored, bootstrap) if scored.pairs else Moves(),
    )


def _medians(scored: _Scored, labels: np.ndarray) -> Medians:
    def median(scores: np.ndarray, label: int) -> float | None:
        own = scores[labels == label]
        return float(np.median(own)) if len(own) else None

    return Medians(
        positives_before=median(scored.before, 1),
        negatives_before=median(scored.before, 0),
        positives_after=median(scored.after, 1),
        negatives_after=median(scored.after, 0),
    )


def _moves(scored: _Scored, bootstrap: Bootstrap) -> Moves:
    moved = np.abs(scored.after - scored.before)
    thresholds = np.array([p.decision.threshold for p in scored.pairs])
    low, high = np.array([p.decision.band for p in scored.pairs]).T
    flipped = (scored.before >= thresholds) != (scored.after >= thresholds)
    inside = (scored.before >= low) & (scored.before <= high)
    return Moves(
        largest=float(moved.max()),
        percentile95=float(np.percentile(moved, 95)),
        median=float(np.median(moved)),
        flips=share(flipped, scored.groups, draws=bootstrap.draws, seed=bootstrap.seed),
        flips_inside=int((flipped & inside).sum()),
        flips_outside=int((flipped & ~inside).sum()),
        verdicts_changed=sum(p.verdict_before is not p.verdict_after for p in scored.pairs),
    )


def auc_pair(
    labels: np.ndarray, before: np.ndarray, after: np.ndarray, groups: np.ndarray, bootstrap: Bootstrap
) -> Aucs:
    """AUC before, AUC after, and after less before, each resampled with the same groups; as ``paired_areas``."""
    found = paired_areas(labels, after, before, groups, draws=bootstrap.draws, seed=bootstrap.seed)
    return Aucs(found.second, found.first, found.difference)
