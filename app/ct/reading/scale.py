"""Whether the values of a series are Hounsfield units, and what turns them into some where the tags do not.

A CT of the chest holds air near -1000 HU and soft tissue near 0 HU, a thousand apart: no other scale puts both there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.ct.errors import Unreadable
from app.ct.reading.values import MAX_HU, Rescale

_SIDE = 32
_FILLED_HU = -1500.0
"""Below it are fill values, -2000 or -2048 as a rule."""
_AIR_HU, _TISSUE_HU = (-1100.0, -650.0), (-200.0, 200.0)
_LEAST_AIR, _LEAST_TISSUE = 0.05, 0.1
_MOST_METAL, _ABSURD, _LEAST_SEEN = 0.1, 0.5, 0.2
"""Shares beyond the densest bone: of a chest, of anything at all; share that is not fill values."""
_OFFSETS = (-1024.0, 0.0, -8192.0, -32768.0, -33792.0)
"""Intercepts scanners use with a slope of 1: unsigned values, signed ones, the extended scale, values around 2**15."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Some values of one slice.

    Attributes:
        stored: integer or float (values,).
        rescale: what its tags say, None where they say nothing.
    """

    stored: np.ndarray
    rescale: Rescale | None


def levels_of(stored: np.ndarray, rescale: Rescale | None) -> Levels:
    """Evenly spread values of a slice (height, width)."""
    step = max(1, max(stored.shape) // _SIDE)
    return Levels(stored[::step, ::step].ravel().copy(), rescale)


def corrections(levels: Sequence[Levels]) -> tuple[Rescale | None, ...]:
    """What to read each slice with instead of its own rescale; None where that is right, or nothing else is known.

    All slices that name a rescale are judged together, and so are all that name none.

    Raises:
        Unreadable: the values are no Hounsfield units, and it cannot be told what they are.
    """
    told = [one for one in levels if one.rescale is not None]
    named = {one.rescale for one in told}
    of_told = _better(told, ())
    of_untold = _better(
        [one for one in levels if one.rescale is None],
        (of_told,) if of_told else tuple(rescale for rescale in named if len(named) == 1),
    )
    return tuple(of_untold if one.rescale is None else of_told for one in levels)


def _better(levels: Sequence[Levels], of_others: Sequence[Rescale | None]) -> Rescale | None:
    """The rescale that makes Hounsfield units of ``levels``, where their own does not.

    Args:
        levels: may be empty.
        of_others: to be tried first.
    """
    if not levels:
        return None
    own = np.concatenate([(one.rescale or Rescale(1.0, 0.0)).hu(one.stored) for one in levels])
    if _is_chest(own):
        return None
    stored = np.concatenate([one.stored for one in levels])
    usual = [Rescale(1.0, offset) for offset in _OFFSETS]
    if stored.dtype == np.uint16:
        usual += [Rescale(1.0, 0.0, signed=True), Rescale(1.0, -1024.0, signed=True)]
    for rescale in (*of_others, *usual):
        if rescale is not None and _is_chest(rescale.hu(stored)):
            return rescale
    if _is_absurd(own):
        raise Unreadable("The values of the slices are no Hounsfield units, and nothing tells what they are.")
    return None


def _is_chest(hu: np.ndarray) -> bool:
    seen = hu[hu > _FILLED_HU]
    if seen.size < _LEAST_SEEN * hu.size:
        return False
    return (
        _share(seen, _AIR_HU) >= _LEAST_AIR
        and _share(seen, _TISSUE_HU) >= _LEAST_TISSUE
        and float((seen > MAX_HU).mean()) < _MOST_METAL
    )


def _is_absurd(hu: np.ndarray) -> bool:
    """Whether no tissue has such values; what merely shows no air, as a spine in close-up, is not absurd."""
    seen = hu[hu > _FILLED_HU]
    return seen.size < _LEAST_SEEN * hu.size or float((seen > MAX_HU).mean()) > _ABSURD


def _share(hu: np.ndarray, within: tuple[float, float]) -> float:
    return float(((hu >= within[0]) & (hu <= within[1])).mean())
