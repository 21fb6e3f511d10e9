"""``covidct-train affected``: the share of lung affected, as a model estimates it, measured where it is known.

Beside it stands what a fit with the model's own maps comes to now: that of ``fit`` may be another, where precision or processor
is. A model without an estimate is measured with that fit. Nothing is changed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app import NOTICE
from app.ct.affected import AffectedSpec
from app.ct.preprocessing import make_preprocessor
from training.deciding.affected import fit_on, teaches_extent
from training.markdown import number
from training.measuring.evaluate import model_used
from training.metrics.evaluation import DRAWS, as_numbers
from training.records.catalog import CATALOG, Catalog, CatalogError, Record
from training.studies.affected_agreement import MapScorer, Pair, agreement, evidence_of, measure_with, phantom_pairs

FIGURES, TABLE = "affected.json", "affected.md"
_COLUMNS = {
    "true_share": "true share",
    "mean_absolute_error": "mean absolute error",
    "correlation": "correlation",
    "bias": "bias",
    "limit_low": "lower limit",
    "limit_high": "upper limit",
    "inside_band": "inside the band",
}


def study(
    scorer: MapScorer,
    work: Path,
    out: Path,
    *,
    measure: Sequence[Path] = (),
    phantoms: Callable[[AffectedSpec, MapScorer], list[Pair]] = phantom_pairs,
    draws: int = DRAWS,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure, fit anew, and write ``affected.json`` and ``affected.md`` into ``out``.

    Args:
        scorer: the classifier.
        work: folder that ``prepare`` wrote; its masks are fitted.
        out: folder to write into.
        measure: data sets with masks to measure on beside the catalog's own; nothing is measured on what was fitted.
        phantoms: draws, scores and estimates them.
        draws: bootstrap samples.
        seed: of the bootstrap.
        say: told what is going on.

    Raises:
        CatalogError: the model estimates nothing and the catalog has too few patients with lesion masks to fit, or a mask
            does not fit its image.
    """
    say("fitting on masks")
    here, records = scorer.manifest.preprocessing, Catalog.read(work / CATALOG).records
    fitted = fit_on(records, make_preprocessor(here.name, here.size), evidence_of(scorer))
    spec = scorer.manifest.affected or fitted
    if spec is None:
        raise CatalogError("The catalog has too few patients with lesion masks, or the maps do not grow with lesions.")
    report: dict[str, Any] = {
        "notice": NOTICE,
        "model": model_used(scorer),
        "affected": spec.model_dump(mode="json"),
        "fitted_anew": None if fitted is None else _numbers(fitted),
        "bootstrap": {"draws": draws, "seed": seed, "unit": "group", "level": 0.95},
        "measured": {},
    }
    for name, others in _others(records, measure).items():
        say(f"measuring on {name}")
        report["measured"][name] = measure_with(spec, others, scorer, draws=draws, seed=seed)
    say("measuring on phantoms")
    report["phantoms"] = _of_phantoms(phantoms(spec, scorer), draws=draws, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / FIGURES).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (out / TABLE).write_text("\n".join(_lines(report)) + "\n", encoding="utf-8")
    return report


def _numbers(spec: AffectedSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude={"rests_on"})


def _others(records: Sequence[Record], measure: Sequence[Path]) -> dict[str, list[Record]]:
    """Records with masks that were not fitted, by data set."""
    fitted = {record.file for record in records if teaches_extent(record)}
    every = {r.file: r for r in (*records, *(r for path in measure for r in Catalog.read(path).records))}
    left = [r for r in every.values() if r.mask is not None and not r.is_exam and r.file not in fitted]
    return {name: [r for r in left if r.dataset == name] for name in sorted({r.dataset for r in left})}


def _of_phantoms(pairs: Sequence[Pair], *, draws: int, seed: int) -> dict[str, Any]:
    each = [{"true": p.true, "value": p.estimate.value, "low": p.estimate.low, "high": p.estimate.high} for p in pairs]
    return {"n": len(pairs), "by_exam": as_numbers(agreement(pairs, draws=draws, seed=seed)), "exams": each}


def _lines(report: dict[str, Any]) -> Iterator[str]:
    spec = report["affected"]
    yield "# Share of lung affected\n"
    yield f"{NOTICE}\n"
    yield (
        f"Places with evidence of {spec['threshold']:g} or more, as a share of the lung, times {spec['slope']:.3f};"
        f" the band around x is {spec['slice_error']:.3f} (a slice) or {spec['exam_error']:.3f} (an exam) times"
        f" the square root of x + 0.01, for {spec['level']:.0%} of cases.\n\n{spec['rests_on']}\n"
    )
    if report["fitted_anew"]:
        yield f"{fitted_anew(report)}\n"
    yield f"| measured on | by | n | {' | '.join(_COLUMNS.values())} |"
    yield "|---" * (len(_COLUMNS) + 3) + "|"
    for name, told in [*report["measured"].items(), ("phantoms", report["phantoms"])]:
        if told is None:
            yield f"| {name} | no masks | 0 |" + " - |" * len(_COLUMNS)
            continue
        for by in ("by_slice", "by_patient", "by_exam"):
            if by in told:
                count = told["groups"] if by == "by_patient" else told["n"]
                cells = " | ".join(_cell(told[by][column]) for column in _COLUMNS)
                yield f"| {name} | {by.removeprefix('by_')} | {count} | {cells} |"


def fitted_anew(report: Mapping[str, Any]) -> str:
    """What a fit came to beside what is served, in a sentence; empty where ``affected.json`` does not tell."""
    found = report.get("fitted_anew")
    if not found:
        return ""
    return (
        f"A fit with the maps as they are now, which is neither served nor measured, has a threshold of"
        f" {number(found['threshold'])} and a slope of {number(found['slope'])}."
    )


def _cell(figure: dict[str, float | None]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f}" + (
        "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    )
