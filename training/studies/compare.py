"""``covidct-train compare``: the paper's Table 3 from runs, with intervals and paired tests, beside the paper's own rows.

Works from run.json and scores.csv of each run alone, so that networks which are never served can be compared with those that
are. Every run is called by its own calibration and threshold, which it took from validation.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from training.fitting.slice_scores import SliceScores
from training.measured import COMPARED_PAIRS, COMPARISON
from training.metrics.evaluation import DRAWS, Interval, Sample, measure
from training.metrics.pairwise import compare_all
from training.records.catalog import Part
from training.run import Run, RunError
from training.seal import check_seal
from training.studies.paired_table import as_rows
from training.studies.published import METRICS, PARTS

TABLE, PAIRS, REPORT, CURVES = COMPARISON, COMPARED_PAIRS, "compare.md", "roc.png"
EVERY_SOURCE = "all"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A run that is compared.

    Attributes:
        title: name of its folder, or of the link to it.
        run: what it was.
        scores: of the data sets that have both classes.
    """

    title: str
    run: Run
    scores: SliceScores

    @property
    def sources(self) -> list[str]:
        """Data sets, by name."""
        return sorted(set(self.scores.datasets.tolist()))

    def sample(self, part: str, source: str = EVERY_SOURCE) -> Sample:
        """Calibrated and called as the run decides; may be empty. Of the training part what the run learned from."""
        mine = (self.scores.parts == part) & (self.scores.learned | (part != Part.TRAIN))
        chosen = self.scores.where(mine if source == EVERY_SOURCE else mine & (self.scores.datasets == source))
        slope, intercept = self.run.calibration
        probabilities = expit(slope * chosen.logits.astype(np.float64) + intercept)
        return Sample.of(
            chosen.labels.tolist(),
            probabilities.tolist(),
            threshold=self.run.image.threshold,
            groups=chosen.groups.tolist(),
        )


@dataclass(frozen=True)
class Line:
    """How good one run is on one part of one data set, or of all.

    Attributes:
        title, part, source: which.
        n, positives, groups: slices, of them with COVID-19, and what is resampled as one.
        figures: in the order of ``training.studies.published.METRICS``.
    """

    title: str
    part: str
    source: str
    n: int
    positives: int
    groups: int
    figures: tuple[Interval, ...]


def compare(runs: Sequence[Path], out: Path, *, draws: int = DRAWS, seed: int = 0) -> Path:
    """Write ``compare.csv``, ``pairs.csv``, ``compare.md`` and ``roc.png``.

    Args:
        runs: folders of runs on one split.
        out: folder to write into.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        The Markdown report's path.

    Raises:
        RunError: a run is unfinished or was altered, two have one name, or they are not on one split.
    """
    from training.studies.compare_report import draw_curves, report

    candidates = read_candidates(runs)
    lines = [line for c in candidates for line in _lines(c, draws=draws, seed=seed)]
    tested = {c.title: c.sample("test") for c in candidates}
    pairs = compare_all(tested, draws=draws, seed=seed) if len(tested[candidates[0].title].labels) else []
    out.mkdir(parents=True, exist_ok=True)
    _write(out / TABLE, _table(candidates, lines))
    _write(out / PAIRS, as_rows(pairs))
    draw_curves(candidates, out / CURVES)
    (out / REPORT).write_text(report(candidates, lines, pairs, draws=draws), encoding="utf-8")
    return out / REPORT


def read_candidates(runs: Sequence[Path]) -> list[Candidate]:
    """Read runs, and keep of their scores the data sets with both classes, in one order.

    Raises:
        RunError: as ``compare``.
    """
    if len({path.absolute().name for path in runs}) < len(runs):
        raise RunError("Two runs have folders of one name; rename one, for the table tells them apart by it.")
    found = []
    for path in runs:
        run = Run.read(path)
        check_seal(path)
        scores = SliceScores.read(path)
        found.append(Candidate(path.absolute().name, run, _with_both_classes(scores.where(np.argsort(scores.files)))))
    first = found[0].scores
    for other in found[1:]:
        alike = (
            np.array_equal(getattr(first, k), getattr(other.scores, k)) for k in ("files", "labels", "parts", "groups")
        )
        if other.run.data != found[0].run.data:
            raise RunError(
                f"{found[0].title} and {other.title} were trained on different data; compare does not tell them apart."
            )
        if not all(alike):
            raise RunError(
                f"{found[0].title} and {other.title} are not on one split: train both from one folder of `prepare`."
            )
    return found


def _with_both_classes(scores: SliceScores) -> SliceScores:
    """Data sets of one class would say which data set a slice is from, not which disease it shows."""
    learned = scores.where(scores.parts == Part.TRAIN)
    cells = set(zip(learned.datasets.tolist(), learned.labels.tolist(), strict=True))
    both = sorted({name for name, _ in cells if {(name, 0), (name, 1)} <= cells})
    if not both:
        raise RunError("No data set has slices of both classes in the training part: nothing to compare on.")
    return scores.where(np.isin(scores.datasets, both))


def _lines(candidate: Candidate, *, draws: int, seed: int) -> Iterator[Line]:
    for part in PARTS:
        for source in (EVERY_SOURCE, *candidate.sources):
            sample = candidate.sample(part, source)
            if len(sample.labels):
                found = measure(sample, draws=draws, seed=seed)
                counts = len(sample.labels), int(sample.labels.sum()), len(set(sample.groups.tolist()))
                yield Line(candidate.title, part, source, *counts, tuple(found[name] for name in METRICS))


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _table(candidates: Sequence[Candidate], lines: Sequence[Line]) -> list[list[str]]:
    told = {
        c.title: (c.run.recipe, str(c.run.seed), c.run.backbone_weights, str(c.run.network.size)) for c in candidates
    }
    columns = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    rows = [["run", "recipe", "seed", "start", "size", "part", "source", "n", "positives", "groups", *columns]]
    for line in lines:
        figures = [_number(value) for f in line.figures for value in (f.value, f.low, f.high)]
        counts = (str(count) for count in (line.n, line.positives, line.groups))
        rows.append([line.title, *told[line.title], line.part, line.source, *counts, *figures])
    return rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
