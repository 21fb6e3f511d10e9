"""Whether the values of a series are Hounsfield units, and what turns them into some where the tags do not.

A CT of the chest holds air near -1000 HU and soft tissue near 0 HU, a thousand apart: no other scale puts both there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.ct.errors import Unreadable
from app.ct.reading.values import MAX_HU, Rescale
from app.ct.words import sentence
from app.ct.workers.plain import carried

_SIDE = 32
_FILLED_HU = -1500.0
"""Below it are fill values, -2000 or -2048 as a rule."""
_AIR_HU, _TISSUE_HU = (-1100.0, -650.0), (-200.0, 200.0)
_LEAST_AIR, _LEAST_TISSUE = 0.05, 0.1
_MOST_METAL, _ABSURD, _LEAST_SEEN = 0.1, 0.5, 0.2
"""Shares beyond the densest bone: of a chest, of anything at all; share that is not fill values."""
_FILLING = 0.05
"""Share of the least value: in noise, even of air cut off at the least value stored, it is smaller."""
_OFFSETS = (-1024.0, 0.0, -8192.0, -32768.0, -33792.0)
"""Intercepts scanners use with a slope of 1: unsigned values, signed ones, the extended scale, values around 2**15."""


_BITS = (12, 14, 16)
"""Exporters invert values within these, whatever BitsStored says."""
_LEAST_VALUES = 512
"""Of a slice: fewer show neither air nor tissue."""


@carried
@dataclass(frozen=True)
class Mirror:
    """What may turn back the values of a MONOCHROME1 slice, should its exporter have inverted them.

    By the standard the interpretation concerns the display alone, and HU stay what they are.

    Attributes:
        whole: what a value and its mirrored one add up to within the bits stored.
        low, high: least and largest value of the slice.
        corner: median of its corners, air in a CT.
    """

    whole: float
    low: float
    high: float
    corner: float


@carried
@dataclass(frozen=True, eq=False)
class Levels:
    """Some values of one slice.

    Attributes:
        stored: integer or float (values,).
        rescale: what its tags say, None where they say nothing.
        mirror: of a MONOCHROME1 slice, None of others.
    """

    stored: np.ndarray
    rescale: Rescale | None
    mirror: Mirror | None = None


@dataclass(frozen=True)
class Judgement:
    """What the values of a series are.

    Attributes:
        instead: what to read each slice with instead of its own rescale; None where that is right, or nothing else is known.
        doubtful: how many slices show no air and tissue of a chest, however they are read.
    """

    instead: tuple[Rescale | None, ...]
    doubtful: int


def levels_of(stored: np.ndarray, rescale: Rescale | None, mirror: Mirror | None = None) -> Levels:
    """Evenly spread values of a slice (height, width)."""
    return Levels(some_of(stored), rescale, mirror)


def some_of(values: np.ndarray) -> np.ndarray:
    """Evenly spread values of a plane (height, width), of one dimension."""
    step = max(1, max(values.shape) // _SIDE)
    return values[::step, ::step].ravel().copy()


def missing_offset(hu: np.ndarray) -> float | None:
    """What makes Hounsfield units of a chest of values when it is added to them, None where nothing usual does."""
    return next((offset for offset in _OFFSETS if offset and is_chest(hu + np.float32(offset))), None)


def mirror_of(stored: np.ndarray, *, bits: int) -> Mirror:
    """The mirror of a MONOCHROME1 slice (height, width) of so many bits a value."""
    corners = stored[[0, 0, -1, -1], [0, -1, 0, -1]]
    whole = -1.0 if stored.dtype.kind == "i" else 2.0**bits - 1
    return Mirror(whole, float(stored.min()), float(stored.max()), float(np.median(corners)))


def judged(levels: Sequence[Levels]) -> Judgement:
    """Judge the values of a series.

    Slices that name the same rescale are judged together, each group by itself: a wrong rescale of a part would not be
    seen in the whole.

    Raises:
        Unreadable: the values are no Hounsfield units, and it cannot be told what they are.
    """
    groups: dict[tuple[Rescale | None, bool], list[int]] = {}
    for place, one in enumerate(levels):
        groups.setdefault((one.rescale, one.mirror is not None), []).append(place)
    of_groups = {key: [levels[place] for place in places] for key, places in groups.items()}
    right = {key for key, group in of_groups.items() if is_chest(_hu(group, _own(group)))}
    known = [key[0] for key in of_groups if key in right and key[0] is not None]
    instead: dict[int, Rescale] = {}
    doubtful = 0
    # What the tags say nothing of comes last: it may be what the others were found to be.
    for key in sorted(of_groups.keys() - right, key=lambda key: (key[0] is None, str(key))):
        group = of_groups[key]
        found = next((other for other in _others(group, known) if is_chest(_hu(group, other))), None)
        if found is None:
            _check_possible(group, alone=len(groups) == 1)
            doubtful += sum(one.stored.size >= _LEAST_VALUES for one in group)
            found = _turned_by_corners(group)
        else:
            known.append(found)
        if found is not None:
            instead |= dict.fromkeys(groups[key], found)
    return Judgement(tuple(instead.get(place) for place in range(len(levels))), doubtful)


def _own(group: Sequence[Levels]) -> Rescale:
    return group[0].rescale or Rescale(1.0, 0.0)


def _hu(group: Sequence[Levels], rescale: Rescale) -> np.ndarray:
    return np.concatenate([rescale.hu(one.stored) for one in group])


def _others(group: Sequence[Levels], known: Sequence[Rescale]) -> Iterator[Rescale]:
    """What else a group may be read with, likelier ones first.

    Args:
        group: slices alike in what they say.
        known: what other slices of the series are rightly read with.
    """
    usual = [Rescale(1.0, offset) for offset in _OFFSETS]
    if all(one.stored.dtype == np.uint16 for one in group):
        usual += [Rescale(1.0, 0.0, signed=True), Rescale(1.0, -1024.0, signed=True)]
    # Values that are inverted and named a wrong rescale as well are not looked for: by chance, others would fit too.
    to_mirror = [_own(group), *known, *([] if group[0].rescale else [Rescale(1.0, offset) for offset in _OFFSETS])]
    yield from (rescale.mirrored(whole) for rescale in to_mirror for whole in _wholes(group))
    yield from (*known, *usual)


def _wholes(group: Sequence[Levels]) -> tuple[float, ...]:
    """What inverted values and true ones may add up to, likelier sums first: the same of all slices of a group."""
    mirrors = [one.mirror for one in group if one.mirror is not None]
    if not mirrors:
        return ()
    low, high = min(m.low for m in mirrors), max(m.high for m in mirrors)
    usual = (whole for bits in _BITS if (whole := 2.0**bits - 1) >= high)
    return (*dict.fromkeys(m.whole for m in mirrors), *usual, low + high)


def _turned_by_corners(group: Sequence[Levels]) -> Rescale | None:
    """Where nothing else tells: corners brighter than the rest are inverted air."""
    mirrors = [one.mirror for one in group if one.mirror is not None]
    if not mirrors:
        return None
    both = _wholes(group)[-1]
    return _own(group).mirrored(both) if np.median([m.corner for m in mirrors]) >= both / 2 else None


def _check_possible(group: Sequence[Levels], *, alone: bool) -> None:
    """Refuse values that no tissue has; what merely shows no air, as a spine in close-up, is possible.

    Raises:
        Unreadable: more than half of it is denser than any bone, or there is nothing but fill values in the whole series.
    """
    hu = _hu(group, _own(group))
    seen = hu[hu > _FILLED_HU]
    if (alone and seen.size < _LEAST_SEEN * hu.size) or (seen.size and float((seen > MAX_HU).mean()) > _ABSURD):
        raise Unreadable(sentence("The values of the slices are no Hounsfield units, and nothing tells what they are."))


def is_chest(hu: np.ndarray) -> bool:
    """Whether values (of any shape) hold both air and soft tissue, as Hounsfield units of a chest do."""
    seen = hu[hu > _FILLED_HU]
    if seen.size < _LEAST_SEEN * hu.size:
        return False
    # One value for all that lies outside the scanner's circle may look like air, whatever the others are.
    if (floor := seen == seen.min()).mean() >= _FILLING:
        seen = seen[~floor]
    return (
        seen.size > 0
        and _share(seen, _AIR_HU) >= _LEAST_AIR
        and _share(seen, _TISSUE_HU) >= _LEAST_TISSUE
        and float((seen > MAX_HU).mean()) < _MOST_METAL
    )


def _share(hu: np.ndarray, within: tuple[float, float]) -> float:
    return float(((hu >= within[0]) & (hu <= within[1])).mean())
