"""``covidct-train evaluate``: score labelled data as the service would, and write down what that is worth."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app import NOTICE
from app.ct.diagnosis import Verdict
from app.ct.manifest import Manifest
from training.measuring.choosing import slices_at_most
from training.measuring.evaluation_report import write_report
from training.measuring.gallery import GALLERY, write_gallery
from training.measuring.illustrate import Curves, draw
from training.measuring.masks import localization
from training.measuring.operating import OperatingPoint, offered, on_validation, taken_over
from training.measuring.parts import NOT_SAID
from training.measuring.scoring import By, Scored, Scorer, of_both_labels, score
from training.metrics.evaluation import DRAWS, Interval, Sample, as_numbers, measure, share
from training.metrics.recalibration import recalibration
from training.records.catalog import Catalog, CatalogError, Record
from training.records.merging import whole_patients
from training.records.prepared import without_patients
from training.run import METRICS

SCORES = "scores.csv"
POSITIVE = {"COVID-19": 1, "non-COVID-19": 0}


def evaluate(
    scorer: Scorer,
    data: Sequence[Path],
    out: Path,
    *,
    where: Sequence[str] = (),
    by: By = By.SLICE,
    positive: str = "COVID-19",
    threshold_from: tuple[Path, str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Score records and write ``metrics.json``, ``scores.csv``, figures, a gallery of failures and a report into ``out``.

    Args:
        scorer: the classifier.
        data: folders with a manifest or a catalog, or such files.
        out: folder to write into.
        where: conditions that the records fulfil; see ``Catalog.where``.
        by: what is one case.
        positive: the positive class, "COVID-19" or "non-COVID-19".
        threshold_from: ``metrics.json`` of an evaluation on validation and the name of a threshold it offers; where not
            given, the threshold is the one that the model serves with.
        draws: bootstrap samples.
        seed: of the bootstrap.
        progress: told how many of how many records are done.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        CatalogError: the data cannot be used, or no record fulfils the conditions.
        ThresholdError: the threshold cannot be taken over from there.
    """
    records = whole_patients(Catalog.read(*data, where=where).records)
    if not records:
        raise CatalogError("No record fulfils the conditions.")
    point = _operating_point(scorer, by, threshold_from)
    cases = score(records, scorer, by=by, progress=progress)
    if threshold_from is not None:
        cases = [_called_at(case, point.threshold) for case in cases]
    scored = [case for case in cases if case.probability is not None]
    sample = _sample(scored).for_positive(POSITIVE[positive])
    curves = Curves.of(sample, draws=draws, seed=seed)
    report = {
        "notice": NOTICE,
        "model": model_used(scorer),
        "trained_with": dict(scorer.manifest.trained_with),
        "data": [path.resolve().name for path in data],
        "where": list(where),
        "parts": dict(Counter(str(record.part or NOT_SAID) for record in records)),
        "by": str(by),
        **({"slices_at_most": slices_at_most(scorer) or "all"} if by is By.EXAM else {}),
        "positive_class": positive,
        "threshold": point.threshold,
        "threshold_chosen": point.chosen,
        "without_patients": without_patients(records),
        **({"patients_of_both_labels": of_both_labels(cases)} if by is By.PATIENT else {}),
        "bootstrap": {"draws": draws, "seed": seed, "unit": "group", "level": 0.95},
        "refusals": [{"file": _name(c.record, data), "why": c.refused} for c in cases if c.refused],
        "masks_not_used": [
            {"file": _name(one.record, data), "why": one.problem} for c in cases for one in c.located if one.problem
        ],
        **_measured(cases, scored, positive, draws=draws, seed=seed),
        **_chosen(_sample(scored), records, draws=draws, seed=seed),
        **curves.as_numbers(),
    }
    out.mkdir(parents=True, exist_ok=True)
    report["figures"] = _draw(curves, sample, report, out)
    (out / METRICS).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    _write_scores(out / SCORES, cases, data)
    write_gallery(scored, out / GALLERY, name=lambda record: _name(record, data), facts=_facts(report))
    write_report(report, out)
    return report


def _measured(
    cases: Sequence[Scored], scored: Sequence[Scored], positive: str, *, draws: int, seed: int
) -> dict[str, Any]:
    return {
        **_summary(cases, positive, draws=draws, seed=seed),
        "unscored": len(cases) - len(scored),
        "accepted": _summary([c for c in cases if not c.refused], positive, draws=draws, seed=seed),
        "per_source": _per_source(cases, positive, draws=draws, seed=seed),
        "localization": localization([one for c in scored for one in c.located], draws=draws, seed=seed),
        "evidence_in_lung": _evidence_in_lung(scored, draws=draws, seed=seed),
    }


def _chosen(sample: Sample, records: Sequence[Record], *, draws: int, seed: int) -> dict[str, Any]:
    """What may be chosen, with COVID-19 as the positive class; nothing unless every record is of validation."""
    if not on_validation(sample, records):
        return {"thresholds": None, "recalibration": None}
    return {"thresholds": offered(sample), "recalibration": recalibration(sample, draws=draws, seed=seed)}


class Named(Protocol):
    """What of a classifier says which it is."""

    manifest: Manifest
    engine_name: str


def model_used(scorer: Named) -> dict[str, str]:
    """Which model an evaluation is made with, as ``metrics.json`` names it."""
    manifest: Manifest = scorer.manifest
    return {
        "name": manifest.name,
        "sha256": manifest.sha256,
        "weights_sha256": manifest.files["weights.safetensors"],
        "judgement_sha256": manifest.judgement_sha256,
        "engine": scorer.engine_name,
    }


def _operating_point(scorer: Scorer, by: By, threshold_from: tuple[Path, str] | None) -> OperatingPoint:
    if threshold_from is not None:
        metrics, name = threshold_from
        return taken_over(metrics, name, model=model_used(scorer), by=str(by))
    manifest = scorer.manifest
    decision = manifest.image if by is By.SLICE else manifest.exam_rule.decision
    return OperatingPoint(decision.threshold, "by training, on validation: the one the model serves with")


def _called_at(case: Scored, threshold: float) -> Scored:
    return case if case.probability is None else replace(case, called=case.probability >= threshold)


def _sample(cases: Sequence[Scored]) -> Sample:
    return Sample(
        labels=np.array([case.record.label for case in cases], dtype=np.int64),
        probabilities=np.array([case.probability for case in cases], dtype=np.float64),
        predicted=np.array([case.called for case in cases], dtype=bool),
        groups=np.array([case.record.group for case in cases], dtype=np.str_),
    )


def _summary(cases: Sequence[Scored], positive: str, *, draws: int, seed: int) -> dict[str, Any]:
    """Counts and metrics of the cases that could be scored; ``refused`` counts all that serving would refuse."""
    scored = [case for case in cases if case.probability is not None]
    label = POSITIVE[positive]
    return {
        "n": len(scored),
        "positives": sum(case.record.label == label for case in scored),
        "groups": len({case.record.group for case in scored}),
        "refused": sum(bool(case.refused) for case in cases),
        "cases": len(cases),
        "verdicts": verdicts([c.record.label == label for c in scored], [str(c.verdict) for c in scored]),
        "refused_share": as_numbers({"": _refused_share(cases, draws=draws, seed=seed)})[""],
        "metrics": as_numbers(measure(_sample(scored).for_positive(label), draws=draws, seed=seed)),
    }


def verdicts(positive: Sequence[bool], given: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often each verdict is given to cases of the positive class and to the others, as ``metrics.json`` holds it."""
    of_class = {
        name: Counter(v for p, v in zip(positive, given, strict=True) if p == wanted)
        for name, wanted in (("positives", True), ("negatives", False))
    }
    return {name: {str(v): found[v] for v in Verdict} for name, found in of_class.items()}


def _refused_share(cases: Sequence[Scored], *, draws: int, seed: int) -> Interval:
    refused = np.array([bool(case.refused) for case in cases])
    return share(refused, _groups(cases), draws=draws, seed=seed)


def _groups(cases: Sequence[Scored]) -> np.ndarray:
    return np.array([case.record.group for case in cases], dtype=np.str_)


def _per_source(cases: Sequence[Scored], positive: str, *, draws: int, seed: int) -> dict[str, Any]:
    return {
        name: _summary([c for c in cases if c.record.dataset == name], positive, draws=draws, seed=seed)
        for name in sorted({case.record.dataset for case in cases})
    }


def _evidence_in_lung(cases: Sequence[Scored], *, draws: int, seed: int) -> dict[str, Any]:
    """Share of the heat inside the lungs, mean over the cases called COVID-19 (of the others there is hardly any heat)."""
    called = [case for case in cases if case.called and case.shown is not None]
    found = [(c, c.shown.evidence_in_lung) for c in called if c.shown and c.shown.evidence_in_lung is not None]
    mean = share(np.array([s for _, s in found]), _groups([c for c, _ in found]), draws=draws, seed=seed)
    return {"n": len(found), "without_lungs": len(called) - len(found), **as_numbers({"": mean})[""]}


def _draw(curves: Curves, sample: Sample, report: dict[str, Any], out: Path) -> list[str]:
    threshold = report["threshold"] if report["positive_class"] == "COVID-19" else 1 - report["threshold"]
    metrics = {name: Interval(**figure) for name, figure in report["metrics"].items()}
    sources = {name: Interval(**source["metrics"]["auc"]) for name, source in report["per_source"].items()}
    return draw(curves, sample, out, metrics=metrics, threshold=threshold, per_source=sources)


def _facts(report: dict[str, Any]) -> dict[str, str]:
    return {
        "Model": f"{report['model']['name']} ({report['model']['engine']})",
        "Data": " and ".join(report["data"]),
        "Where": ", ".join(report["where"]) or "all records",
        "Case": str(report["by"]),
        "Threshold": f"{report['threshold']:.3f}, chosen {report['threshold_chosen']}",
    }


def _name(record: Record, data: Sequence[Path]) -> str:
    """The file as its manifest names it, where it lies in a folder of the data; else from its data set's folder on.

    Never the whole path, which would carry the user's folders into what is passed on.
    """
    for path in data:
        folder = (path if path.is_dir() else path.parent).resolve()
        if record.file.is_relative_to(folder):
            return record.file.relative_to(folder).as_posix()
    parts = record.file.parts
    start = max((k for k, part in enumerate(parts[:-1]) if part == record.dataset), default=len(parts) - 1)
    return "/".join(parts[start:])


def _write_scores(path: Path, cases: Sequence[Scored], data: Sequence[Path]) -> None:
    """One line a case; a patient's line names its first file. ``refused`` is 1 where serving would refuse it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("file", "label", "probability", "refused", "why", "dataset", "group", "slices", "logit", "verdict")
        )
        for case in cases:
            record = case.record
            probability = "" if case.probability is None else f"{case.probability:.6f}"
            logit = f"{case.logits[0]:.6f}" if len(case.logits) == 1 else ""
            judged = (probability, int(bool(case.refused)), case.refused)
            where = (record.dataset, record.group, len(case.logits), logit)
            writer.writerow((_name(record, data), record.label, *judged, *where, case.verdict or ""))
