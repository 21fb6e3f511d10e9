"""Maps of scored slices against the lesions that their data sets' masks show."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.ct.heatmap import enlarged
from training.measuring.localization import Mapped, measure_maps, relative
from training.measuring.scoring import Scored, SliceMap
from training.metrics.evaluation import as_numbers
from training.records.masks import read_mask


def localization(cases: Sequence[Scored], *, draws: int, seed: int) -> dict[str, Any] | None:
    """The heat map (each relative to its largest value) against the masks, and beside it the evidence map.

    Args:
        cases: slices; those without a mask are passed over.
        draws: bootstrap samples of groups.
        seed: of the bootstrap.

    Returns:
        What ``metrics.json`` holds: counts, and figures where a mask shows a lesion; None where there is no mask at all.

    Raises:
        CatalogError: a mask of another size than its image, or one that cannot be read.
    """
    masked = [(case, case.maps, _lesion(case, case.maps)) for case in cases if case.maps is not None]
    if not masked:
        return None
    pairs = [_mapped(case, maps, lesion) for case, maps, lesion in masked if lesion.any()]
    counts = {
        "n": len(pairs),
        "groups": len({heat.group for heat, _ in pairs}),
        "without_lesion": len(masked) - len(pairs),
        "without_lungs": sum(heat.lung is None for heat, _ in pairs),
    }
    if not pairs:
        return counts
    heat, evidence = (as_numbers(measure_maps([pair[k] for pair in pairs], draws=draws, seed=seed)) for k in range(2))
    return {**counts, **heat, "evidence": evidence}


def _lesion(case: Scored, maps: SliceMap) -> np.ndarray:
    """bool (height, width) of the slice."""
    if case.record.mask is None:
        raise ValueError("a slice without a mask has no maps kept")
    return read_mask(case.record.mask, maps.shape)


def _mapped(case: Scored, maps: SliceMap, lesion: np.ndarray) -> tuple[Mapped, Mapped]:
    """Heat and evidence on the slice."""
    heat = relative(enlarged(np.maximum(maps.share, 0), maps.box, maps.shape))
    evidence = enlarged(maps.evidence, maps.box, maps.shape)
    group, lung, box = case.record.group, maps.lung, maps.box
    return Mapped(heat, lesion, group, lung, box), Mapped(evidence, lesion, group, lung, box)
