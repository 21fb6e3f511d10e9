"""``covidct-train exam-rules``: every candidate rule measured with a model's own scores, as JSON and as a table.

It changes nothing. ``fit`` chose by the same procedure at its end, on scores of its own; these, of the engine that serves, may
lead to another rule, and the study says which is served and which they would lead to.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app import NOTICE
from app.ct.exam import Slice
from app.ct.exam_rule import ExamRule
from app.ct.reading import read_exam
from training.deciding.decisions import JUDGED_ON, Judged
from training.deciding.exam_rules import CANDIDATES, Measured, chosen, in_words, measured, pooling, rests_on, separation
from training.deciding.patients import HEALTHY_PER_SLICE, Patient, is_other_healthy, patients_of, with_healthy
from training.deciding.stability import SCORED, LogitsOf, WholeExam, phantom_exams, slices_with_lung, stability
from training.measuring.evaluate import model_used
from training.measuring.scoring import By, Scorer, score
from training.metrics.evaluation import DRAWS, as_numbers
from training.records.balance import cell_of
from training.records.catalog import CATALOG, Catalog, CatalogError, Part, Record
from training.records.files import files_of

RULES, TABLE = "exam_rules.json", "exam_rules.md"
_BATCH = 32
_SERVED = "as served"

Say = Callable[[str], None]


def study(
    scorer: Scorer,
    work: Path,
    out: Path,
    *,
    datasets: Sequence[str] = JUDGED_ON,
    exams: Sequence[Path] = (),
    phantoms: Callable[[LogitsOf], list[WholeExam]] = phantom_exams,
    draws: int = DRAWS,
    seed: int = 0,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Measure every rule and write ``exam_rules.json`` and ``exam_rules.md`` into ``out``.

    Args:
        scorer: the classifier.
        work: folder that ``prepare`` wrote; its validation part is scored.
        out: folder to write into.
        datasets: whose validation patients the rules are measured on.
        exams: folders of whole exams beside the phantoms, for stability only: no label of theirs is known here.
        phantoms: draws and scores them.
        draws: bootstrap samples.
        seed: of draws.
        say: told what is going on.

    Returns:
        What ``exam_rules.json`` holds.

    Raises:
        CatalogError: there are no validation patients of both classes, or no rule rises with the label on them.
        ExamError: an exam cannot be read, or shows no lung.
    """
    records = Catalog.read(work / CATALOG).of_part(Part.VALIDATION)
    say("scoring validation slices")
    patients, healthy = patients_of(_judged(scorer, records, datasets)), _healthy(scorer, records, datasets)
    if len({p.label for p in patients}) < 2:
        raise CatalogError(
            "The catalog has no validation patients of both classes with several slices each in the data sets"
            f" {', '.join(datasets)}; others can be named with --dataset."
        )
    say("scoring phantoms and exams")
    whole = [*phantoms(lambda slices: _logits(scorer, slices)), *(_whole(scorer, path) for path in exams)]
    mixed = with_healthy(patients, healthy, seed=seed)
    say("measuring rules")
    rules = measured(mixed, whole, draws=draws, seed=seed)
    if not rules:
        raise CatalogError("No rule rises with the label on these validation patients: there is none to choose.")
    best, fallen = chosen(rules), sorted(CANDIDATES.keys() - {rule.name for rule in rules})
    served = scorer.manifest.exam_rule
    now = Measured(_SERVED, served, separation(served, mixed, draws=draws, seed=seed), stability(served, whole))
    told = [_told(rule, mixed, draws=draws, seed=seed) for rule in [*rules, now]]
    report = {
        "notice": NOTICE,
        "model": model_used(scorer),
        "patients": len(patients),
        "datasets": sorted({p.dataset for p in patients}),
        "healthy_slices": len(healthy),
        "healthy_per_slice": list(HEALTHY_PER_SLICE),
        "bootstrap": {"draws": draws, "seed": seed, "unit": "patient", "level": 0.95},
        "scored": ["all" if n is None else n for n in SCORED],
        "served": served_name(told, served),
        "chosen": best.name,
        "rests_on": rests_on(best, patients, rules=len(rules), healthy=len(healthy), exams=len(whole)),
        "not_rising_with_the_label": fallen,
        "rules": told,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / RULES).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    left_out = f"\n\nNot measured, for they do not rise with the label: {', '.join(fallen)}." if fallen else ""
    said = f"{report['rests_on']}{left_out}\n\n{served_and_chosen(report, served)}"
    (out / TABLE).write_text(table([*rules, now], best, said), encoding="utf-8")
    return report


def served_name(rules: Sequence[Mapping[str, Any]], served: ExamRule) -> str:
    """Which of the rules of ``exam_rules.json`` adds slices up as the served one does, by name."""
    wanted = pooling(served.model_dump(mode="json"))
    return next((str(rule["name"]) for rule in rules if pooling(rule.get("rule", {})) == wanted), _SERVED)


def served_and_chosen(report: Mapping[str, Any], served: ExamRule) -> str:
    """Which rule is served, and whether the study's scores lead to another, in whole sentences.

    Args:
        report: what ``exam_rules.json`` holds; also an older one, which does not name the served rule.
        served: of the model.

    Returns:
        Empty where the study does not say what it would choose.
    """
    rules = {rule["name"]: rule for rule in report.get("rules", ())}
    own, other = served_name(list(rules.values()), served), report.get("chosen")
    if other not in rules or own not in rules:
        return ""
    if own == other:
        return f"Served: {own}. On these scores the same procedure chooses it too."
    hangs = ": the choice hangs on differences smaller than its error" if _within(rules[other], rules[own]) else ""
    return (
        f"Served: {own}. On these scores the same procedure chooses another rule than the one served, {other}{hangs}."
    )


def _within(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one rule's AUC lies in the other's interval."""
    value, interval = one["auc"]["mixed"]["value"], other["auc"]["mixed"]
    return None not in (value, interval["low"]) and bool(interval["low"] <= value <= interval["high"])


def _judged(scorer: Scorer, records: Sequence[Record], datasets: Sequence[str]) -> Judged:
    """Validation slices of known patients, of the data sets that decisions are made on."""
    cases = score([r for r in records if r.dataset in datasets and r.patient], scorer, by=By.SLICE)
    read = [case for case in cases if len(case.logits)]
    return Judged(
        np.array([case.logits[0] for case in read]),
        np.array([case.record.label for case in read]),
        [cell_of(case.record) for case in read],
        [case.record.group for case in read],
    )


def _healthy(scorer: Scorer, records: Sequence[Record], datasets: Sequence[str]) -> np.ndarray:
    """Logits of healthy slices of other people: of no data set whose patients are judged."""
    cases = score([r for r in records if is_other_healthy(r) and r.dataset not in datasets], scorer, by=By.SLICE)
    return np.array([logit for case in cases for logit in case.logits])


def _logits(scorer: Scorer, slices: Sequence[Slice]) -> np.ndarray:
    batches = [slices[k : k + _BATCH] for k in range(0, len(slices), _BATCH)]
    return np.concatenate([scorer.score(batch).logits for batch in batches])


def _whole(scorer: Scorer, folder: Path) -> WholeExam:
    files = files_of(folder)
    if not files:
        raise CatalogError("A folder given as an exam holds no file.")
    return WholeExam(folder.name, _logits(scorer, slices_with_lung(read_exam(files))))


def _told(rule: Measured, patients: Sequence[Patient], *, draws: int, seed: int) -> dict[str, Any]:
    """One candidate for the JSON."""
    by_dataset = {}
    for name in sorted({p.dataset for p in patients}):
        own = separation(rule.rule, [p for p in patients if p.dataset == name], draws=draws, seed=seed)
        by_dataset[name] = as_numbers({"mixed": own.mixed, "as_sent": own.as_sent})
    steady = rule.stability
    return {
        "name": rule.name,
        "rule": rule.rule.model_dump(mode="json", exclude={"rests_on"}),
        "auc": as_numbers({"mixed": rule.separation.mixed, "as_sent": rule.separation.as_sent}),
        "auc_by_dataset": by_dataset,
        "largest_change": steady.largest_change,
        "opposite_verdicts": steady.opposite,
        "changed_verdicts": steady.changed,
        "phantoms_in_order": steady.in_order,
        "exams": [
            {"exam": a.exam, "probabilities": a.probabilities, "others": a.others, "verdicts": sorted(a.verdicts)}
            for a in steady.answers
        ],
    }


def table(rules: Sequence[Measured], best: Measured, said: str) -> str:
    """All candidates as Markdown."""
    return "\n".join(_lines(rules, best, said)) + "\n"


def _lines(rules: Sequence[Measured], best: Measured, said: str) -> Iterator[str]:
    exams = len(best.stability.answers)
    yield "# Exam rules\n"
    yield f"{NOTICE}\n"
    yield (
        "AUC by patient with its 95 % interval, meaned over data sets: of patients among healthy slices of others and as"
        f" sent, and of patients as sent alone. Largest change of the probability of any of {exams} phantoms and other"
        " exams with the slices scored (16, 32, 64, all, four other choices of 32); exams given opposite verdicts, and"
        " exams whose verdict changes at all; whether phantoms with more lesions are more probable.\n"
    )
    yield "| rule | AUC, mixed | AUC, as sent | largest change | opposite | changed | phantoms in order |"
    yield "|---|---|---|---|---|---|---|"
    for one in rules:
        name = f"**{one.name}**" if one is best else one.name
        figures = f"{in_words(one.separation.mixed)} | {in_words(one.separation.as_sent)}"
        steady = one.stability
        order = "yes" if steady.in_order else "no"
        yield f"| {name} | {figures} | {steady.largest_change:.2f} | {steady.opposite} | {steady.changed} | {order} |"
    yield f"\nChosen on these scores: {best.name}. {said}"
