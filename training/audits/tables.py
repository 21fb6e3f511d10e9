"""An audit as Markdown."""

from collections.abc import Iterable

from training.audits.changes import Row
from training.audits.goals import reached
from training.audits.randomized import Stage
from training.markdown import table
from training.metrics.evaluation import Interval

_CHANGES = (
    "altered",
    "source",
    "by",
    "n (groups)",
    "AUC before",
    "AUC after",
    "change of AUC",
    "median probability, positives and negatives: before, after",
    "change of probability: median, 95 %, largest",
    "flips in the band, outside",
    "verdicts changed",
    "refused before, after",
    "lost, not chosen again",
    "goal reached",
)
_STAGES = (
    "drawn anew down to",
    "n (groups)",
    "rank correlation of shares",
    "of the heat map",
    "n with heat (now empty)",
    "of the evidence map",
    "pointing game",
    "by chance",
    "energy in lesion",
    "n with lesions",
)


def changes_table(rows: Iterable[Row]) -> str:
    """One line a row."""
    return table(_CHANGES, [_of_row(row) for row in rows])


def stages_table(stages: Iterable[Stage]) -> str:
    """One line a stage."""
    return table(_STAGES, [_of_stage(stage) for stage in stages])


def _of_row(row: Row) -> tuple[str, ...]:
    moves, medians = row.moves, row.medians
    return (
        f"{row.alteration} {row.strength}".strip(),
        row.source,
        str(row.by),
        f"{row.n} ({row.groups})",
        figure(row.auc.before),
        figure(row.auc.after),
        figure(row.auc.change, signed="+"),
        f"{_number(medians.positives_before)} and {_number(medians.negatives_before)},"
        f" {_number(medians.positives_after)} and {_number(medians.negatives_after)}",
        ", ".join(_number(x) for x in (moves.median, moves.percentile95, moves.largest)),
        f"{moves.flips_inside}, {moves.flips_outside}",
        str(moves.verdicts_changed),
        f"{row.refused_before}, {row.refused_after}",
        f"{row.lost}, {row.not_chosen}",
        {None: "-", True: "yes", False: "no"}[reached(row)],
    )


def _of_stage(stage: Stage) -> tuple[str, ...]:
    return (
        stage.randomized,
        f"{stage.n} ({stage.groups})",
        figure(stage.share_correlation),
        figure(stage.heat_correlation),
        f"{stage.n_heat} ({stage.n_emptied})",
        figure(stage.evidence_correlation),
        figure(stage.pointing_game),
        figure(stage.by_chance),
        figure(stage.energy_in_lesion),
        str(stage.n_lesions),
    )


def figure(found: Interval, *, signed: str = "") -> str:
    """A figure with its interval.

    Args:
        found: the figure.
        signed: ``+`` to give its sign always.
    """
    if found.value is None:
        return "-"
    value = f"{found.value:{signed}.3f}"
    return value if found.low is None else f"{value} ({found.low:{signed}.3f} to {found.high:{signed}.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
