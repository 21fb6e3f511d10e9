"""The curves of an evaluation, as numbers for ``metrics.json`` and as pictures beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.measuring.figures import (
    draw_decision,
    draw_forest,
    draw_precision_recall,
    draw_prevalence,
    draw_probabilities,
    draw_reliability,
    draw_roc,
)
from training.metrics.benefit import DecisionCurve, PredictiveValues, decision_curve, predictive_values
from training.metrics.curves import Bin, Curve, precision_recall, reliability, roc
from training.metrics.evaluation import Interval, Sample, as_numbers

ROC, PRECISION_RECALL, RELIABILITY = "roc.png", "precision-recall.png", "reliability.png"
PROBABILITIES, PREVALENCE, DECISION, SOURCES = (
    "probabilities.png",
    "prevalence.png",
    "decision-curve.png",
    "sources.png",
)
FIGURES = (ROC, PRECISION_RECALL, RELIABILITY, PROBABILITIES, PREVALENCE, DECISION, SOURCES)
_EVERY = 5
"""Of the decision curve's hundredths, those that ``metrics.json`` holds."""


@dataclass(frozen=True, eq=False)
class Curves:
    """All curves of a sample; None or empty where the sample has none."""

    roc: Curve | None
    precision_recall: Curve | None
    reliability: list[Bin]
    predictive_values: list[PredictiveValues]
    decision: DecisionCurve | None

    @classmethod
    def of(cls, sample: Sample, *, draws: int, seed: int) -> "Curves":
        """Compute them; any sample will do, also an empty one."""
        return cls(
            roc(sample, draws=draws, seed=seed),
            precision_recall(sample, draws=draws, seed=seed),
            reliability(sample, draws=draws, seed=seed),
            predictive_values(sample, draws=draws, seed=seed),
            decision_curve(sample, draws=draws, seed=seed),
        )

    def as_numbers(self) -> dict[str, Any]:
        """What ``metrics.json`` holds of them."""
        return {
            "reliability": [
                {"given": b.given, "n": b.n, "groups": b.groups, **as_numbers({"true": b.true})}
                for b in self.reliability
            ],
            "predictive_values": [
                {"prevalence": row.prevalence, **as_numbers({"ppv": row.ppv, "npv": row.npv})}
                for row in self.predictive_values
            ],
            "decision_curve": [] if self.decision is None else _decisions(self.decision),
        }


def _decisions(curve: DecisionCurve) -> list[dict[str, Any]]:
    scored, rows = curve.by_score, range(_EVERY - 1, len(curve.by_score.x), _EVERY)
    return [
        {
            "threshold": round(float(scored.x[k]), 2),
            "net_benefit": {name: _number(getattr(scored, at)[k]) for name, at in _ENDS.items()},
            "all_treated": _number(curve.all_treated.y[k]),
        }
        for k in rows
    ]


_ENDS = {"value": "y", "low": "low", "high": "high"}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def draw(
    curves: Curves,
    sample: Sample,
    out: Path,
    *,
    metrics: Mapping[str, Interval],
    threshold: float,
    per_source: Mapping[str, Interval],
) -> list[str]:
    """Draw into ``out`` what exists; figures of an earlier evaluation there are taken away.

    Args:
        curves: of the sample.
        sample: what was measured.
        out: folder.
        metrics: of the sample.
        threshold: on the probability of the positive class.
        per_source: AUC of each data set.

    Returns:
        The names of the figures drawn.
    """
    for name in FIGURES:
        (out / name).unlink(missing_ok=True)
    if not len(sample.labels):
        return []
    if curves.roc is not None:
        draw_roc(curves.roc, metrics["auc"], sample, out / ROC)
    if curves.precision_recall is not None:
        draw_precision_recall(curves.precision_recall, metrics["average_precision"], sample, out / PRECISION_RECALL)
    draw_reliability(curves.reliability, metrics["calibration_slope"], sample, out / RELIABILITY)
    draw_probabilities(sample, threshold, out / PROBABILITIES)
    if curves.predictive_values:
        draw_prevalence(curves.predictive_values, out / PREVALENCE)
    if curves.decision is not None:
        draw_decision(curves.decision, sample, out / DECISION)
    if sum(f.value is not None for f in per_source.values()) > 1:
        draw_forest(per_source, out / SOURCES, x="AUC", chance=0.5)
    return [name for name in FIGURES if (out / name).is_file()]
