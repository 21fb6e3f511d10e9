"""One pass over the patient where a series holds several.

A series may hold a range twice: scanned again, or reconstructed in another size or with another kernel. Scored together,
such slices would count double; so the most complete pass is taken and the others are said to be left out. Where nothing
tells the passes apart, all slices stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from app.ct.reading.copies import Decoded
from app.ct.reading.headers import Header
from app.ct.reading.order import positions
from app.ct.reading.series import rank

_SAME_MM = 0.2
"""Passes of one range rarely differ by more in where their slices lie; slices of one pass are further apart."""
_DOUBLED_SHARE = 0.1
"""Of the slices: fewer at the place of another one are where two parts of one pass meet."""
_FEWEST_PLACES = 3
"""With fewer, positions were made up, as when all of them are 0."""
_LOOKED_AT, _COARSE = 5, 64
_ALIKE = 0.8
"""Median correlation of pictures at the same place: 0.9 and more after another breath or a turn, 0.65 and less between
places 130 mm apart (four exams)."""

_RESET = "Slice positions begin anew within the series: they were not used."
_MIXED = "The slices of the series differ in size or pixel spacing; all of them were kept."


def _spacing_mm(header: Header) -> tuple[float, float]:
    return (round(header.spacing_mm[0], 2), round(header.spacing_mm[1], 2)) if header.spacing_mm else (0.0, 0.0)


Mark = tuple[float, float, str]
"""What tells passes apart: numbers and a word to sort by."""

# Surest first: another reconstruction of the same scan, then another scan.
_RECONSTRUCTED: dict[str, Callable[[Header], Mark]] = {
    "the same range in another size": lambda h: (h.rows, h.columns, ""),
    "the same range with other pixel spacing": lambda h: (*_spacing_mm(h), ""),
    "the same range with another kernel": lambda h: (0.0, 0.0, h.kernel),
    "the same range in another thickness": lambda h: (h.thickness_mm or 0.0, 0.0, ""),
}
_SCANNED: tuple[Callable[[Header], Mark], ...] = (
    lambda h: (-1.0 if h.temporal_position is None else h.temporal_position, 0.0, ""),
    lambda h: (-1.0 if h.acquisition_number is None else h.acquisition_number, 0.0, ""),
    lambda h: (0.0, 0.0, h.acquired),
    lambda h: (0.0, 0.0, h.made),
    lambda h: (-1.0 if h.instance_number is None else h.instance_number, 0.0, ""),
)
_SECOND_PASS = "second pass of the same range"


@dataclass(frozen=True)
class OnePass:
    """What is kept of a series and what is not.

    Attributes:
        kept: slices of one pass.
        left_out: reasons, each with how many slices were left out for it.
        warnings: whole sentences.
    """

    kept: tuple[Decoded, ...]
    left_out: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Placed:
    """A slice and its position along the series' normal, mm."""

    z_mm: float
    one: Decoded


def one_pass(slices: Sequence[Decoded]) -> OnePass:
    """Choose one pass of a series: of reconstructions as of several series, of scans the most complete, then the first.

    Args:
        slices: of one series, in any order.
    """
    z_mm = [z for z in positions([header for header, _ in slices]) if z is not None]
    if len(z_mm) < len(slices):
        return OnePass(tuple(slices), (), _mixed(slices))
    kept, left_out = [_Placed(z, one) for z, one in zip(z_mm, slices, strict=True)], []
    for why, mark_of in _RECONSTRUCTED.items():
        best, others = _best(_stacks(kept, mark_of), lambda stack: rank([placed.one[0] for placed in stack]))
        left_out += [(why, len(stack)) for stack in others]
        kept = best
    for mark_of in _SCANNED:
        best, others = _best(_stacks(kept, mark_of), lambda stack: (-len(stack),))
        if not all(_look_alike(best, stack) for stack in others):
            unplaced = [_without_position(placed.one) for placed in kept]
            return OnePass(tuple(unplaced), tuple(left_out), (_RESET, *_mixed(unplaced)))
        left_out += [(_SECOND_PASS, len(stack)) for stack in others]
        kept = best
    pass_taken = [placed.one for placed in kept]
    return OnePass(tuple(pass_taken), tuple(left_out), _mixed(pass_taken))


def _best(
    stacks: list[list[_Placed]], rank_of: Callable[[list[_Placed]], tuple[float, ...]]
) -> tuple[list[_Placed], list[list[_Placed]]]:
    best = min(stacks, key=rank_of)
    return best, [stack for stack in stacks if stack is not best]


def _stacks(slices: list[_Placed], mark_of: Callable[[Header], Mark]) -> list[list[_Placed]]:
    """Passes of one range; a single one with all slices where ``mark_of`` does not tell them apart.

    Slices alike in it go together, and join those before them unless they lie in the same places.
    """
    blocks: dict[Mark, list[_Placed]] = {}
    for placed in slices:
        blocks.setdefault(mark_of(placed.one[0]), []).append(placed)
    if len(blocks) < 2 or not _is_doubled(slices) or len(_at_each_place(slices)) < _FEWEST_PLACES:
        return [slices]
    stacks: list[list[_Placed]] = []
    for _, block in sorted(blocks.items(), key=lambda item: item[0]):
        if stacks and not _collide(stacks[-1], block):
            stacks[-1] = stacks[-1] + block
        else:
            stacks.append(block)
    sound = len(stacks) <= max(_at_each_place(slices)) and not any(map(_is_doubled, stacks))
    return stacks if sound else [slices]


def _steps(slices: Sequence[_Placed]) -> np.ndarray:
    return np.diff(np.sort([placed.z_mm for placed in slices]))


def _is_doubled(slices: Sequence[_Placed]) -> bool:
    return int((_steps(slices) <= _SAME_MM).sum()) > _DOUBLED_SHARE * len(slices)


def _at_each_place(slices: Sequence[_Placed]) -> list[int]:
    """How many slices lie at each place."""
    place = np.concatenate([[0], np.cumsum(_steps(slices) > _SAME_MM)])
    return [int(count) for count in np.bincount(place)]


def _collide(stack: Sequence[_Placed], block: Sequence[_Placed]) -> bool:
    """Whether more than half of ``block`` lies at places of ``stack``; where two parts of a pass meet, less does."""
    return 2 * len(_pairs(stack, block)) > len(block)


def _pairs(stack: Sequence[_Placed], other: Sequence[_Placed]) -> list[tuple[_Placed, _Placed]]:
    """Slices of both at the same place, head first."""
    ranked = sorted(stack, key=lambda placed: placed.z_mm)
    z_mm = np.array([placed.z_mm for placed in ranked])
    pairs = []
    for placed in sorted(other, key=lambda placed: -placed.z_mm):
        after = int(np.searchsorted(z_mm, placed.z_mm - _SAME_MM))
        if after < len(ranked) and z_mm[after] <= placed.z_mm + _SAME_MM:
            pairs.append((ranked[after], placed))
    return pairs


def _look_alike(stack: Sequence[_Placed], other: Sequence[_Placed]) -> bool:
    """Whether both show the same at the same places. Where a table was set to zero between two scans, they do not."""
    pairs = _pairs(stack, other)
    some = np.linspace(0, len(pairs) - 1, min(len(pairs), _LOOKED_AT)).round().astype(int)
    return bool(np.median([_correlation(pairs[k][0].one[1].gray, pairs[k][1].one[1].gray) for k in some]) >= _ALIKE)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = (
        np.asarray(Image.fromarray(gray).resize((_COARSE, _COARSE), resample=Image.Resampling.BOX), dtype=np.float64)
        for gray in (one, other)
    )
    if a.std() == 0 or b.std() == 0:
        return float((a == b).all())
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _without_position(one: Decoded) -> Decoded:
    return replace(one[0], position=None, slice_location=None), one[1]


def _mixed(slices: Sequence[Decoded]) -> tuple[str, ...]:
    looks = {(h.rows, h.columns, *_spacing_mm(h)) for h, _ in slices}
    return (_MIXED,) if len(looks) > 1 else ()
