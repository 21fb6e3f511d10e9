"""Everything that was measured on a run after ``fit``, read from its folder."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import JsonValue

from app.ct.fitness import FITNESS_FILE
from app.ct.manifest import Manifest
from training.deciding import precision_report
from training.deciding.precision_report import PrecisionReport
from training.keys import file_key, key_of
from training.run import EVALUATIONS, REFUSALS, TRANSFERS, Evaluation, Run, RunError, read_evaluations

AUDITS, AUDIT = "audits", "audit.json"
EXAM_RULES, AFFECTED = "exam_rules.json", "affected.json"
STUDIES = (EXAM_RULES, AFFECTED)
COMPARISON = "compare.csv"
_WEIGHTS = "weights.safetensors"
_FIGURES_OF = "figures.key"
"""Which weights and thresholds the figures in the folder are of."""

Document = dict[str, JsonValue]


@dataclass(frozen=True)
class Findings:
    """What the card may tell.

    Attributes:
        evaluations: of the run's weights.
        transfers: of the same recipe trained without a data set, on that data set.
        refusals: of the run's weights on pictures of anything else, which are to be refused.
        audits: what ``covidct-train audit`` wrote, by title.
        studies: of exam rules and of the share of lung affected, by file name; those there are.
        precision: in which precisions it may be served; None where that was not measured.
        comparison: rows of ``compare.csv``, the first of them its columns; empty where there is none.
    """

    evaluations: tuple[Evaluation, ...] = ()
    transfers: tuple[Evaluation, ...] = ()
    refusals: tuple[Evaluation, ...] = ()
    audits: tuple[tuple[str, Document], ...] = ()
    studies: tuple[tuple[str, Document], ...] = ()
    precision: PrecisionReport | None = None
    comparison: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def read(cls, run_folder: Path) -> Self:
        """All there is.

        Raises:
            RunError: a file is not what the command that writes it writes.
        """
        audits = sorted((run_folder / AUDITS).glob(f"*/{AUDIT}"))
        studies = [run_folder / name for name in STUDIES if (run_folder / name).is_file()]
        return cls(
            evaluations=read_evaluations(run_folder, EVALUATIONS),
            transfers=read_evaluations(run_folder, TRANSFERS),
            refusals=read_evaluations(run_folder, REFUSALS),
            audits=tuple((path.parent.name, _document(path, f"audit {path.parent.name}")) for path in audits),
            studies=tuple((path.name, _document(path, path.name)) for path in studies),
            precision=PrecisionReport.read(run_folder),
            comparison=_rows(run_folder / COMPARISON),
        )

    def check(self, manifest: Manifest) -> None:
        """A figure counts only for the weights and the thresholds it was measured with; a transfer is of other weights.

        Raises:
            RunError: one was measured with others.
        """
        weights, judgement = manifest.files[_WEIGHTS], manifest.judgement_sha256
        own = [(e.title, e.model.weights_sha256, e.model.judgement_sha256) for e in (*self.evaluations, *self.refusals)]
        own += [(title, *_model_of(document, title)) for title, document in self.audits]
        # A study may have led to another judgement; only the weights are the same.
        own += [(name, _model_of(document, name)[0], judgement) for name, document in self.studies]
        if foreign := [title for title, digest, _ in own if digest != weights]:
            raise RunError(f"Measured with other weights than the run's: {', '.join(foreign)}.")
        if outdated := [title for title, _, digest in own if digest != judgement]:
            raise RunError(
                f"Measured with other thresholds or another exam rule than the run's: {', '.join(outdated)}."
            )
        if same := [e.title for e in self.transfers if e.model.weights_sha256 == weights]:
            raise RunError(f"These transfers were measured with the run's own weights: {', '.join(same)}.")


def forget_if_changed(run_folder: Path, run: Run) -> None:
    """Remove what was measured on a run whose weights, or what it decides with, are no longer those measured.

    Args:
        run_folder: as ``fit`` leaves it; what it decides with may not be written yet.
        run: the run as it is now.
    """
    decided = (run.calibration, run.image, run.exam_rule, run.fitness, run.affected)
    digest = key_of(*(file_key(run_folder / name) for name in (_WEIGHTS, FITNESS_FILE)), decided)
    told = run_folder / _FIGURES_OF
    if told.is_file() and told.read_text(encoding="utf-8") != digest:
        _forget(run_folder)
    told.write_text(digest, encoding="utf-8")


def _forget(run_folder: Path) -> None:
    for kind in (EVALUATIONS, TRANSFERS, REFUSALS, AUDITS, precision_report.FOLDER):
        shutil.rmtree(run_folder / kind, ignore_errors=True)
    for name in (*STUDIES, COMPARISON, precision_report.FILE_NAME):
        (run_folder / name).unlink(missing_ok=True)


def _model_of(document: Document, title: str) -> tuple[str, str]:
    model = document.get("model")
    if not isinstance(model, dict):
        raise RunError(f"{title} does not say which model it is of.")
    return str(model.get("weights_sha256")), str(model.get("judgement_sha256"))


def _document(path: Path, name: str) -> Document:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"The {name} cannot be read.") from error
    if not isinstance(found, dict):
        raise RunError(f"The {name} is not valid.")
    return found


def _rows(path: Path) -> tuple[tuple[str, ...], ...]:
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(tuple(row) for row in csv.reader(file))
