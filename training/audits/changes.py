"""How far answers moved between two looks at the same cases: numbers in, one row of an audit's table out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.ct.diagnosis import verdict
from training.audits.alterations import Alteration
from training.audits.trial import Pair
from training.evaluation import Interval, auc, group_weights, interval, share
from training.scoring import By

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
        verdicts_changed: how many got another of the three verdicts.
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
        refused_before, refused_after: how many of all serving would refuse.
    """

    alteration: str
    strength: str
    source: str
    by: By
    n: int
    positives: int | None
    groups: int
    lost: int
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
    scored = _Scored.of(pairs)
    return Row(
        alteration=alteration.name,
        strength=alteration.strength,
        source=source,
        by=by,
        n=len(scored.pairs),
        positives=None if scored.labels is None else int(scored.labels.sum()),
        groups=len(set(scored.groups.tolist())),
        lost=sum(p.before is not None and p.after is None for p in pairs),
        refused_before=sum(p.refused_before for p in pairs),
        refused_after=sum(p.refused_after for p in pairs),
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
    verdicts = [
        (verdict(before, p.decision), verdict(after, p.decision))
        for p, before, after in zip(scored.pairs, scored.before.tolist(), scored.after.tolist(), strict=True)
    ]
    return Moves(
        largest=float(moved.max()),
        percentile95=float(np.percentile(moved, 95)),
        median=float(np.median(moved)),
        flips=share(flipped, scored.groups, draws=bootstrap.draws, seed=bootstrap.seed),
        flips_inside=int((flipped & inside).sum()),
        flips_outside=int((flipped & ~inside).sum()),
        verdicts_changed=sum(first is not second for first, second in verdicts),
    )


def auc_pair(
    labels: np.ndarray, before: np.ndarray, after: np.ndarray, groups: np.ndarray, bootstrap: Bootstrap
) -> Aucs:
    """AUC before, AUC after, and after less before, each resampled with the same groups.

    Args:
        labels: int (records,), 0 or 1.
        before, after: float (records,), scores.
        groups: str (records,).
        bootstrap: of the intervals; none with one class or fewer than two groups of either.
    """
    values = auc(labels, before), auc(labels, after)
    if values[0] is None or values[1] is None:
        return Aucs()
    names, owner = np.unique(groups, return_inverse=True)
    behind = min(len(set(groups[labels == label].tolist())) for label in (0, 1))
    change = values[1] - values[0]
    if behind < 2:
        return Aucs(Interval(values[0]), Interval(values[1]), Interval(change))
    weights = group_weights(len(names), draws=bootstrap.draws, seed=bootstrap.seed)
    drawn = [_resampled(labels, scores, owner, weights) for scores in (before, after)]
    return Aucs(
        interval(values[0], drawn[0], groups=behind),
        interval(values[1], drawn[1], groups=behind),
        percentiles(change, drawn[1] - drawn[0]),
    )


def _resampled(labels: np.ndarray, scores: np.ndarray, owner: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of each draw, float64 (draws,); nan where a draw holds one class.

    Pairs of a positive and a negative are won between groups once, then only weighted.
    """
    positive = labels == 1
    higher = np.sign(np.subtract.outer(scores[positive], scores[~positive])) / 2 + 0.5
    of_group = np.eye(weights.shape[1])[owner]
    won = of_group[positive].T @ higher @ of_group[~positive]
    pairs = (weights @ of_group[positive].sum(axis=0)) * (weights @ of_group[~positive].sum(axis=0))
    total = ((weights @ won) * weights).sum(axis=1)
    return np.asarray(np.divide(total, pairs, out=np.full(len(weights), np.nan), where=pairs > 0))


def percentiles(value: float, drawn: np.ndarray) -> Interval:
    """A figure with the percentiles of its bootstrap values, for figures that are no share of cases.

    Args:
        value: the figure.
        drawn: float (draws,), nan where a draw has none; no interval where that is half of them.
    """
    exists = drawn[np.isfinite(drawn)]
    if len(exists) < len(drawn) / 2:
        return Interval(value)
    low, high = np.percentile(exists, (2.5, 97.5))
    return Interval(value, low=float(low), high=float(high))
