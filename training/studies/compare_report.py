"""The report of a comparison, as people read it: Table 3 part by part, paired tests, curves, what the paper's rows are worth."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app import NOTICE
from training.canvas import canvas, save
from training.markdown import bullets, number, table, with_interval
from training.measuring.operating import operating_points
from training.metrics.evaluation import Interval
from training.metrics.ranking import auc
from training.records.catalog import Part
from training.run import Figure
from training.studies.paired_table import paired_tests
from training.studies.published import HEADINGS, METRICS, PARTS, REMARKS, TABLE_3

if TYPE_CHECKING:
    from training.metrics.pairwise import Comparison
    from training.studies.compare import Candidate, Line

_AUC = METRICS.index("auc")


def report(
    candidates: Sequence["Candidate"], lines: Sequence["Line"], pairs: Sequence["Comparison"], *, draws: int
) -> str:
    """The whole of ``compare.md``."""
    sources = ", ".join(candidates[0].sources)
    text = [
        f"# Networks compared\n\n{NOTICE}\n",
        f"Positive class COVID-19, by slice, of the data sets with both classes ({sources}). Intervals are 95 % of {draws}"
        " bootstrap samples of groups. Thresholds and calibration are each run's own, from its validation part.\n",
        _runs(candidates),
    ]
    text += [_part(part, lines) for part in PARTS]
    text += [_seeds(candidates, lines), _tests(pairs), _by_source(candidates, lines)]
    return "\n".join([*(t for t in text if t), "## What the paper's numbers are worth\n", bullets(REMARKS)])


def _runs(candidates: Sequence["Candidate"]) -> str:
    rows = [
        [
            c.title,
            c.run.recipe,
            str(c.run.seed),
            c.run.backbone_weights,
            f"{c.run.network.size} pixels, {c.run.preprocessing.name}",
            f"{c.run.hours:.1f} h on {c.run.hardware}",
        ]
        for c in candidates
    ]
    return "## Runs\n\n" + table(("run", "recipe", "seed", "start weights", "pictures", "last session"), rows)


def _part(part: str, lines: Sequence["Line"]) -> str:
    mine = [line for line in lines if line.part == part and line.source == "all"]
    if not mine:
        return f"## {part.capitalize()}\n\nThe runs have no such part: `covidct-train prepare --test-fold` makes one.\n"
    rows = [
        [line.title, f"{line.n} ({line.positives})", str(line.groups), *(_cell(f) for f in line.figures)]
        for line in mine
    ]
    rows += [[f"*{p.network}, the paper*", "", "", *(f"*{value:.2f}*" for value in p.figures[part])] for p in TABLE_3]
    what = "Slices that the run learned from.\n\n" if part == Part.TRAIN else ""
    return f"## {part.capitalize()}\n\n{what}" + table(("run", "n (COVID-19)", "groups", *HEADINGS), rows)


def _seeds(candidates: Sequence["Candidate"], lines: Sequence["Line"]) -> str:
    """What chance alone changes: runs that differ in their seed and nothing else."""
    alike: dict[tuple[str, str, int, tuple[str, str]], list[tuple[int, float]]] = defaultdict(list)
    area = {line.title: line.figures[_AUC].value for line in lines if (line.part, line.source) == ("test", "all")}
    for c in candidates:
        if (value := area.get(c.title)) is not None:
            shown = c.run.preprocessing.name, c.run.preprocessing.fingerprint
            alike[c.run.recipe, c.run.backbone_weights, c.run.network.size, shown].append((c.run.seed, value))
    rows = [
        [recipe, start, f"{size} pixels, {shown[0]}", *_spread(found)]
        for (recipe, start, size, shown), found in alike.items()
        if len({seed for seed, _ in found}) > 1
    ]
    heading = ("recipe", "start weights", "pictures", "seeds", "runs", "mean AUC", "from, to")
    return "## Seeds\n\nAUC on test of runs alike but for the seed.\n\n" + table(heading, rows) if rows else ""


def _spread(found: Sequence[tuple[int, float]]) -> list[str]:
    """How many seeds and runs, their mean AUC and its range, from seeds and AUC."""
    areas = [area for _, area in found]
    counts = [str(len({seed for seed, _ in found})), str(len(found))]
    return [*counts, number(float(np.mean(areas))), f"{number(min(areas))} to {number(max(areas))}"]


def _tests(pairs: Sequence["Comparison"]) -> str:
    return f"## Paired tests on test\n\n{paired_tests(pairs)}" if pairs else ""


def _by_source(candidates: Sequence["Candidate"], lines: Sequence["Line"]) -> str:
    """AUC on the last part there is, data set by data set."""
    part = [p for p in PARTS if any(line.part == p for line in lines)][-1]
    sources = candidates[0].sources
    found = {(line.title, line.source): _cell(line.figures[_AUC]) for line in lines if line.part == part}
    rows = [[c.title, *(found.get((c.title, s), "-") for s in sources)] for c in candidates]
    return f"## By data set\n\nAUC on {part}.\n\n" + table(("run", *sources), rows)


def _cell(found: Interval) -> str:
    return with_interval(Figure(value=found.value, low=found.low, high=found.high))


def draw_curves(candidates: Sequence["Candidate"], path: Path) -> None:
    """ROC curve of each run on test, or on validation where there is no test part; nothing is drawn for one class."""
    part = "test" if len(candidates[0].sample("test").labels) else "validation"
    if len(set(candidates[0].sample(part).labels.tolist())) < 2:
        return
    figure, ((axes,),) = canvas(size=(6, 6))
    axes.plot((0, 1), (0, 1), color="0.8", linewidth=1)
    for c in candidates:
        sample = c.sample(part)
        _, sensitivity, specificity = operating_points(sample.labels, sample.probabilities)
        area = number(auc(sample.labels, sample.probabilities))
        # Straight between points: where scores are tied, steps would draw more area than the AUC counts.
        axes.plot(1 - specificity, sensitivity, label=f"{c.title}, AUC {area}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="1 - specificity", ylabel="sensitivity", title=f"on {part}")
    axes.legend(loc="lower right", fontsize=8)
    save(figure, path)
