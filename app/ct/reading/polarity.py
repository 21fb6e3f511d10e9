"""How the gray levels of exported pictures were made: whether black and white are swapped, and for which tissue.

Pictures carry no tags, so their content has to tell. Figures are of the images of the training sources (README).
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from app.ct.lungs import coarse_copy, find_lungs
from app.ct.spread import end_to_end

LOOKED_AT = 16
"""Pictures of an exam that are looked at, evenly spread: all of them were exported alike."""

# Logits of a logistic regression on pictures as they are against their inverted copies, without an intercept, so that
# the two of a pair differ in the sign alone.
_PER_DETAIL, _PER_TISSUE, _PER_MIDDLE = 18.0, 7.0, 0.035
_MOST_DETAIL = 80
"""Gray levels: letters and arrows, which are far brighter than vessels, count no more than this."""
_TISSUE, _LUNG = slice(200, 245), slice(11, 56)
"""Gray levels of soft tissue in the lung window, and the same swapped; frames and letters are outside both."""
INVERTED_BELOW = -2.0
_LEAST_SIDE = 48
"""Pixels: on less there are no vessels to see."""

_BLACK = 6
_SMALLEST_HOLE = 0.01
_BLACK_LUNGS = 0.06
"""Shares of the picture: in a soft tissue window the lungs are black holes in the body; gas in the bowel is smaller."""
_SHARE_OF_EXAM = 0.25
"""Of the pictures looked at: more than half of an exam shows lung, less of it at apex and base."""
_GRAY_LUNG = 20
"""Gray level: the lung window shows healthy lung at 85, other windows at 0."""
_SHARE_OF_WINDOW = 0.12
"""Of the pictures looked at: two of sixteen."""


def are_inverted(pictures: Sequence[np.ndarray]) -> bool:
    """Whether the pictures of an exam show air white and tissue black; at least half of them decide.

    Args:
        pictures: uint8 (height, width) each, at least one.
    """
    return bool(np.median([evidence_for_usual(p) for p in _some(pictures)]) < INVERTED_BELOW)


def evidence_for_usual(gray: np.ndarray) -> float:
    """How much speaks for air being black and tissue white, in logits; the inverted picture has as much against it; 0 unknown.

    Three things tell, none of them the background, which papers and viewers paint as they like: vessels are fine bright
    detail on a dark ground, soft tissue is a large even share of the picture, and spine and heart lie between the lungs.

    Args:
        gray: uint8 (height, width).
    """
    if min(gray.shape) < _LEAST_SIDE:
        return 0.0
    small = coarse_copy(gray).astype(np.int16)
    bright = np.minimum(small - ndimage.grey_opening(small, size=(3, 3)), _MOST_DETAIL).sum()
    dark = np.minimum(ndimage.grey_closing(small, size=(3, 3)) - small, _MOST_DETAIL).sum()
    shares = np.bincount(small.ravel(), minlength=256) / small.size
    return float(
        _PER_DETAIL * np.log((bright + 1.0) / (dark + 1.0))
        + _PER_TISSUE * (shares[_TISSUE].sum() - shares[_LUNG].sum())
        + _PER_MIDDLE * _middle_over_sides(small)
    )


def _middle_over_sides(small: np.ndarray) -> float:
    """Median gray level where heart and spine lie, above that where the lungs lie."""
    height, width = small.shape

    def part(top: float, bottom: float, left: float, right: float) -> np.ndarray:
        rows = slice(int(top * height), int(bottom * height) + 1)
        return small[rows, int(left * width) : int(right * width) + 1].ravel()

    sides = np.concatenate([part(0.35, 0.65, 0.2, 0.35), part(0.35, 0.65, 0.65, 0.8)])
    return float(np.median(part(0.3, 0.85, 0.45, 0.55)) - np.median(sides))


def are_for_soft_tissue(pictures: Sequence[np.ndarray]) -> bool:
    """Whether the pictures of an exam are in a mediastinal or bone window, in which nothing is seen of the lungs.

    Args:
        pictures: uint8 (height, width) each, air black, at least one.
    """
    return bool(np.mean([black_lungs(p) > _BLACK_LUNGS for p in _some(pictures)]) >= _SHARE_OF_EXAM)


def are_in_two_windows(pictures: Sequence[np.ndarray]) -> bool:
    """Whether some pictures of an exam show lungs in the lung window and others show them black.

    Args:
        pictures: uint8 (height, width) each, air black, at least one.
    """
    some = _some(pictures)
    black = [black_lungs(p) > _BLACK_LUNGS for p in some]
    fewest = max(1.0, _SHARE_OF_WINDOW * len(some))
    gray = (not is_black and _shows_gray_lungs(p) for p, is_black in zip(some, black, strict=True))
    return sum(black) >= fewest and sum(gray) >= fewest


def _shows_gray_lungs(picture: np.ndarray) -> bool:
    lungs = find_lungs(picture)
    # The mask is of the coarse copy, not of the picture.
    return lungs is not None and float(np.median(coarse_copy(picture)[lungs.mask])) > _GRAY_LUNG


def black_lungs(gray: np.ndarray) -> float:
    """Share of the picture in black holes that do not reach its edges.

    Args:
        gray: uint8 (height, width), air black.
    """
    small = coarse_copy(gray, 128)
    holes, count = ndimage.label(ndimage.binary_opening(small <= _BLACK))
    areas = np.bincount(holes.ravel(), minlength=count + 1)
    areas[np.concatenate([[0], holes[0], holes[-1], holes[:, 0], holes[:, -1]])] = 0
    return float(areas[areas >= _SMALLEST_HOLE * small.size].sum() / small.size)


def _some(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    places = end_to_end(len(pictures), LOOKED_AT)
    return [pictures[k] for k in places]
