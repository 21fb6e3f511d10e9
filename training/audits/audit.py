"""``covidct-train audit``: try what should not matter on labelled data, and write down how much it does."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from app import NOTICE
from app.ct.classifier import WEIGHTS_FILE
from training.audits import drawing, jpeg
from training.audits.alterations import Alteration
from training.audits.blanking import blankings
from training.audits.changes import ALL, Row, row
from training.audits.goals import reached, words
from training.audits.judging import Auditable
from training.audits.kinds import Audit
from training.audits.mapped import pictures_of, unread
from training.audits.plan import Plan
from training.audits.randomized import cascade
from training.audits.robustness import disturbances
from training.audits.tables import changes_table, stages_table
from training.audits.trial import UNREAD, Case, Pair, pairs, try_all
from training.measuring.choosing import slices_at_most
from training.measuring.evaluate import model_used
from training.records.catalog import Record

REPORT, TABLES = "audit.json", "audit.md"

Progress = Callable[[Audit, int, int], None]


@dataclass(frozen=True)
class _Section:
    """One audit's part of ``audit.json`` and of ``audit.md``."""

    name: Audit
    figures: dict[str, Any]
    text: str


def audit(
    model: Auditable, folder: Path, out: Path, plan: Plan, *, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Audit a model and write ``audit.json``, ``audit.md``, and pairs and a picture of each audit into ``out``.

    Args:
        model: the classifier.
        folder: of the model, for its weights.
        out: folder to write into.
        plan: what is audited.
        progress: told the audit, and how many of how many records are done.

    Returns:
        What ``audit.json`` holds.

    Raises:
        CatalogError: the data cannot be used, or no record fulfils the conditions.
    """
    records = plan.records()
    out.mkdir(parents=True, exist_ok=True)
    for name in Audit:
        # Those of an earlier audit there would stand beside figures that they do not show.
        (out / f"{name}.png").unlink(missing_ok=True)
        (out / f"{name}.csv").unlink(missing_ok=True)
    trials = {
        Audit.SHORTCUT: blankings(model.manifest.preprocessing.name),
        Audit.JPEG: jpeg.exports(),
        Audit.ROBUSTNESS: disturbances(),
    }
    sections = [
        _trial(name, alterations, records, model, plan, out=out, progress=progress)
        for name, alterations in trials.items()
        if plan.holds(name)
    ]
    if plan.holds(Audit.RANDOMIZED):
        sections.append(_cascade(records, model, folder, plan, out=out))
    report = _head(model, plan, len(records)) | {section.name: section.figures for section in sections}
    (out / REPORT).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (out / TABLES).write_text(_text(report, sections), encoding="utf-8")
    return report


def _trial(
    name: Audit,
    alterations: Sequence[Alteration],
    records: Sequence[Record],
    model: Auditable,
    plan: Plan,
    *,
    out: Path,
    progress: Progress,
) -> _Section:
    seed = plan.bootstrap.seed
    cases = try_all(records, alterations, model, seed=seed, progress=lambda done, of: progress(name, done, of))
    rows = rows_of(cases, alterations, model, plan)
    write_pairs(out / f"{name}.csv", cases, alterations, model, plan)
    if name is Audit.SHORTCUT:
        drawing.draw_aucs(rows, out / f"{name}.png")
    else:
        drawing.draw_moves(rows, out / f"{name}.png", goal=jpeg.GOAL if name is Audit.JPEG else None)
    forms = Counter(case.form for case in cases)
    figures = {
        "forms": dict(forms),
        "rows": [asdict(one) | {"goal_reached": reached(one)} for one in rows],
    }
    text = f"{unread(forms[UNREAD])}{changes_table(rows)}\n{words([reached(one) for one in rows])}\n"
    return _Section(name, figures, text)


def rows_of(cases: Sequence[Case], alterations: Sequence[Alteration], model: Auditable, plan: Plan) -> list[Row]:
    """A row for each alteration, level and source, and one over all sources where there are several.

    Args:
        cases: as ``try_all`` gives them.
        alterations: those tried; one that could be done to no case has no row.
        model: whose decisions count.
        plan: levels and bootstrap.
    """
    rows = []
    for by in plan.levels:
        for alteration in alterations:
            found = pairs(cases, alteration, by, model.manifest)
            sources = sorted({pair.source for pair in found})
            for source in [*sources, ALL] if len(sources) > 1 else sources:
                own = [pair for pair in found if source in (pair.source, ALL)]
                rows.append(row(own, alteration, source=source, by=by, bootstrap=plan.bootstrap))
    return rows


def write_pairs(
    path: Path, cases: Sequence[Case], alterations: Sequence[Alteration], model: Auditable, plan: Plan
) -> None:
    """One line for each slice or exam and alteration: what was said of it before and after."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("alteration", "strength", "by", *_columns()))
        for by in plan.levels:
            for one in alterations:
                found = pairs(cases, one, by, model.manifest)
                writer.writerows(
                    (one.name, one.strength, by, *(getattr(pair, name) for name in _columns())) for pair in found
                )


def _columns() -> list[str]:
    """All that a pair holds but its decision, which is the model's."""
    return [field.name for field in fields(Pair) if field.name != "decision"]


def _cascade(records: Sequence[Record], model: Auditable, folder: Path, plan: Plan, *, out: Path) -> _Section:
    shown = pictures_of(records, model, seed=plan.bootstrap.seed)
    spec, weights, pictures = model.manifest.network, folder / WEIGHTS_FILE, shown.pictures
    stages = list(cascade(spec, weights, pictures, bootstrap=plan.bootstrap)) if pictures else []
    if stages:
        drawing.draw_cascade(stages, out / f"{Audit.RANDOMIZED}.png")
    found = {
        "stages": [asdict(stage) for stage in stages],
        "unread": len(shown.unread),
        "masks_not_used": [{"file": record.file.name, "why": why} for record, why in shown.masks_not_used],
    }
    return _Section(Audit.RANDOMIZED, found, shown.words + stages_table(stages))


def _head(model: Auditable, plan: Plan, records: int) -> dict[str, Any]:
    bootstrap = plan.bootstrap
    return {
        "notice": NOTICE,
        "model": model_used(model),
        "data": [path.resolve().name for path in plan.data],
        "where": list(plan.where),
        "by": [str(by) for by in plan.levels],
        "records": records,
        "slices_at_most": slices_at_most(model) or "all",
        "sample_of_each_source_and_label": plan.sample,
        "bootstrap": {"draws": bootstrap.draws, "seed": bootstrap.seed, "unit": "group", "level": 0.95},
    }


def _of_an_exam(most: int | str) -> str:
    return "all slices that show lung" if most == "all" else f"at most {most} slices"


def _text(report: dict[str, Any], sections: Sequence[_Section]) -> str:
    used, bootstrap, most = report["model"], report["bootstrap"], report["sample_of_each_source_and_label"]
    what = (
        f"Weights {used['weights_sha256'][:12]}, engine {used['engine']}. {report['records']} records of "
        f"{' and '.join(report['data'])}, {', '.join(report['where']) or 'whatever they are'}"
        f"{'' if most is None else f', at most {most} of each source and label'}. Of an exam "
        f"{_of_an_exam(report['slices_at_most'])} are scored. Intervals are 95 %, bootstrap of groups, "
        f"{bootstrap['draws']} draws, seed {bootstrap['seed']}.\n"
    )
    parts = (f"## {section.name}\n\n{section.text}" for section in sections)
    return "\n".join((f"# Audit of {used['name']}\n\n{NOTICE}\n", what, *parts))
