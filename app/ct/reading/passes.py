"""One pass over the patient where a series holds several.

A series may hold a range twice: scanned again, or reconstructed in another size or with another kernel. Scored together,
such slices would count double; so of scans the most complete one is taken, of reconstructions the one that ranks best,
and the others are said to be left out. Where these alone show a part of the patient, their slices of it stay. Where
nothing tells the passes apart, all slices stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
from PIL import Image

from app.ct.reading.copies import Decoded
from app.ct.reading.headers import Header
from app.ct.reading.order import positions
from app.ct.reading.series import rank, whole_of
from app.ct.spread import end_to_end
from app.ct.words import Sentence, counted, sentence

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

_RESET = sentence("Slice positions begin anew within the series: they were not used.")
_MIXED = sentence("The slices of the series differ in size or pixel spacing; all of them were kept.")


def _spacing_mm(header: Header) -> tuple[float, float]:
    return (round(header.spacing_mm[0], 2), round(header.spacing_mm[1], 2)) if header.spacing_mm else (0.0, 0.0)


Mark = tuple[float, float, str]
"""What tells passes apart: numbers and a word to sort by."""

# Surest first: another reconstruction of the same scan, then another scan.
_RECONSTRUCTED: dict[Sentence, Callable[[Header], Mark]] = {
    sentence("the same range in another size"): lambda h: (h.rows, h.columns, ""),
    sentence("the same range with other pixel spacing"): lambda h: (*_spacing_mm(h), ""),
    sentence("the same range with another kernel"): lambda h: (0.0, 0.0, h.kernel),
    sentence("the same range in another thickness"): lambda h: (round(h.thickness_mm or 0.0, 1), 0.0, ""),
}
_SCANNED: tuple[Callable[[Header], Mark], ...] = (
    lambda h: (-1.0 if h.temporal_position is None else h.temporal_position, 0.0, ""),
    lambda h: (-1.0 if h.acquisition_number is None else h.acquisition_number, 0.0, ""),
    lambda h: (0.0, 0.0, h.acquired),
    lambda h: (0.0, 0.0, h.made),
    lambda h: (-1.0 if h.instance_number is None else h.instance_number, 0.0, ""),
)
_SECOND_PASS = sentence("second pass of the same range")


@dataclass(frozen=True)
class OnePass:
    """What is kept of a series and what is not.

    Attributes:
        kept: slices of one pass.
        left_out: reasons, each with how many slices were left out for it.
        warnings: whole sentences.
    """

    kept: tuple[Decoded, ...]
    left_out: tuple[tuple[Sentence, int], ...]
    warnings: tuple[Sentence, ...]


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
    kept, left_out, completed = [_Placed(z, one) for z, one in zip(z_mm, slices, strict=True)], [], 0
    for why, mark_of in _RECONSTRUCTED.items():
        best, others = _best(_stacks(kept, mark_of), _rank_reconstructions)
        chosen = _completed(best, others)
        left_out += [(why, count) for count in chosen.left_out]
        kept, completed = chosen.kept, completed + chosen.added
    for mark_of in _SCANNED:
        best, others = _best(_stacks(kept, mark_of), lambda stacks: [(-len(stack),) for stack in stacks])
        # Each beside all that it may be left out for: the best one, and what those before it may have completed it by.
        before = accumulate(others, lambda kept, stack: [*kept, *stack], initial=best)
        if not all(_look_alike(kept, stack) for kept, stack in zip(before, others, strict=False)):
            unplaced = [_without_position(placed.one) for placed in kept]
            return OnePass(tuple(unplaced), tuple(left_out), (_RESET, *_mixed(unplaced)))
        chosen = _completed(best, others)
        left_out += [(_SECOND_PASS, count) for count in chosen.left_out]
        kept, completed = chosen.kept, completed + chosen.added
    pass_taken = [placed.one for placed in kept]
    said = (_were_added(completed),) if completed else _mixed(pass_taken)
    return OnePass(tuple(pass_taken), tuple(left_out), said)


_Ranks = Sequence[tuple[float, ...]]


def _best(
    stacks: list[list[_Placed]], ranks_of: Callable[[list[list[_Placed]]], _Ranks]
) -> tuple[list[_Placed], list[list[_Placed]]]:
    """The best of several passes, and the others, better ones first."""
    ranks = ranks_of(stacks)
    best, *others = (stacks[k] for k in sorted(range(len(stacks)), key=lambda k: ranks[k]))
    return best, others


def _rank_reconstructions(stacks: list[list[_Placed]]) -> _Ranks:
    series = [[placed.one[0] for placed in stack] for stack in stacks]
    whole = whole_of(series)
    return [rank(slices, whole) for slices in series]


@dataclass(frozen=True)
class _Completed:
    """A pass with what only others show.

    Attributes:
        kept: the pass and what was added to it.
        added: how many slices that is.
        left_out: how many slices of each other pass were left out.
    """

    kept: list[_Placed]
    added: int
    left_out: tuple[int, ...]


def _completed(best: list[_Placed], others: list[list[_Placed]]) -> _Completed:
    """``best`` with those slices of ``others`` that lie a usual distance or more from all of it."""
    kept, left_out = best, []
    for stack in others:
        known, usual_mm = np.array([placed.z_mm for placed in kept]), _usual_mm(kept)
        alone = [p for p in stack if np.abs(known - p.z_mm).min() >= usual_mm - _SAME_MM]
        kept = kept + alone
        left_out.append(len(stack) - len(alone))
    return _Completed(kept, len(kept) - len(best), tuple(left_out))


def _stacks(slices: list[_Placed], mark_of: Callable[[Header], Mark]) -> list[list[_Placed]]:
    """Passes of one range; a single one with all slices where ``mark_of`` does not tell them apart.

    Slices alike in it go together, and join those before them unless they lie in the same places.
    """
    blocks: dict[Mark, list[_Placed]] = {}
    for placed in slices:
        blocks.setdefault(mark_of(placed.one[0]), []).append(placed)
    long = sum(len(block) >= _FEWEST_PLACES for block in blocks.values())
    if len(blocks) < 2 or len(_at_each_place(slices)) < _FEWEST_PLACES or not (long > 1 or _is_doubled(slices)):
        return [slices]
    stacks: list[list[_Placed]] = []
    for _, block in sorted(blocks.items(), key=lambda item: item[0]):
        if stacks and not _collide(stacks[-1], block):
            stacks[-1] = stacks[-1] + block
        else:
            stacks.append(block)
    coincide = _is_doubled(slices) and len(stacks) <= max(_at_each_place(slices))
    told = coincide or all(_are_two(a, b) for a, b in pairwise(stacks))
    return stacks if told and not any(map(_is_doubled, stacks)) else [slices]


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
    return 2 * len(_pairs(stack, block, _SAME_MM)) > len(block) or _are_two(stack, block)


def _are_two(stack: Sequence[_Placed], block: Sequence[_Placed]) -> bool:
    """Whether both show a range of their own, though no slice of one may lie at the place of one of the other.

    Parts of one pass may alternate, as steps of the table do; they look alike, and neither shows the range without gaps.
    """
    if any(len(slices) < _FEWEST_PLACES or len(_at_each_place(slices)) < _FEWEST_PLACES for slices in (block, stack)):
        return False
    among = [(stack, block), (block, stack)]
    overlap = any(2 * len(_pairs(a, b, _usual_mm(a) / 2 + _SAME_MM)) > len(b) for a, b in among)
    return overlap and (not _looks(stack) & _looks(block) or (_is_without_gaps(stack) and _is_without_gaps(block)))


def _looks(slices: Sequence[_Placed]) -> set[tuple[Mark, ...]]:
    return {tuple(mark_of(placed.one[0]) for mark_of in _RECONSTRUCTED.values()) for placed in slices}


def _is_without_gaps(slices: Sequence[_Placed]) -> bool:
    """Whether each slice begins where the one before ends."""
    return all(_usual_mm(slices) <= (placed.one[0].thickness_mm or 0.0) + _SAME_MM for placed in slices)


def _usual_mm(slices: Sequence[_Placed]) -> float:
    """Median distance between neighboring places, 0 where there is one place only."""
    apart = _steps(slices)
    return float(np.median(apart[apart > _SAME_MM])) if (apart > _SAME_MM).any() else 0.0


def _pairs(stack: Sequence[_Placed], other: Sequence[_Placed], within_mm: float) -> list[tuple[_Placed, _Placed]]:
    """Slices of ``other``, head first, each after the one of ``stack`` that lies nearest, where one does."""
    z_mm = np.array([placed.z_mm for placed in stack])
    ranked = sorted(other, key=lambda placed: -placed.z_mm)
    nearest = [int(np.abs(z_mm - placed.z_mm).argmin()) for placed in ranked]
    pairs = [(stack[k], placed) for k, placed in zip(nearest, ranked, strict=True)]
    return [(a, b) for a, b in pairs if abs(a.z_mm - b.z_mm) <= within_mm]


def _look_alike(stack: Sequence[_Placed], other: Sequence[_Placed]) -> bool:
    """Whether both show the same at the same places. Where a table was set to zero between two scans, they do not.

    Where they have no place in common, nothing speaks against it.
    """
    pairs = _pairs(stack, other, _usual_mm(stack) / 2 + _SAME_MM)
    if not pairs:
        return True
    some = end_to_end(len(pairs), _LOOKED_AT)
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


def _were_added(slices: int) -> Sentence:
    return counted(
        "{count} slice of another pass or reconstruction was kept: the one that was taken does not show what it shows.",
        "{count} slices of another pass or reconstruction were kept: the one that was taken does not show what they"
        " show.",
        count=slices,
    )


def _mixed(slices: Sequence[Decoded]) -> tuple[Sentence, ...]:
    looks = {(h.rows, h.columns, *_spacing_mm(h)) for h, _ in slices}
    return (_MIXED,) if len(looks) > 1 else ()
