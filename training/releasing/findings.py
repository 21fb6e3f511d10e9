"""Everything that was measured on a run after ``fit``, read from its folder."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import JsonValue

from app.ct.manifest import Manifest
from training.measured import AUDIT, AUDITS, COMPARED_PAIRS, COMPARISON, STUDIES
from training.metrics.pairwise import Comparison
from training.records.catalog import Part
from training.releasing.precision_report import PrecisionReport
from training.run import (
    CROSS_VALIDATIONS,
    EVALUATIONS,
    REFUSALS,
    TRANSFERS,
    WEIGHTS,
    Evaluation,
    Run,
    RunError,
    read_evaluations,
)
from training.studies.paired_table import of_rows

Document = dict[str, JsonValue]


@dataclass(frozen=True)
class Findings:
    """What the card may tell.

    Attributes:
        evaluations: of the run's weights.
        transfers: of the same recipe trained without a data set, on that data set.
        crossed: of the same recipe trained on folds, all folds pooled.
        refusals: of the run's weights on pictures of anything else, which are to be refused.
        audits: what ``covidct-train audit`` wrote, by title.
        studies: of exam rules and of the share of lung affected, by file name; those there are.
        precision: in which precisions it may be served; None where that was not measured.
        comparison: rows of ``compare.csv``, the first of them its columns; empty where there is none.
        pairs: of the runs compared, tested on the same slices; older releases have none.
    """

    evaluations: tuple[Evaluation, ...] = ()
    transfers: tuple[Evaluation, ...] = ()
    crossed: tuple[Evaluation, ...] = ()
    refusals: tuple[Evaluation, ...] = ()
    audits: tuple[tuple[str, Document], ...] = ()
    studies: tuple[tuple[str, Document], ...] = ()
    precision: PrecisionReport | None = None
    comparison: tuple[tuple[str, ...], ...] = ()
    pairs: tuple[Comparison, ...] = ()

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
            crossed=read_evaluations(run_folder, CROSS_VALIDATIONS),
            refusals=read_evaluations(run_folder, REFUSALS),
            audits=tuple((path.parent.name, _document(path, f"audit {path.parent.name}")) for path in audits),
            studies=tuple((path.name, _document(path, path.name)) for path in studies),
            precision=PrecisionReport.read(run_folder),
            comparison=_rows(run_folder / COMPARISON),
            pairs=tuple(of_rows(_rows(run_folder / COMPARED_PAIRS))),
        )

    def check(self, manifest: Manifest, run: Run) -> None:
        """A figure counts only for the weights and the thresholds it was measured with; a transfer is of other weights of the
        same recipe, which have not seen its data set, and a cross-validation of other weights of the same recipe, on the
        part set aside.

        Args:
            manifest: of the model that the card will be of.
            run: that trained it.

        Raises:
            RunError: one was measured with others.
        """
        weights, judgement = manifest.files[WEIGHTS], manifest.judgement_sha256
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
        anew = (*self.transfers, *self.crossed)
        if same := [e.title for e in anew if e.model.weights_sha256 == weights]:
            raise RunError(
                f"Of weights trained anew, it says, but measured with the run's own weights: {', '.join(same)}."
            )
        if inside := [e.title for e in self.crossed if f"part={Part.TEST}" not in e.where]:
            raise RunError(f"To be of folds set aside, but not measured where part={Part.TEST}: {', '.join(inside)}.")
        if others := [e.title for e in anew if not e.is_of(run.recipe, run.settings)]:
            raise RunError(
                f"Measured with another recipe than {run.recipe} as it was, or they do not say: {', '.join(others)}."
            )
        if seen := [e.title for e in self.transfers if not e.trained_on or e.trained_on & e.per_source.keys()]:
            raise RunError(
                f"The models of these transfers were trained on what they are measured on, or do not say: {', '.join(seen)}."
            )


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
