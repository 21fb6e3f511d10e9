"""``covidct-train pool``: the folds of a cross-validation as one evaluation.

Every record is scored by a model that never saw its fold: the scores of all folds together are judged, each called by the
threshold of its own model, and the folds one by one beside them, for models differ in how they are calibrated.
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app import NOTICE
from training.measuring.evaluate import SCORES, verdicts
from training.metrics.evaluation import DRAWS, Sample, as_numbers, measure, share
from training.run import METRICS, Evaluation, RunError
from training.studies.kept_fold import digest_of

_COLUMNS = ("file", "label", "probability", "refused", "dataset", "group", "verdict")


@dataclass(frozen=True, eq=False)
class Fold:
    """One evaluation: what it says of itself, and its scores, one row a case, scored or not.

    Attributes:
        told: of ``metrics.json``.
        files, groups: str (cases,), digests of their names, which are all that a fold that was kept holds.
        datasets: str (cases,).
        labels: int (cases,), 1 for COVID-19.
        probabilities: float (cases,), of COVID-19; nan where it could not be scored.
        refused: bool (cases,), whether serving would refuse it.
        verdicts: str (cases,), what serving would say; empty where it could not be scored, and of older evaluations.
    """

    told: Evaluation
    files: np.ndarray
    datasets: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    refused: np.ndarray
    verdicts: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> "Fold":
        """Read an evaluation's folder.

        Raises:
            RunError: it is not what ``evaluate`` writes.
        """
        try:
            told = Evaluation.model_validate_json((folder / METRICS).read_bytes())
            with (folder / SCORES).open(encoding="utf-8", newline="") as file:
                # Older evaluations do not tell the verdict.
                rows = [[({"verdict": ""} | row)[name] for name in _COLUMNS] for row in csv.DictReader(file)]
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{folder.name} is no evaluation that `evaluate` wrote.") from error
        files, labels, probabilities, refused, datasets, groups, said = (
            np.array(column) for column in zip(*rows, strict=True)
        )
        files, groups = (np.array([digest_of(str(name)) for name in names]) for names in (files, groups))
        scores = np.array([float(p) if p else np.nan for p in probabilities])
        return cls(told, files, datasets, groups, labels.astype(int), scores, refused == "1", said)

    @property
    def called(self) -> np.ndarray:
        """bool (cases,), whether the fold's model calls it COVID-19."""
        return np.asarray(self.probabilities >= self.told.threshold)


def pool(evaluations: Sequence[Path], out: Path, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Write ``out/metrics.json``, in the form of ``evaluate``, with ``folds`` beside it.

    Args:
        evaluations: folders, one a fold, of one kind of case, with COVID-19 as the positive class.
        out: folder to write into.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Raises:
        RunError: they do not belong together: of different kinds, of the same weights, or a record or a group is in two.
    """
    folds = [Fold.read(path) for path in evaluations]
    _check(folds)
    everything = _Pooled.of(folds)
    told = folds[0].told
    report = {
        "notice": NOTICE,
        "model": _models(folds),
        "trained_with": {"recipe": told.recipe, "settings": next(iter(_settings(folds)), "")},
        "data": sorted({name for fold in folds for name in fold.told.data}),
        "where": list(told.where),
        "by": told.by,
        "positive_class": told.positive_class,
        "threshold": told.threshold if len({fold.told.threshold for fold in folds}) == 1 else None,
        "bootstrap": {"draws": draws, "seed": seed, "unit": "group", "level": 0.95},
        **everything.summary(draws=draws, seed=seed),
        "unscored": int(np.isnan(everything.probabilities).sum()),
        "localization": None,
        "per_source": {
            str(name): everything.of_source(name).summary(draws=draws, seed=seed)
            for name in np.unique(everything.datasets)
        },
        "folds": [
            _Pooled.of([fold]).summary(draws=draws, seed=seed)
            | {"model": fold.told.model.name, "threshold": fold.told.threshold}
            for fold in folds
        ],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / METRICS).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return report


def _check(folds: Sequence[Fold]) -> None:
    if len(folds) < 2:
        raise RunError("One evaluation is no cross-validation.")
    if (
        len({(fold.told.by, fold.told.positive_class) for fold in folds}) > 1
        or folds[0].told.positive_class != "COVID-19"
    ):
        raise RunError("The evaluations are not of one kind of case with COVID-19 as the positive class.")
    if len({fold.told.where for fold in folds}) > 1:
        raise RunError("The evaluations are of different records: each was limited (--where) in another way.")
    if len({fold.told.recipe for fold in folds}) > 1 or len(_settings(folds)) > 1:
        raise RunError("The evaluations are of different recipes.")
    if len({fold.told.model.weights_sha256 for fold in folds}) < len(folds):
        raise RunError("Two of the evaluations are of the same weights.")
    for what, column in (("record", "files"), ("group", "groups")):
        seen = np.concatenate([np.unique(getattr(fold, column)) for fold in folds])
        if len(np.unique(seen)) < len(seen):
            raise RunError(f"A {what} is in two of the evaluations: they are no folds of one split.")


def _settings(folds: Sequence[Fold]) -> set[str]:
    """Digests of the recipes, where they are known."""
    return {str(fold.told.trained_with.get("settings", "")) for fold in folds} - {""}


def _models(folds: Sequence[Fold]) -> dict[str, str]:
    """All the models as one, in the words of ``metrics.json``."""

    def joined(name: str) -> str:
        return hashlib.sha256("".join(getattr(fold.told.model, name) for fold in folds).encode()).hexdigest()

    digests = {name: joined(name) for name in ("sha256", "weights_sha256", "judgement_sha256")}
    engines = sorted({fold.told.model.engine for fold in folds})
    return {"name": f"{len(folds)} models, one a fold", **digests, "engine": ", ".join(engines)}


@dataclass(frozen=True, eq=False)
class _Pooled:
    """Cases of several folds; see ``Fold``."""

    datasets: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    refused: np.ndarray
    verdicts: np.ndarray
    called: np.ndarray

    @classmethod
    def of(cls, folds: Sequence[Fold]) -> "_Pooled":
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(fold, name) for fold in folds]) for name in names})

    def of_source(self, name: str) -> "_Pooled":
        mine = self.datasets == name
        return type(self)(**{key: array[mine] for key, array in vars(self).items()})

    def summary(self, *, draws: int, seed: int) -> dict[str, Any]:
        scored = ~np.isnan(self.probabilities)
        sample = Sample(self.labels[scored], self.probabilities[scored], self.called[scored], self.groups[scored])
        return {
            "n": int(scored.sum()),
            "positives": int(sample.labels.sum()),
            "groups": len(np.unique(sample.groups)),
            "refused": int(self.refused.sum()),
            "cases": len(self.labels),
            **self._told_verdicts(scored),
            "refused_share": as_numbers({"": share(self.refused, self.groups, draws=draws, seed=seed)})[""],
            "metrics": as_numbers(measure(sample, draws=draws, seed=seed)),
        }

    def _told_verdicts(self, scored: np.ndarray) -> dict[str, Any]:
        """Where every fold tells them."""
        given = self.verdicts[scored].tolist()
        return {"verdicts": verdicts((self.labels[scored] == 1).tolist(), given)} if all(given) else {}
