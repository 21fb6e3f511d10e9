"""How far one engine's answers are from another's on the same slices, and whether that is near enough to serve.

The rule was written down before anything was measured by it.
"""

from dataclasses import dataclass

import numpy as np

from app.ct.exam_rule import Decision
from app.ct.precision import Agreement, Alike
from app.ct.scores import SliceScores
from training.metrics.evaluation import DRAWS
from training.metrics.paired_areas import paired_areas


@dataclass(frozen=True)
class Rule:
    """When a precision may be served in the place of float32.

    Attributes:
        most_opposite: slices whose verdict turns to the other side of the band. None: no answer may be reversed by rounding.
        largest_change: of a probability; a reader sees it in per cent, and two of them are less than the narrowest band.
        least_correlation: of both maps, at the worst decile of slices; less is a map one sees to be another. It is also
            what the self-test wants of a map.
        most_auc_loss: half a hundredth is a quarter of what a new model must gain to be worth releasing; also, the loss
            must not be significant at 5 %.
        most_gate_changes: share of slices on the other side of what is like training; a quarter of the share of training and
            validation that the limits are set to leave out (``training.fitting.likeness.FitnessSettings.refused_share``).
    """

    most_opposite: int = 0
    largest_change: float = 0.02
    least_correlation: float = 0.98
    most_auc_loss: float = 0.005
    most_gate_changes: float = 0.005

    def faults(self, found: Agreement) -> tuple[str, ...]:
        """What of the rule does not hold, in words; empty where the precision is allowed.

        A figure that does not exist cannot speak for a precision, so it speaks against.
        """
        loss, low = found.auc_loss, found.auc_loss_low
        holds = {
            "verdicts reversed": found.opposite <= self.most_opposite,
            "change of probability": found.largest_change <= self.largest_change,
            "heat map": _at_least(found.share.worst_decile, self.least_correlation),
            "evidence map": _at_least(found.evidence.worst_decile, self.least_correlation),
            "loss of AUC": loss is not None and loss <= self.most_auc_loss,
            "significance of the loss of AUC": low is not None and low <= 0,
            "likeness to training": found.gate_changes <= self.most_gate_changes * found.slices,
        }
        return tuple(name for name, does in holds.items() if not does)


def _at_least(value: float | None, least: float) -> bool:
    return value is not None and value >= least


@dataclass(frozen=True, eq=False)
class Cases:
    """What the slices are.

    Attributes:
        labels: int (slices,), 1 for COVID-19.
        groups: str (slices,), what is resampled as one.
    """

    labels: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Speed:
    """Milliseconds per slice, and how many times as fast as float32."""

    ms_per_slice: float
    ratio: float


def agreement(
    reference: SliceScores,
    found: SliceScores,
    cases: Cases,
    *,
    decision: Decision,
    speed: Speed,
    draws: int = DRAWS,
    seed: int = 0,
) -> Agreement:
    """Compare two engines' answers.

    Args:
        reference, found: of the same slices in the same order.
        cases: what the slices are.
        decision: of slices.
        speed: of the engine that is judged.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.
    """
    before, after = reference.probabilities, found.probabilities
    change = np.abs(after - before)
    sides = _side(before, decision), _side(after, decision)
    ranked = paired_areas(cases.labels, before, after, cases.groups, draws=draws, seed=seed)
    return Agreement(
        slices=len(before),
        groups=len(np.unique(cases.groups)),
        auc=ranked.second.value,
        reference_auc=ranked.first.value,
        auc_loss=ranked.difference.value,
        auc_loss_low=ranked.difference.low,
        auc_loss_high=ranked.difference.high,
        largest_change=float(change.max()),
        median_change=float(np.median(change)),
        opposite=int((sides[0] * sides[1] < 0).sum()),
        into_or_out_of_band=int(((sides[0] == 0) != (sides[1] == 0)).sum()),
        gate_changes=int(((reference.distance > 1) != (found.distance > 1)).sum()),
        share=_alike(reference.share, found.share),
        evidence=_alike(reference.evidence, found.evidence),
        ms_per_slice=speed.ms_per_slice,
        speed=speed.ratio,
    )


def _side(probabilities: np.ndarray, decision: Decision) -> np.ndarray:
    """1 above the band, 0 in it, -1 below: int (slices,)."""
    low, high = decision.band
    return np.asarray((probabilities > high).astype(int) - (probabilities < low).astype(int))


def _alike(reference: np.ndarray, found: np.ndarray) -> Alike:
    """Over slices of which at least one map has more than one value; where only one has, nothing is alike."""
    pairs = zip(reference.reshape(len(reference), -1), found.reshape(len(found), -1), strict=True)
    spreads = [(a, b, np.ptp(a) > 0, np.ptp(b) > 0) for a, b in pairs]
    values = [float(np.corrcoef(a, b)[0, 1]) if one and other else 0.0 for a, b, one, other in spreads if one or other]
    if not values:
        return Alike(median=None, worst_decile=None)
    return Alike(median=float(np.median(values)), worst_decile=float(np.quantile(values, 0.1)))
