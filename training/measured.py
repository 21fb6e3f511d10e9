"""What is measured on a run after ``fit``: where it lies in the run's folder, and when it no longer counts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from app.ct.fitness import FITNESS_FILE
from training.keys import file_key, key_of
from training.run import CROSS_VALIDATIONS, EVALUATIONS, METRICS, REFUSALS, TRANSFERS, WEIGHTS, Run

AUDITS, AUDIT = "audits", "audit.json"
EXAM_RULES, AFFECTED = "exam_rules.json", "affected.json"
STUDIES = (EXAM_RULES, AFFECTED)
COMPARISON, COMPARED_PAIRS = "compare.csv", "pairs.csv"
PRECISION, GRAPHS = "precision.json", "precision"
MEASURED = "measured"
"""In a released model's folder, what its card was made of: run.json and all that was measured, laid out as in a run's."""
EVALUATED = (EVALUATIONS, TRANSFERS, CROSS_VALIDATIONS, REFUSALS)
_FIGURES_OF = "figures.key"
"""Which weights and thresholds the figures in the folder are of."""


def forget_if_changed(run_folder: Path, run: Run) -> None:
    """Remove what was measured on a run whose weights, or what it decides with, are no longer those measured.

    Args:
        run_folder: as ``fit`` leaves it; what it decides with may not be written yet.
        run: the run as it is now.
    """
    decided = (run.calibration, run.image, run.exam_rule, run.fitness, run.affected)
    digest = key_of(*(file_key(run_folder / name) for name in (WEIGHTS, FITNESS_FILE)), decided)
    told = run_folder / _FIGURES_OF
    if told.is_file() and told.read_text(encoding="utf-8") != digest:
        _forget(run_folder)
    told.write_text(digest, encoding="utf-8")


def _forget(run_folder: Path) -> None:
    for kind in (*EVALUATED, AUDITS, GRAPHS):
        shutil.rmtree(run_folder / kind, ignore_errors=True)
    for name in (*STUDIES, COMPARISON, COMPARED_PAIRS, PRECISION):
        (run_folder / name).unlink(missing_ok=True)


def measurements(folder: Path) -> Iterator[Path]:
    """The files with figures in a folder that is laid out as a run's, but for run.json; those there are."""
    for kind in EVALUATED:
        yield from sorted((folder / kind).glob(f"*/{METRICS}"))
    yield from sorted((folder / AUDITS).glob(f"*/{AUDIT}"))
    for name in (*STUDIES, COMPARISON, PRECISION):
        if (folder / name).is_file():
            yield folder / name
            # Of the same runs: neither counts with another comparison.
            if name == COMPARISON and (folder / COMPARED_PAIRS).is_file():
                yield folder / COMPARED_PAIRS


def keep_measurements(folder: Path, into: Path) -> int:
    """Copy them, laid out alike; one that is there is replaced.

    Returns:
        How many there were.
    """
    found = list(measurements(folder))
    if folder / COMPARISON in found:
        (into / COMPARED_PAIRS).unlink(missing_ok=True)
    for path in found:
        place = into / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return len(found)
