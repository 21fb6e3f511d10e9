"""Which exam rule: candidates, and what tells validation patients apart however many healthy slices come with theirs.

The data sets hold a few slices a patient, picked because they show disease; a whole exam holds many healthy ones. A rule must
serve both. So each patient is judged as sent and with healthy validation slices of other people mixed in, the same number
for either class, and all of these are ranked together: a rule that answers the mixture otherwise than the patient loses.

How a rule is chosen was fixed before any was measured: out is what gives opposite verdicts for different slices of one exam
or puts phantoms out of order (``stability``); of the rest, all count as equal that are within one standard error of the best;
of equals the one whose probability changes least with the slices scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from app.ct.exam_rule import Decision, ExamRule, TopShareMean
from training.deciding.decisions import FallingScores, Judged, calibrate, decide, softened, undecided
from training.deciding.patients import Patient, patients_of, with_healthy
from training.deciding.stability import Stability, WholeExam, stability
from training.metrics.evaluation import DRAWS, Interval, bootstrap, fewest_groups, interval
from training.metrics.ranking import areas, by_score
from training.records.balance import balanced_weights

_LEAST_EXAM_BAND = 0.6
"""Logits on each side of the threshold; wider than for slices: the rule rests on so few patients."""
_ONE_CLASS_SHARE = 0.25
_PLAIN_SHARE = 0.3
_NO_PATIENTS = "Chosen on nothing: there were no validation patients of both classes with several slices."
_NO_RULE = "Chosen on nothing: on the validation patients with several slices no rule rose with the label."
_RANKING = "Read exam probabilities as a ranking."
_FITTED = ("slope", "intercept", "decision", "rests_on")
_UNDECIDED = Decision(threshold=0.5, band=(0.5, 0.5))


def _rule(name: str, **settings: float) -> ExamRule:
    blank = {"name": name, "decision": _UNDECIDED, "rests_on": ""}
    return TypeAdapter[ExamRule](ExamRule).validate_python(blank | settings)


def _candidates() -> dict[str, ExamRule]:
    shares = {f"mean of the strongest {s:.0%}": _rule("top-share-mean", top_share=s) for s in (0.5, 0.3, 0.2, 0.1)}
    floors = {
        f"mean of the strongest {s:.0%}, at least {n}": _rule("top-share-mean", top_share=s, least_slices=n)
        for s, n in ((0.3, 4), (0.2, 4), (0.1, 8))
    }
    leaning = {f"log-mean-exp, sharpness {k:g}": _rule("log-mean-exp", sharpness=k) for k in (0.5, 1, 2, 4)}
    return {
        "mean logit": _rule("top-share-mean", top_share=1.0),
        "mean probability": _rule("mean-probability"),
        **shares,
        **floors,
        **leaning,
        **{f"quantile {q:g}": _rule("quantile", at=q) for q in (0.5, 0.75, 0.9)},
        "maximum": _rule("quantile", at=1.0),
        "noisy-or of all slices": _rule("noisy-or"),
        "noisy-or of 4 average slices": _rule("noisy-or", of_slices=4),
    }


CANDIDATES: Mapping[str, ExamRule] = _candidates()
"""By name, simplest first; their calibration and decision come from the patients."""


def fitted(rule: ExamRule, patients: Sequence[Patient]) -> ExamRule:
    """The rule with its calibration, threshold and band from the patients.

    Raises:
        ValueError: the pooled logits do not rise with the label.
    """
    pooled, labels, weights = _pooled(rule, patients), _labels(patients), _weights(patients)
    cases = tuple(len({p.group for p in patients if p.label == label}) for label in (0, 1))
    slope, intercept = calibrate(*softened(pooled, labels, weights, cases=(cases[0], cases[1])))
    decision = decide(slope * pooled + intercept, labels, weights, least_band=_LEAST_EXAM_BAND)
    changes = {"slope": slope, "intercept": intercept, "decision": decision}
    return rule.model_copy(update=changes)


def _pooled(rule: ExamRule, patients: Sequence[Patient]) -> np.ndarray:
    return np.array([rule.pooled(np.asarray(p.logits, dtype=np.float64)) for p in patients])


def _labels(patients: Sequence[Patient]) -> np.ndarray:
    return np.array([p.label for p in patients])


def _weights(patients: Sequence[Patient]) -> np.ndarray:
    return balanced_weights([p.cell for p in patients], _labels(patients), one_class_share=_ONE_CLASS_SHARE)


@dataclass(frozen=True, eq=False)
class Separation:
    """How well a rule tells patients apart: AUC, meaned over data sets.

    Attributes:
        mixed: of all mixtures together; what rules are chosen by.
        as_sent: of the patients as sent.
        resampled: float (draws,), ``mixed`` in bootstrap samples of patients; alike for all rules of one seed.
    """

    mixed: Interval
    as_sent: Interval
    resampled: np.ndarray


def separation(rule: ExamRule, patients: Sequence[Patient], *, draws: int = DRAWS, seed: int = 0) -> Separation:
    """AUC by patient with bootstrap intervals, for mixtures and as sent."""
    sent = [p for p in patients if p.healthy_per_slice == 0]
    groups = _fewest_patients(sent)
    mixed, as_sent = (_aucs(rule, which, draws=draws, seed=seed) for which in (patients, sent))
    return Separation(
        interval(mixed[0], mixed[1:], groups=groups), interval(as_sent[0], as_sent[1:], groups=groups), mixed[1:]
    )


def _fewest_patients(patients: Sequence[Patient]) -> int:
    """Of the data sets with both classes, those of the rarer class where they are fewest: the mean AUC rests on them."""
    names = sorted({p.dataset for p in patients})
    of_each = [[p for p in patients if p.dataset == name] for name in names]
    counts = [fewest_groups(_labels(own), np.array([p.group for p in own])) for own in of_each]
    return min((count for count in counts if count), default=0)


def _aucs(rule: ExamRule, patients: Sequence[Patient], *, draws: int, seed: int) -> np.ndarray:
    """AUC meaned over data sets with both classes: of the patients, then of each bootstrap sample. float (1 + draws,)."""
    scores, labels = _pooled(rule, patients), _labels(patients)
    datasets = np.array([p.dataset for p in patients])
    owns = [own for own in (datasets == name for name in np.unique(datasets)) if len(set(labels[own])) == 2]

    def aucs(weights: np.ndarray) -> np.ndarray:
        of_each = [areas(*by_score(labels[own], scores[own], weights[:, own])) for own in owns]
        return np.asarray(np.mean(of_each, axis=0)) if of_each else np.full(len(weights), np.nan)

    drawn = bootstrap(aucs, np.array([p.group for p in patients], dtype=np.str_), draws, seed)
    return np.concatenate([aucs(np.ones((1, len(patients)))), drawn])


@dataclass(frozen=True, eq=False)
class Measured:
    """One candidate with all that is known of it."""

    name: str
    rule: ExamRule
    separation: Separation
    stability: Stability


def measured(
    patients: Sequence[Patient], exams: Sequence[WholeExam], *, draws: int = DRAWS, seed: int = 0
) -> list[Measured]:
    """Every candidate that rises with the label, fitted and measured.

    Args:
        patients: as ``with_healthy`` gives them.
        exams: whole ones, phantoms and others; none is looked at for its label.
        draws: bootstrap samples.
        seed: of the bootstrap.
    """
    found = []
    for name, candidate in CANDIDATES.items():
        try:
            rule = fitted(candidate, patients)
        except FallingScores:
            continue
        told = separation(rule, patients, draws=draws, seed=seed)
        found.append(Measured(name, rule, told, stability(rule, exams)))
    return found


def chosen(candidates: Sequence[Measured]) -> Measured:
    """The rule to serve of at least one, by the choice fixed above; where every candidate is out, of all of them."""
    steady = [c for c in candidates if not c.stability.opposite and c.stability.in_order is not False] or candidates
    best = max(steady, key=_auc)
    equals = [c for c in steady if _auc(best) - _auc(c) <= _standard_error(best, c)]
    return min(equals, key=lambda c: c.stability.largest_change)


def pooling(rule: Mapping[str, object]) -> dict[str, object]:
    """What of a rule's settings says how slices add up: all but its calibration, its decision and what they rest on."""
    return {name: value for name, value in rule.items() if name not in _FITTED}


def _auc(candidate: Measured) -> float:
    value = candidate.separation.mixed.value
    return -1.0 if value is None else value


def _standard_error(one: Measured, other: Measured) -> float:
    """Of the difference of two rules on the same patients."""
    difference = one.separation.resampled - other.separation.resampled
    exists = difference[np.isfinite(difference)]
    return float(exists.std()) if len(exists) else 0.0


def choose_exam_rule(
    scored: Judged, healthy: np.ndarray, exams: Sequence[WholeExam] = (), *, draws: int = DRAWS, seed: int = 0
) -> ExamRule:
    """The rule to serve, fitted on validation patients.

    A plain one with the widest band where there are none of both classes, or where no rule puts them in order: how slices add
    up is then not known, while what is told of a single slice stands.

    Args:
        scored: calibrated logits of validation slices whose patient is known.
        healthy: float (slices,), calibrated logits of healthy validation slices.
        exams: phantoms, to judge what answers alike whichever slices are scored; without any, only the patients decide.
        draws: bootstrap samples.
        seed: of draws.
    """
    patients = patients_of(scored)
    if len({p.label for p in patients}) < 2:
        return plain(f"{_NO_PATIENTS} {_RANKING}")
    rules = measured(with_healthy(patients, healthy, seed=seed), exams, draws=draws, seed=seed)
    if not rules:
        return plain(f"{_NO_RULE} {_RANKING}")
    best = chosen(rules)
    told = rests_on(best, patients, rules=len(rules), healthy=len(healthy), exams=len(exams))
    return best.rule.model_copy(update={"rests_on": told})


def plain(rests_on: str) -> ExamRule:
    """The rule with the widest band that is served where nothing could be chosen; ``rests_on`` says why that was so."""
    return TopShareMean(top_share=_PLAIN_SHARE, decision=undecided(), rests_on=rests_on)


def rests_on(best: Measured, patients: Sequence[Patient], *, rules: int, healthy: int, exams: int) -> str:
    """What the choice rests on and how far that carries, for the manifest, in whole sentences.

    Args:
        best: the chosen one.
        patients: as sent.
        rules: how many were measured.
        healthy: how many healthy slices were mixed in.
        exams: how many whole exams were judged.
    """
    datasets = " and ".join(sorted({p.dataset for p in patients}))
    median = round(float(np.median([len(p.logits) for p in patients])))
    mixed = f", each also among {healthy} healthy slices of others" if healthy else ""
    steady = (
        f" On {exams} phantoms and other whole exams, judged by 16, 32, 64 and all slices and by other choices of 32, the"
        f" probability changes by {best.stability.largest_change:.2f} at most."
        if exams
        else " How much depends on which slices are scored was not measured."
    )
    return (
        f"Chosen of {rules} rules on {len(patients)} validation patients of {datasets} with two or more slices"
        f" each (median {median}){mixed}: AUC {in_words(best.separation.mixed)}.{steady} Whole exams with a known"
        " diagnosis are far too few to choose or to calibrate on: read exam probabilities as a ranking."
    )


def in_words(figure: Interval) -> str:
    """A figure with its interval, for a sentence."""
    if figure.value is None:
        return "unknown"
    return f"{figure.value:.2f}" + ("" if figure.low is None else f" ({figure.low:.2f} to {figure.high:.2f})")
