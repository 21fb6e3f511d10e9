"""Maps of scored slices against the lesions that their data sets' masks show, measured as they are scored.

Of each slice a few figures are kept, never its maps: a set of masks may hold thousands of slices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ct.heatmap import Box, enlarged
from training.measuring.localization import Mapped, figures_of, means, relative
from training.metrics.evaluation import as_numbers
from training.records.catalog import CatalogError, Record
from training.records.masks import read_mask


@dataclass(frozen=True, eq=False)
class SliceMap:
    """The maps of one scored slice; see ``app.ct.scores.SliceScores``.

    Attributes:
        share: float32 (rows, columns), each place's share of the logit.
        evidence: float32 (rows, columns), 0..1.
        box: what the maps cover of the slice: top, left, bottom, right, ends excluded.
        shape: height and width of the slice.
        lung: bool (height, width) of the slice, False outside the box; None where the lungs were not found.
    """

    share: np.ndarray
    evidence: np.ndarray
    box: Box
    shape: tuple[int, int]
    lung: np.ndarray | None


@dataclass(frozen=True)
class Located:
    """What the mask of one slice says of its maps.

    Attributes:
        record: that the slice is of.
        problem: why the mask is not used; empty where it is.
        has_lung: whether the lungs were found.
        heat, evidence: as ``figures_of``; None where the mask shows no lesion, or is not used.
    """

    record: Record
    problem: str = ""
    has_lung: bool = False
    heat: Mapping[str, float] | None = None
    evidence: Mapping[str, float] | None = None


_OF_SEVERAL = "The record holds several slices, and its mask is of one."


def not_located(record: Record) -> Located:
    """Of a record that has a mask but holds several slices."""
    return Located(record, problem=_OF_SEVERAL)


def locate(record: Record, maps: SliceMap) -> Located:
    """Measure the maps of a slice by its record's mask; one that cannot be used is told, and nothing measured."""
    if record.mask is None:
        raise ValueError("the record has no mask")
    try:
        lesion = read_mask(record.mask, maps.shape, of=record.file)
    except CatalogError as error:
        return Located(record, problem=str(error))
    if not lesion.any():
        return Located(record, has_lung=maps.lung is not None)
    heat = relative(enlarged(np.maximum(maps.share, 0), maps.box, maps.shape))
    evidence = enlarged(maps.evidence, maps.box, maps.shape)
    of_heat, of_evidence = (
        figures_of(Mapped(weight, lesion, record.group, maps.lung, maps.box)) for weight in (heat, evidence)
    )
    return Located(record, has_lung=maps.lung is not None, heat=of_heat, evidence=of_evidence)


def localization(located: Sequence[Located], *, draws: int, seed: int) -> dict[str, Any] | None:
    """The heat map (each relative to its largest value) against the masks, and beside it the evidence map.

    Args:
        located: slices that have a mask.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        What ``metrics.json`` holds: counts, and figures where a mask shows a lesion; None where there is no mask at all.
    """
    if not located:
        return None
    shown = [(one, one.heat, one.evidence) for one in located if one.heat is not None and one.evidence is not None]
    counts = {
        "n": len(shown),
        "groups": len({one.record.group for one, *_ in shown}),
        "without_lesion": sum(not one.problem for one in located) - len(shown),
        "without_lungs": sum(not one.has_lung for one, *_ in shown),
        "masks_not_used": sum(bool(one.problem) for one in located),
    }
    if not shown:
        return counts
    groups = [one.record.group for one, *_ in shown]
    of_heat = as_numbers(means([heat for _, heat, _ in shown], groups, draws=draws, seed=seed))
    of_evidence = as_numbers(means([evidence for *_, evidence in shown], groups, draws=draws, seed=seed))
    return {**counts, **of_heat, "evidence": of_evidence}
