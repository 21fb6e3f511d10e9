"""Results as CSV (RFC 4180), one row per exam, safe to open in a spreadsheet."""

import csv
from collections.abc import Mapping
from io import StringIO

from app import NOTICE, __version__
from app.commands.predict import Outcome, Prediction
from app.service import SliceClassifier
from app.spreadsheet import as_text

COLUMNS = (
    "exam",
    "verdict",
    "probability",
    "threshold",
    "band_low",
    "band_high",
    "judged_by",
    "held_back",
    "slices",
    "scored",
    "findings",
    "strongest_slice",
    "warnings",
    "refused",
    "model",
    "model_sha256",
    "version",
    "notice",
    "folder",
)


def header() -> str:
    """The first line."""
    return _line(dict(zip(COLUMNS, COLUMNS, strict=True)))


def row(name: str, outcome: Outcome, classifier: SliceClassifier, *, folder: str = "") -> str:
    """The line of one exam; an exam that was refused has its code and no verdict.

    Args:
        name: the exam's.
        outcome: of its diagnosis.
        classifier: what it was diagnosed with.
        folder: where its report and overlays are; empty where there are none.
    """
    model = classifier.manifest
    whose = {"exam": name, "folder": folder}
    by = {"model": model.name, "model_sha256": model.sha256, "version": __version__, "notice": NOTICE}
    found = _found(outcome) if isinstance(outcome, Prediction) else {"refused": outcome.problem.code}
    return _line(whose | by | found)


def _found(prediction: Prediction) -> dict[str, str | float]:
    report = prediction.report
    low, high = report.inconclusive_band
    return {
        "verdict": str(report.verdict),
        "probability": report.probability,
        "threshold": report.threshold,
        "band_low": low,
        "band_high": high,
        "judged_by": str(report.judged_by),
        "held_back": "" if report.held_back is None else str(report.held_back),
        "slices": report.input.slices,
        "scored": report.input.scored,
        "findings": len(report.findings),
        "strongest_slice": report.strongest_slice,
        "warnings": " ".join(report.input.warnings),
    }


def _line(cells: Mapping[str, str | float]) -> str:
    written = StringIO()
    safe = {name: as_text(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}
    csv.DictWriter(written, COLUMNS, restval="").writerow(safe)
    return written.getvalue()
