"""How well a map points at lesions that people have drawn.

Pure numpy in, numbers out. Maps are scored at the slice's own size, on slices that show a lesion.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.metrics.evaluation import DRAWS, Interval, share

DICE_THRESHOLD = 0.5
"""Where a map is cut for Dice; fixed beforehand, never chosen on masks that are measured."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """One slice with its map and its lesions.

    Attributes:
        weight: float32 (height, width), >= 0, the map on the slice.
        lesion: bool (height, width), True in at least one place.
        group: what is resampled as one.
        lung: bool (height, width), True in the lungs; None where they were not found.
        box: top, left, bottom, right of what the map covers, ends excluded; None where that is the whole slice.
    """

    weight: np.ndarray
    lesion: np.ndarray
    group: str
    lung: np.ndarray | None = None
    box: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        """Map and lesions have one shape, and there is a lesion."""
        if self.weight.shape != self.lesion.shape:
            raise ValueError(f"map {self.weight.shape} and lesions {self.lesion.shape} differ in shape")
        if not self.lesion.any():
            raise ValueError("a slice without a lesion has no place to point at")


def relative(weight: np.ndarray) -> np.ndarray:
    """The map as a share of its largest value, 0..1; all 0 where it is all 0."""
    largest = float(weight.max())
    return weight / np.float32(largest) if largest > 0 else weight


def points_at_lesion(mapped: Mapped) -> float:
    """1 where the strongest place lies in a lesion, else 0; a map of one value points nowhere."""
    if mapped.weight.max() == mapped.weight.min():
        return 0.0
    return float(mapped.lesion.flat[int(np.argmax(mapped.weight))])


def energy_in_lesion(mapped: Mapped) -> float:
    """Share of the map's sum inside lesions, 0..1; 0 for an empty map."""
    return _energy(mapped.weight, mapped.lesion)


def energy_in_lung(mapped: Mapped) -> float:
    """Share of the map's sum inside the lungs, 0..1; 0 for an empty map; nan where the lungs were not found."""
    return np.nan if mapped.lung is None else _energy(mapped.weight, mapped.lung)


def energy_in_lung_or_lesion(mapped: Mapped) -> float:
    """The same with the lesions counted as lung, which they are: a consolidation can hide lung from the finder."""
    return np.nan if mapped.lung is None else _energy(mapped.weight, mapped.lung | mapped.lesion)


def lesion_share(mapped: Mapped) -> float:
    """Share of what the map covers that is lesion, 0..1: where a map that knows nothing would point."""
    return _covered(mapped, mapped.lesion)


def lung_share(mapped: Mapped) -> float:
    """Share of what the map covers that is lung, 0..1; nan where the lungs were not found."""
    return np.nan if mapped.lung is None else _covered(mapped, mapped.lung)


def _covered(mapped: Mapped, inside: np.ndarray) -> float:
    top, left, bottom, right = mapped.box or (0, 0, *inside.shape)
    return float(inside[top:bottom, left:right].mean())


def _energy(weight: np.ndarray, inside: np.ndarray) -> float:
    total = float(weight.sum(dtype=np.float64))
    return float(weight[inside].sum(dtype=np.float64)) / total if total > 0 else 0.0


def dice(mapped: Mapped, threshold: float = DICE_THRESHOLD) -> float:
    """Overlap of lesions with the places at or above ``threshold``: twice the common area over the sum of areas."""
    shown = mapped.weight >= threshold
    return 2.0 * float((shown & mapped.lesion).sum()) / float(shown.sum() + mapped.lesion.sum())


def average_precision(mapped: Mapped) -> float:
    """Area under the precision-recall curve of pixels, in steps; tied pixels count together."""
    weight, lesion = mapped.weight.ravel(), mapped.lesion.ravel()
    order = np.argsort(-weight, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(weight[order]) != 0, True])
    found = np.cumsum(lesion[order])[ends]
    precision = found / (ends + 1)
    return float(np.sum(np.diff(np.r_[0, found]) * precision) / lesion.sum())


def figures_of(mapped: Mapped) -> dict[str, float]:
    """The figures of one slice, by name; nan for those that it has not.

    Returns:
        pointing_game, energy_in_lesion, dice (at ``DICE_THRESHOLD``), average_precision, energy_in_lung and
        energy_in_lung_or_lesion (of slices whose lungs were found); and what a map that knows nothing would score:
        of what the map covers lesion_share is lesion, for the first two, and lung_share is lung, for energy_in_lung.
    """
    return {name: figure(mapped) for name, figure in _FIGURES.items()}


_FIGURES: dict[str, Callable[[Mapped], float]] = {
    "pointing_game": points_at_lesion,
    "energy_in_lesion": energy_in_lesion,
    "dice": dice,
    "average_precision": average_precision,
    "lesion_share": lesion_share,
    "energy_in_lung": energy_in_lung,
    "energy_in_lung_or_lesion": energy_in_lung_or_lesion,
    "lung_share": lung_share,
}


def means(
    figures: Sequence[Mapping[str, float]], groups: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """Means over slices with intervals by group.

    Args:
        figures: as ``figures_of`` gives them, one a slice.
        groups: what is resampled as one, of each slice.
        draws: bootstrap samples.
        seed: of the bootstrap.
    """
    names = np.array(groups, dtype=np.str_)
    return {name: _mean([of[name] for of in figures], names, draws=draws, seed=seed) for name in _FIGURES}


def measure_maps(maps: Sequence[Mapped], *, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """Means over slices, as ``means``, of maps that are all at hand."""
    return means([figures_of(m) for m in maps], [m.group for m in maps], draws=draws, seed=seed)


def _mean(values: list[float], groups: np.ndarray, *, draws: int, seed: int) -> Interval:
    """Over the slices that have the figure."""
    found = np.array(values, dtype=np.float64)
    exists = np.isfinite(found)
    return share(found[exists], groups[exists], draws=draws, seed=seed)
