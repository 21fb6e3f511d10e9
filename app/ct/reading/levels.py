"""What the levels of 16-bit pictures mean: a PNG does not say, so the levels of the whole exam have to tell."""

from dataclasses import dataclass, replace

import numpy as np

from app.ct.reading.scale import is_chest
from app.ct.reading.values import AIR_HU
from app.ct.windowing import LUNG, Window
from app.ct.words import Sentence, sentence

LEVELS = 65536
# Bits that levels come in; a picture shown in a window uses the whole of its range.
_BITS = (8, 10, 12, 14)
_HIGHEST_STORED = 2**14 - 1
# Stored values of a CT are HU + 1024: denser than this is metal only, while every window shows more in its upper quarter.
_DENSE, _DENSE_SHARE = 3072, 0.01
# HU + 32768, as collections of CT slices are published; from padding below air to dense bone, and air among it.
_MIDDLE, _STORED = 32768, -int(AIR_HU)
_AROUND_MIDDLE, _AROUND_SHARE = slice(_MIDDLE - 3100, _MIDDLE + 4096), 0.999
_AIR = slice(_MIDDLE - 3100, _MIDDLE - 500)
# Negative numbers that were written as if they were none, in two's complement: down to padding below air.
_NEGATIVE = slice(LEVELS - 3100, LEVELS)
# So many levels tell what all of them are.
_SOME = 2**16
_ARE_HU = sentence(
    "The levels of the 16-bit pictures were taken as Hounsfield units, the highest levels as negative ones, and shown in the"
    " lung window."
)
_ARE_STORED = sentence(
    "The levels of the 16-bit pictures were taken as Hounsfield units plus 1024, the highest levels as negative numbers, and"
    " shown in the lung window."
)


@dataclass(frozen=True)
class Meaning:
    """How levels become gray.

    Attributes:
        window: black to white, in levels.
        lowest: level that lower ones are taken for.
        signed: levels are numbers in two's complement.
        warning: what was assumed; None where nothing was.
    """

    window: Window
    lowest: float = 0.0
    signed: bool = False
    warning: Sentence | None = None

    def gray(self, levels: np.ndarray) -> np.ndarray:
        """Gray of a picture.

        Args:
            levels: unsigned (height, width); left untouched.

        Returns:
            uint8 (height, width).
        """
        numbers = levels.astype(np.uint16).astype(np.int16) if self.signed else levels
        return self.window.gray(np.maximum(numbers.astype(np.float32), np.float32(self.lowest)))


WHOLE_RANGE = Meaning(Window(center=(LEVELS - 1) / 2, width=LEVELS - 1))


def meaning_of(counts: np.ndarray) -> Meaning:
    """Whether levels are Hounsfield units, or gray of as many bits as they need.

    Args:
        counts: int64 (65536,), how often each level is used in the exam's 16-bit pictures.
    """
    used = counts.copy()
    used[0] = 0
    if used[_AIR].sum() and used[_AROUND_MIDDLE].sum() >= _AROUND_SHARE * int(used.sum()):
        return _hounsfield(_MIDDLE)
    if counts[_NEGATIVE].any() and (found := _in_twos_complement(counts)) is not None:
        return found
    if _are_stored(used):
        return _hounsfield(_STORED)
    highest = int(np.flatnonzero(counts)[-1])
    bits = next((bits for bits in _BITS if highest < 2**bits), 16)
    if bits == 16:
        return WHOLE_RANGE
    white = 2**bits - 1
    warning = sentence("The 16-bit pictures use no level above {white}: that level was taken as white.", white=white)
    return Meaning(Window(center=white / 2, width=white), warning=warning)


def _are_stored(used: np.ndarray) -> bool:
    """Whether levels, counted without black, fit stored values of a CT."""
    highest = int(np.flatnonzero(used)[-1]) if used.any() else 0
    return 2 ** _BITS[1] <= highest <= _HIGHEST_STORED and int(used[_DENSE:].sum()) < _DENSE_SHARE * int(used.sum())


def _in_twos_complement(counts: np.ndarray) -> Meaning | None:
    """What levels mean some of which are negative numbers; None where the others are no Hounsfield units, as in gray."""
    used = counts.copy()
    used[_NEGATIVE] = used[0] = 0
    if used[_HIGHEST_STORED + 1 :].any():
        return None
    numbers = np.arange(LEVELS).astype(np.uint16).astype(np.int16).astype(np.float32)
    some = np.repeat(numbers, np.rint(counts * (_SOME / counts.sum())).astype(int))
    if is_chest(some) and not is_chest(some - _STORED):
        return _signed(0, _ARE_HU)
    return _signed(_STORED, _ARE_STORED) if _are_stored(used) else None


def _signed(offset: int, warning: Sentence) -> Meaning:
    return replace(_hounsfield(offset), signed=True, warning=warning)


def _hounsfield(offset: int) -> Meaning:
    return Meaning(
        Window(center=LUNG.center + offset, width=LUNG.width),
        lowest=AIR_HU + offset,
        warning=sentence(
            "The levels of the 16-bit pictures were taken as Hounsfield units plus {offset} and shown in the lung window.",
            offset=offset,
        ),
    )
