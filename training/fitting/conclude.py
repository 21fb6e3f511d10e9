"""The end of a run: calibration, thresholds and the exam rule from validation, and run.json."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.ct.exam_rule import Decision, ExamRule
from app.ct.manifest import AffectedSpec, FitnessSpec
from app.ct.preprocessing import spec_of
from training.deciding.decisions import JUDGED_ON, Judged, calibrate, decide, undecided
from training.deciding.exam_rules import choose_exam_rule, plain
from training.deciding.patients import is_other_healthy
from training.deciding.stability import LogitsOf, WholeExam, phantom_exams
from training.fitting.setup import Fitting, counted, split_key
from training.hardware import trained_on, versions
from training.imaging.pictures import Pictures
from training.records.balance import balanced_weights, cell_of
from training.records.catalog import Part
from training.run import Run, Shortcut


@dataclass(frozen=True)
class Decided:
    """What validation decides; see ``training.run.Run``."""

    calibration: tuple[float, float]
    image: Decision
    exam_rule: ExamRule


UNDECIDED = Decided(
    (1.0, 0.0),
    undecided(),
    plain("Chosen on nothing: the network's scores do not rise with the label on validation."),
)
"""Of a network that has learned nothing; to be told and compared, not to be served."""


def conclude(
    fitting: Fitting,
    work: Path,
    pictures: Pictures,
    logits: np.ndarray,
    *,
    fitness: FitnessSpec,
    hours: float,
    command: str,
    backbone_weights: str,
    weights_from: str = "",
    logits_of: LogitsOf | None = None,
    affected: AffectedSpec | None = None,
    decided: Decided | None = None,
) -> Run:
    """Decide on validation, and say what the run was.

    Args:
        fitting: the run.
        work: folder that ``prepare`` wrote.
        pictures: labelled looks.
        logits: float (looks,), of the network.
        fitness: limits of what is judged at all.
        hours: of this session.
        command: that trained, for people.
        backbone_weights: what the backbone started from, in words.
        weights_from: where the weights are from that were not trained here, in words.
        logits_of: the network's logits of slices, to judge exam rules on phantoms; None judges them on patients alone.
        affected: how the share of lung affected is estimated; see ``training.deciding.affected.fit_on``.
        decided: what to decide with in place of what validation says.

    Raises:
        FallingScores: the logits do not rise with the label on validation, and nothing else is given to decide with.
    """
    recipe = fitting.recipe
    decided = decided or _decided(fitting, pictures, logits, logits_of)
    prepared = json.loads((work / "prepare.json").read_text(encoding="utf-8"))
    data = counted(fitting)
    return Run(
        recipe=recipe.name,
        settings=recipe.key,
        summary=recipe.summary,
        command=command,
        seed=recipe.seed,
        date=datetime.now(UTC).date(),
        hours=hours,
        hardware=trained_on(),
        versions=versions("keras", "numpy", "scikit-learn"),
        backbone_weights=backbone_weights,
        weights_from=weights_from,
        network=recipe.network,
        preprocessing=spec_of(recipe.preprocessing, recipe.network.size),
        calibration=decided.calibration,
        image=decided.image,
        exam_rule=decided.exam_rule,
        fitness=fitness,
        affected=affected,
        data=data,
        split=split_key(fitting),
        shortcut=shortcuts_of(prepared, {count.dataset for count in data}),
        limitations=recipe.limitations,
    )


def shortcuts_of(prepared: Mapping[str, Any], seen: Collection[str]) -> tuple[Shortcut, ...]:
    """The rows of ``prepare.json`` that rest on data sets the run saw, and on no others."""
    rows = [Shortcut.model_validate(row) for row in prepared.get("shortcut", ())]
    return tuple(row for row in rows if {row.fitted_on, row.measured_on} <= {*seen})


def _decided(fitting: Fitting, pictures: Pictures, logits: np.ndarray, logits_of: LogitsOf | None) -> Decided:
    judged = _judged(fitting, pictures, logits)
    weights = balanced_weights(judged.cells, judged.labels, one_class_share=fitting.recipe.one_class_share)
    slope, intercept = calibrate(judged.logits, judged.labels, weights)
    calibrated = Judged(slope * judged.logits + intercept, judged.labels, judged.cells, judged.patients)
    exam_rule = choose_exam_rule(
        calibrated,
        slope * _healthy(fitting, pictures, logits) + intercept,
        _phantoms(fitting, logits_of, slope, intercept),
    )
    return Decided((slope, intercept), decide(calibrated.logits, calibrated.labels, weights), exam_rule)


def _phantoms(fitting: Fitting, logits_of: LogitsOf | None, slope: float, intercept: float) -> list[WholeExam]:
    if logits_of is None:
        return []
    return phantom_exams(lambda slices: slope * logits_of(slices) + intercept, slices=fitting.recipe.phantom_slices)


def _judged(fitting: Fitting, pictures: Pictures, logits: np.ndarray) -> Judged:
    """Validation slices as served, of the data sets that thresholds are chosen on."""
    rows = [
        k
        for k in fitting.rows(pictures, Part.VALIDATION)
        if pictures.numbers[k] == 0 and fitting.catalog.records[pictures.records[k]].dataset in JUDGED_ON
    ]
    records = [fitting.catalog.records[pictures.records[k]] for k in rows]
    patients = [r.group if r.patient else "" for r in records]
    return Judged(logits[rows], np.array([r.label for r in records]), [cell_of(r) for r in records], patients)


def _healthy(fitting: Fitting, pictures: Pictures, logits: np.ndarray) -> np.ndarray:
    """Logits of validation slices of healthy people; not of data sets that patients are taken from. float (slices,)."""
    records = [(k, fitting.catalog.records[pictures.records[k]]) for k in fitting.rows(pictures, Part.VALIDATION)]
    return logits[[k for k, r in records if pictures.numbers[k] == 0 and is_other_healthy(r)]]
