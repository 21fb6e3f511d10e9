"""What an audit is to reach, and whether it did."""

from collections.abc import Sequence

from training.audits import jpeg
from training.audits.blanking import BOX_BLANKED, LUNGS_BLANKED, OUTSIDE_BLANKED
from training.audits.changes import Row
from training.metrics.evaluation import Interval

CHANCE = 0.5
STILL_CHANCE = 0.7
"""An interval that holds chance and reaches beyond this shows nothing: with so few slices any model would reach the goal."""
LARGEST_LOSS = 0.02
"""Of AUC, when all but the lungs is blanked."""


def reached(row: Row) -> bool | None:
    """Whether a row reaches its goal; None where it has none, or not the figures for it.

    Lungs blanked: chance lies within the interval of the AUC; none is told where that is too wide. All but the lungs
    blanked: the AUC falls by at most ``LARGEST_LOSS``. JPEG of quality 75 and more: no probability moves by more than 0.02,
    no verdict outside the band flips.
    """
    match row.alteration:
        case _ if row.alteration in (LUNGS_BLANKED, BOX_BLANKED):
            return True if _tells_nothing(row) else at_chance(row.auc.after)
        case _ if row.alteration == OUTSIDE_BLANKED:
            change = row.auc.change.value
            return None if change is None else change >= -LARGEST_LOSS
        case jpeg.QUALITY if int(row.strength) >= jpeg.GOAL_FROM:
            largest = row.moves.largest
            return None if largest is None else largest <= jpeg.GOAL and not row.moves.flips_outside
        case _:
            return None


def _tells_nothing(row: Row) -> bool:
    """Whether no draw tells a case from another: its AUC is one half in each, which gives no interval but one to its change."""
    return row.auc.after == Interval(CHANCE) and row.auc.change.low is not None


def at_chance(auc: Interval) -> bool | None:
    """Whether an AUC cannot be told from chance; None where it hardly could be, whatever it is."""
    if auc.low is None or auc.high is None:
        return None
    if not auc.low <= CHANCE <= auc.high:
        return False
    return True if auc.high <= STILL_CHANCE else None


def words(goals: Sequence[bool | None]) -> str:
    """How many of the rows with a goal reach it."""
    asked = [goal for goal in goals if goal is not None]
    return f"{sum(asked)} of {len(asked)} rows with a goal reach it." if asked else "No row has a goal."
