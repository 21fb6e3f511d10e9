"""What the levels of 16-bit pictures mean: a PNG does not say, so the levels of the whole exam have to tell."""

from dataclasses import dataclass

import numpy as np

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
_MIDDLE = 32768
_AROUND_MIDDLE, _AROUND_SHARE = slice(_MIDDLE - 3100, _MIDDLE + 4096), 0.999
_AIR = slice(_MIDDLE - 3100, _MIDDLE - 500)


@dataclass(frozen=True)
class Meaning:
    """How levels become gray.

    Attributes:
        window: black to white, in levels.
        lowest: level that lower ones are taken for.
        warning: what was assumed; None where nothing was.
    """

    window: Window
    lowest: float = 0.0
    warning: Sentence | None = None

    def gray(self, levels: np.ndarray) -> np.ndarray:
        """Gray of a picture.

        Args:
            levels: unsigned (height, width); left untouched.

        Returns:
            uint8 (height, width).
        """
        return self.window.gray(np.maximum(levels.astype(np.float32), np.float32(self.lowest)))


WHOLE_RANGE = Meaning(Window(center=(LEVELS - 1) / 2, width=LEVELS - 1))


def meaning_of(counts: np.ndarray) -> Meaning:
    """Whether levels are Hounsfield units, or gray of as many bits as they need.

    Args:
        counts: int64 (65536,), how often each level is used in the exam's 16-bit pictures.
    """
    used = counts.copy()
    used[0] = 0
    total = int(used.sum())
    highest = int(np.flatnonzero(counts)[-1])
    if used[_AIR].sum() and used[_AROUND_MIDDLE].sum() >= _AROUND_SHARE * total:
        return _hounsfield(_MIDDLE)
    if 2 ** _BITS[1] <= highest <= _HIGHEST_STORED and used[_DENSE:].sum() < _DENSE_SHARE * total:
        return _hounsfield(-int(AIR_HU))
    bits = next((bits for bits in _BITS if highest < 2**bits), 16)
    if bits == 16:
        return WHOLE_RANGE
    white = 2**bits - 1
    warning = sentence("The 16-bit pictures use no level above {white}: that level was taken as white.", white=white)
    return Meaning(Window(center=white / 2, width=white), warning=warning)


def _hounsfield(offset: int) -> Meaning:
    return Meaning(
        Window(center=LUNG.center + offset, width=LUNG.width),
        lowest=AIR_HU + offset,
        warning=sentence(
            "The levels of the 16-bit pictures were taken as Hounsfield units plus {offset} and shown in the lung window.",
            offset=offset,
        ),
    )
