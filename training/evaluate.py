"""``covidct-train evaluate``: score labelled data as the service would, and write down what that is worth."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app import NOTICE
from app.ct.heatmap import enlarged
from app.ct.manifest import Manifest
from training.catalog import Catalog, CatalogError, Part, Record
from training.evaluation import (
    DRAWS,
    Interval,
    Sample,
    as_numbers,
    measure,
    share,
    threshold_at_specificity,
    youden_threshold,
)
from training.figures import draw_reliability, draw_roc
from training.localization import Mapped, measure_maps, relative
from training.run import METRICS
from training.scoring import By, Scored, Scorer, score

SCORES = "scores.csv"
POSITIVE = {"COVID-19": 1, "non-COVID-19": 0}
_SPECIFICITIES = (0.8, 0.9, 0.95)


def evaluate(
    scorer: Scorer,
    data: Sequence[Path],
    out: Path,
    *,
    where: Sequence[str] = (),
    by: By = By.SLICE,
    positive: str = "COVID-19",
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Score records and write ``metrics.json``, ``scores.csv`` and figures into ``out``.

    Args:
        scorer: the classifier.
        data: folders with a manifest or a catalog, or such files.
        out: folder to write into.
        where: conditions that the records fulfil; see ``Catalog.where``.
        by: what is one case.
        positive: the positive class, "COVID-19" or "non-COVID-19".
        draws: bootstrap samples.
        seed: of the bootstrap.
        progress: told how many of how many records are done.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        CatalogError: the data cannot be used, or no record fulfils the conditions.
    """
    records = Catalog.read(*data).where(*where).records
    if not records:
        raise CatalogError("No record fulfils the conditions.")
    cases = score(records, scorer, by=by, progress=progress)
    scored = [case for case in cases if case.probability is not None]
    out.mkdir(parents=True, exist_ok=True)
    report = {
        "notice": NOTICE,
        "model": _model(scorer),
        "data": [path.resolve().name for path in data],
        "where": list(where),
        "by": str(by),
        "positive_class": positive,
        "threshold": _threshold(scorer.manifest, by),
        "bootstrap": {"draws": draws, "seed": seed, "unit": "group", "level": 0.95},
        **_summary(cases, positive, draws=draws, seed=seed),
        "unscored": len(cases) - len(scored),
        "refusals": [{"file": _name(c.record, data), "why": c.refused} for c in cases if c.refused],
        "localization": _localization(scored, draws=draws, seed=seed),
        "per_source": _per_source(cases, positive, draws=draws, seed=seed),
        "thresholds": _thresholds(scored, records),
    }
    (out / METRICS).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    _write_scores(out / SCORES, cases, data)
    if scored:
        draw_roc(_sample(scored), out / "roc.png")
        draw_reliability(_sample(scored), out / "reliability.png")
    return report


def _model(scorer: Scorer) -> dict[str, str]:
    manifest: Manifest = scorer.manifest
    return {
        "name": manifest.name,
        "sha256": manifest.sha256,
        "weights_sha256": manifest.files["weights.safetensors"],
        "judgement_sha256": manifest.judgement_sha256,
        "engine": scorer.engine_name,
    }


def _threshold(manifest: Manifest, by: By) -> float:
    return (manifest.image if by is By.SLICE else manifest.exam_rule.decision).threshold


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
        "refused_share": as_numbers({"": _refused_share(cases, draws=draws, seed=seed)})[""],
        "metrics": as_numbers(measure(_sample(scored).for_positive(label), draws=draws, seed=seed)),
    }


def _refused_share(cases: Sequence[Scored], *, draws: int, seed: int) -> Interval:
    refused = np.array([bool(case.refused) for case in cases])
    return share(refused, np.array([case.record.group for case in cases]), draws=draws, seed=seed)


def _per_source(cases: Sequence[Scored], positive: str, *, draws: int, seed: int) -> dict[str, Any]:
    return {
        name: _summary([c for c in cases if c.record.dataset == name], positive, draws=draws, seed=seed)
        for name in sorted({case.record.dataset for case in cases})
    }


def _thresholds(cases: Sequence[Scored], records: Sequence[Record]) -> dict[str, float] | None:
    """Thresholds that could be chosen; only on validation, never on what is measured."""
    labels = np.array([case.record.label for case in cases])
    if any(r.part is not Part.VALIDATION for r in records) or len(set(labels)) < 2:
        return None
    scores = np.array([case.probability for case in cases], dtype=np.float64)
    found = {"youden": youden_threshold(labels, scores)}
    for least in _SPECIFICITIES:
        found[f"specificity_{least:.2f}"] = min(1.0, threshold_at_specificity(labels, scores, least))
    return {name: float(np.clip(value, 0, 1)) for name, value in found.items()}


def _localization(cases: Sequence[Scored], *, draws: int, seed: int) -> dict[str, Any] | None:
    """The heat map (each relative to its largest value) against the masks, and beside it the evidence map."""
    pairs = [maps for case in cases if (maps := _mapped(case)) is not None]
    if not pairs:
        return None
    heat = as_numbers(measure_maps([h for h, _ in pairs], draws=draws, seed=seed))
    evidence = as_numbers(measure_maps([e for _, e in pairs], draws=draws, seed=seed))
    return {"n": len(pairs), "groups": len({h.group for h, _ in pairs}), **heat, "evidence": evidence}


def _mapped(case: Scored) -> tuple[Mapped, Mapped] | None:
    mask, maps = case.record.mask, case.maps
    if mask is None or maps is None:
        return None
    with Image.open(mask, formats=("PNG", "JPEG")) as picture:
        lesion = np.asarray(picture.convert("L")) > 0
    if lesion.shape != maps.shape:
        raise CatalogError("A mask has another size than its image.")
    if not lesion.any():
        return None
    heat = relative(enlarged(np.maximum(maps.share, 0), maps.box, maps.shape))
    evidence = enlarged(maps.evidence, maps.box, maps.shape)
    return Mapped(heat, lesion, case.record.group), Mapped(evidence, lesion, case.record.group)


def _name(record: Record, data: Sequence[Path]) -> str:
    """The file as its manifest names it, where it lies in a folder of the data."""
    for path in data:
        folder = (path if path.is_dir() else path.parent).resolve()
        if record.file.is_relative_to(folder):
            return record.file.relative_to(folder).as_posix()
    return str(record.file)


def _write_scores(path: Path, cases: Sequence[Scored], data: Sequence[Path]) -> None:
    """One line a case; a patient's line names its first file. ``refused`` is 1 where serving would refuse it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "probability", "refused", "why", "dataset", "group", "slices", "logit"))
        for case in cases:
            record = case.record
            probability = "" if case.probability is None else f"{case.probability:.6f}"
            logit = f"{case.logits[0]:.6f}" if len(case.logits) == 1 else ""
            verdict = (probability, int(bool(case.refused)), case.refused)
            where = (record.dataset, record.group, len(case.logits), logit)
            writer.writerow((_name(record, data), record.label, *verdict, *where))
