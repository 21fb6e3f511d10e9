"""Maps of scored slices against the lesions that their data sets' masks show, measured as they are scored.

Of each slice a few figures are kept, never its maps: a set of masks may hold thousands of slices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ct.exam import Slice
from app.ct.heatmap import Box, enlarged
from training.measuring.localization import Mapped, figures_of, means, relative
from training.metrics.evaluation import as_numbers
from training.records.catalog import CatalogError, Record
from training.records.files import is_volume
from training.records.mask_volumes import MaskVolume
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


LesionsOf = Callable[[Slice], np.ndarray]
"""Where lesions are on a slice, bool (height, width); raises ``CatalogError`` where that cannot be told."""


def lesions_of(record: Record, *, slices: int) -> LesionsOf:
    """What a record's mask shows on its slices.

    Args:
        record: with a mask: a picture of its one slice, or a volume.
        slices: how many the record holds.

    Raises:
        CatalogError: the mask is of one slice and the record holds several, or it cannot be read.
    """
    if record.mask is None:
        raise ValueError("the record has no mask")
    file, mask = record.file, record.mask
    if is_volume(mask):
        volume = MaskVolume.read(mask)
        return lambda one: volume.at(one.z_mm, (one.height, one.width))
    if slices > 1:
        raise CatalogError("The record holds several slices, and its mask is of one.")
    return lambda one: read_mask(mask, (one.height, one.width), of=file)


def locate(record: Record, maps: SliceMap, lesions: LesionsOf, one: Slice) -> Located:
    """Measure the maps of a slice by what the mask shows on it; where it cannot be used that is told, and nothing measured."""
    try:
        lesion = lesions(one)
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
