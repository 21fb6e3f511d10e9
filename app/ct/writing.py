"""Whether anything is written into a picture beside the body: names and dates are often burnt into exports.

It looks for what writing looks like, not for what it says: bright marks of like height on dark ground, side by side on one line.
Nothing reads the letters. What is written across the body is not seen.
"""

import numpy as np
from scipy import ndimage

from app.ct.exam import Exam
from app.ct.lungs import coarse_copy
from app.ct.spread import end_to_end
from app.ct.words import Sentence, sentence
from app.ct.workers import ON_THE_SPOT, Workers, taken

_LOOKED_AT, _AT_ONCE = 16, 4
"""Slices of an exam, evenly spread; how many are looked at by one worker together."""
_LONGER_SIDE = 1024
"""Pixels; larger pictures are shrunk."""
_BRIGHT, _DARK = 110, 70
_LEAST_HEIGHT, _LEAST_SHARE, _MOST_SHARE = 5, 0.008, 0.07
"""Of a letter: in pixels, and of the picture's longer side."""
_WIDEST = 1.6
"""Of a letter, in its heights."""
_ON_DARK = 0.6
"""Of the pixels around a letter; neighbors of a line reach in."""
_LETTERS = 4
"""On one line. Of three, vessels make a line now and then."""
_LEVEL, _ALIKE, _APART = 0.2, 0.65, 1.0
"""Of neighbors on a line, in heights of the higher: how far their feet may differ, how high the lower is at least, the gap."""
_MOST_MARKS = 500
"""More is noise, not writing; what is compared pair by pair is bounded."""


def writing_on(exam: Exam, *, workers: Workers = ON_THE_SPOT) -> tuple[Sentence, ...]:
    """A warning where writing was found.

    Args:
        exam: at least one slice.
        workers: look for it.
    """
    looked = end_to_end(len(exam.slices), _LOOKED_AT)
    grays = [exam.slices[k].gray for k in looked]
    found = sum(map(taken, workers.map(has_writing, grays, at_once=_AT_ONCE)))
    said = sentence(
        "Something seems to be written beside the body, on {found} of {looked} slices looked at. If it names anybody, remove it"
        " before the pictures go any further.",
        found=found,
        looked=len(looked),
    )
    return (said,) if found else ()


def has_writing(gray: np.ndarray) -> bool:
    """Whether four letters or more stand in a row on dark ground.

    Args:
        gray: uint8 (height, width).
    """
    small = coarse_copy(gray, _LONGER_SIDE)
    # Where a picture was turned so that the patient stands upright, what was written into it lies on its side.
    return any(_has_line(one) for one in (small, np.ascontiguousarray(small.T)))


def _has_line(gray: np.ndarray) -> bool:
    labels, _ = ndimage.label(gray >= _BRIGHT, structure=np.ones((3, 3)))
    side = max(gray.shape)
    low, high = max(_LEAST_HEIGHT, _LEAST_SHARE * side), _MOST_SHARE * side
    marks = [
        (rows.start, rows.stop, columns.start, columns.stop)
        for rows, columns in ndimage.find_objects(labels)
        if low <= rows.stop - rows.start <= high and columns.stop - columns.start <= _WIDEST * (rows.stop - rows.start)
    ]
    if len(marks) > _MOST_MARKS:
        return False
    letters = [mark for mark in marks if _is_on_dark(gray, *mark)]
    return len(letters) >= _LETTERS and _longest_line(np.array(sorted(letters, key=lambda m: m[2]))) >= _LETTERS


def _is_on_dark(gray: np.ndarray, top: int, bottom: int, left: int, right: int) -> bool:
    above, before = max(0, top - 2), max(0, left - 2)
    around = gray[above : bottom + 2, before : right + 2]
    beside = np.ones(around.shape, bool)
    beside[top - above : bottom - above, left - before : right - before] = False
    return bool((around[beside] <= _DARK).mean() >= _ON_DARK) if beside.any() else False


def _longest_line(letters: np.ndarray) -> int:
    """Most letters in a row; int (letters, 4) of top, bottom, left, right, by left."""
    height = letters[:, 1] - letters[:, 0]
    higher, lower = np.maximum.outer(height, height), np.minimum.outer(height, height)
    gap = letters[None, :, 2] - letters[:, None, 3]
    follows = (
        (np.abs(letters[:, None, 1] - letters[None, :, 1]) <= _LEVEL * higher)
        & (lower >= _ALIKE * higher)
        & (gap >= -_LEVEL * higher)
        & (gap <= _APART * higher)
    )
    length = np.ones(len(letters), int)
    for k in range(1, len(letters)):
        before = length[:k][follows[:k, k]]
        length[k] = 1 + (before.max() if before.size else 0)
    return int(length.max())
