"""Which series of the upload is the chest exam, and why."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.ct.errors import NoUsableSeries, WrongModality
from app.ct.exam import RejectedSeries, SeriesChoice
from app.ct.reading.axial import is_ct, is_reformat, why_no_slice
from app.ct.reading.body_part import other_part
from app.ct.reading.copies import copies_left_out, without_copies
from app.ct.reading.grouping import check_one_patient, check_one_study, grouped
from app.ct.reading.headers import Header
from app.ct.reading.order import positions
from app.ct.steps import is_gap
from app.ct.words import Sentence, counted, listed, sentence

# Sharp kernels as GE, Siemens, Canon and Philips name them; the series description of those that only say it there.
_LUNG_KERNEL = re.compile(r"LUNG|^BONE|^EDGE|^[BDIJU]L?[5-8]\d|^B[LR][5-7]\d|^FC(5|8)\d|^Y[ABC]$|^L$")
_LUNG_WORDS = re.compile(r"lung|pulm|poumon|pulmon|肺", re.IGNORECASE)
MAX_THIN_MM = 5.0
# Cut or computed from other slices, by the series description alone.
_COMPUTED_WORDS = re.compile(r"(?<![A-Za-z])(MPR|MIPS?|MINIP|VRT)(?![A-Za-z])", re.IGNORECASE)
# Lungs are this high as a rule; a series that covers less than this share of them, or of the longest series, is a part.
_CHEST_MM, _SHORT_SHARE = 300.0, 0.8
# A picture less wide shows one lung, the spine or the heart; of several series each is measured by the widest.
_BODY_MM, _NARROW_SHARE, _LEAST_FIELD_MM = 300.0, 0.8, 100.0
# Series of one exam end some slices apart: what is missing there is nothing to speak of. So few places are no range.
_MISSED_MM = 40.0
_FEWEST_PLACES = 3
_NOT_ASKED = sentence("not asked for")
# Bolus tracking and test shots leave stacks of a few slices, often with a sharp kernel; they are no exam.
MIN_EXAM_SLICES = 10
_TOO_FEW = sentence("too few slices")
# A refusal is read by someone: more series than these are counted.
_MOST_TOLD = 10


@dataclass(frozen=True)
class Chosen:
    """The slices to read, and the report's words on the choice."""

    headers: tuple[Header, ...]
    choice: SeriesChoice
    warnings: tuple[Sentence, ...]


def choose(headers: Sequence[Header], *, series_instance_uid: str | None) -> Chosen:
    """Choose one series.

    Args:
        headers: of every DICOM file of the upload.
        series_instance_uid: the series to take, None for the best one.

    Raises:
        WrongModality: nothing CT.
        SeveralStudies: slices of two studies, or of two patients.
        NoUsableSeries: no axial CT series, or not the one asked for.
    """
    if not any(is_ct(h) for h in headers):
        raise WrongModality(sentence("None of the DICOM files is CT."))
    unique = without_copies(headers)
    series = grouped(unique)
    usable = {label: kept for label, group in series.items() if (kept := [h for h in group if why_no_slice(h) is None])}
    of_patients = check_one_patient(usable.values())
    check_one_study(usable.values())
    whole = whole_of(usable.values())
    # Once for each series: an upload may hold thousands.
    found = {label: _criteria(slices, whole) for label, slices in usable.items()}
    if series_instance_uid is None:
        ranked = sorted(usable, key=lambda label: _values(found[label]))
    else:
        ranked = [label for label, kept in usable.items() if any(h.series == series_instance_uid for h in kept)]
    left_out = [r for label, group in series.items() for r in _left_out(label, group)]
    if not ranked:
        raise _nothing_usable(left_out, asked=series_instance_uid is not None)
    best = ranked[0]
    others = [label for label in usable if label != best]
    asked = series_instance_uid is not None
    why_not = {o: _NOT_ASKED if asked else _why_not(found[best], found[o]) for o in others}
    rejected = [RejectedSeries(o, len(usable[o]), why_not[o]) for o in others]
    choice = SeriesChoice(best, _ASKED if asked else _why([why_not[o] for o in ranked[1:]]), (*rejected, *left_out))
    copies = len({h.number for h in headers}) - len({h.number for h in unique})
    missed = _missed(usable[best], [usable[label] for label in others])
    return Chosen(tuple(usable[best]), choice, (*of_patients, *copies_left_out(copies), *missed))


def _left_out(label: Sentence, group: Sequence[Header]) -> list[RejectedSeries]:
    reasons = Counter(why for h in group if (why := why_no_slice(h)))
    return [RejectedSeries(label, count, why) for why, count in sorted(reasons.items())]


def _missed(best: Sequence[Header], others: Sequence[Sequence[Header]]) -> tuple[Sentence, ...]:
    """What to say where another series of the chest shows a range that ``best`` does not."""
    low, high = _ends_mm(best)
    ends = [_ends_mm(other) for other in others if covered_mm(best) and _shows_a_range(other)]
    further = max((max(low - lowest, 0.0) + max(highest - high, 0.0) for lowest, highest in ends), default=0.0)
    return (_not_covered(further),) if further > _MISSED_MM else ()


def _not_covered(further_mm: float) -> Sentence:
    return sentence(
        "Another series of the upload goes {further_mm:.0f} mm further than the one that was read: what it shows there"
        " was not read.",
        further_mm=further_mm,
    )


def narrow(slices: Sequence[Header]) -> tuple[Sentence, ...]:
    """What to say where the pictures that are read are too narrow for a body."""
    field_mm = field_of_view_mm(slices)
    said = sentence(
        "The pictures are {field_mm:.0f} mm wide: of an adult's lungs they show a part alone.", field_mm=field_mm
    )
    return (said,) if 0 < field_mm < _NARROW_SHARE * _BODY_MM else ()


class Whole(NamedTuple):
    """What several series of the chest are measured by: the longest range and the widest field among them, 0 where unknown."""

    long_mm: float
    wide_mm: float


def whole_of(groups: Iterable[Sequence[Header]]) -> Whole:
    """Of series of one upload, or reconstructions of one series."""
    fit = [slices for slices in groups if _is_whole_enough(slices)]
    return Whole(max(map(covered_mm, fit), default=0.0), max(map(field_of_view_mm, fit), default=0.0))


def covered_mm(slices: Sequence[Header]) -> float:
    """How much of the patient slices cover, gaps left out; 0 where it is unknown."""
    places = len({z for z in positions(slices) if z is not None})
    return places * (_usual_distance_mm(slices) or _at_one_place_mm(slices))


def _at_one_place_mm(slices: Sequence[Header]) -> float:
    """The thickness of slices that were all scanned at one place; 0 where their positions were made up, or reset."""
    made_up = any(h.position is None or not any(h.position) for h in slices)
    if made_up or len({h.slice_location for h in slices}) > 1:
        return 0.0
    return max((h.thickness_mm or 1.0 for h in slices), default=0.0)


def field_of_view_mm(slices: Sequence[Header]) -> float:
    """The longer side of the widest picture, for they may be cropped to the body; 0 where it is unknown, or no scanner's."""
    sides = [max(h.rows * h.spacing_mm[0], h.columns * h.spacing_mm[1]) for h in slices if h.spacing_mm]
    widest = max(sides, default=0.0)
    return widest if widest >= _LEAST_FIELD_MM else 0.0


def _is_whole_enough(slices: Sequence[Header]) -> bool:
    """Whether other series are to be measured by this one."""
    return not any(worse for worse, _ in _unfit(slices))


def _shows_a_range(slices: Sequence[Header]) -> bool:
    """Whether what a series shows is missed where it is not read; a scan may be split, and one part of it be short."""
    places = {z for z in positions(slices) if z is not None}
    unfit = {why for worse, why in _unfit(slices) if worse}
    return len(places) >= _FEWEST_PLACES and unfit <= {_TOO_FEW}


def _ends_mm(slices: Sequence[Header]) -> tuple[float, float]:
    known = [z for z in positions(slices) if z is not None] or [0.0]
    return min(known), max(known)


def _unfit(slices: Sequence[Header]) -> tuple[tuple[float, Sentence], ...]:
    """What speaks against a series whatever it covers, first of the sort keys."""
    computed = any(is_reformat(h) or _COMPUTED_WORDS.search(h.description) for h in slices)
    return (
        (other_part(slices) is not None, sentence("another body part")),
        (len(slices) < MIN_EXAM_SLICES, _TOO_FEW),
        (computed, sentence("computed from other slices")),
        (is_gap(_usual_distance_mm(slices)), sentence("slices too far apart")),
    )


_Criteria = tuple[tuple[float, Sentence], ...]


def _criteria(slices: Sequence[Header], whole: Whole) -> _Criteria:
    """Sort keys, smallest first, each with what being worse in it is called.

    A part of the chest comes after a whole one, however sharp: what it leaves out may be what is ill.
    """
    kernel = any(_LUNG_KERNEL.search(part) for h in slices for part in h.kernel.split("\\"))
    lung = kernel or any(_LUNG_WORDS.search(h.description) for h in slices)
    apart = _usual_distance_mm(slices)
    thickness = max(h.thickness_mm or apart or math.inf for h in slices)
    short = 0 < covered_mm(slices) < _SHORT_SHARE * min(whole.long_mm, _CHEST_MM)
    field_mm = field_of_view_mm(slices)
    narrow = 0 < field_mm < _NARROW_SHARE * min(whole.wide_mm, _BODY_MM)
    return (
        *_unfit(slices),
        (short, sentence("shorter range")),
        (narrow, sentence("only a part of the body")),
        (not lung, sentence("no lung kernel")),
        (thickness > MAX_THIN_MM, sentence("thick slices")),
        (thickness if thickness <= MAX_THIN_MM else 0.0, sentence("thicker slices")),
        (-len(slices), sentence("fewer slices")),
        (-min((h.rows * h.columns for h in slices), default=0), sentence("smaller pictures")),
        (-field_mm, sentence("a smaller part of the body")),
    )


def _usual_distance_mm(slices: Sequence[Header]) -> float:
    """Median distance between neighboring positions; 0 where it is unknown."""
    known = sorted({z for z in positions(slices) if z is not None})
    return float(np.median(np.diff(known))) if len(known) > 1 else 0.0


def rank(slices: Sequence[Header], whole: Whole) -> tuple[float, ...]:
    """Sort key of a series; what is left equal keeps the order of the labels.

    Args:
        slices: of the series.
        whole: ``whole_of`` all series there are.
    """
    return _values(_criteria(slices, whole))


def _values(found: _Criteria) -> tuple[float, ...]:
    return tuple(value for value, _ in found)


def _why_not(best: _Criteria, other: _Criteria) -> Sentence:
    """The first criterion in which ``other`` is worse than ``best``."""
    pairs = zip(best, other, strict=True)
    return next((worse for (a, _), (b, worse) in pairs if a != b), sentence("alike, and another one was taken"))


_ASKED = sentence("asked for")
_ONLY = sentence("the only axial CT series")
_FIRST = sentence("alike the others, and the first of them")
_BETTER = {
    sentence("another body part"): sentence("does not name another body part"),
    _TOO_FEW: sentence("the only one with enough slices"),
    sentence("computed from other slices"): sentence("slices as they were scanned"),
    sentence("slices too far apart"): sentence("slices close enough together"),
    sentence("shorter range"): sentence("the whole range"),
    sentence("only a part of the body"): sentence("the whole width of the body"),
    sentence("no lung kernel"): sentence("lung kernel"),
    sentence("thick slices"): sentence("thin slices"),
    sentence("thicker slices"): sentence("thinnest slices"),
    sentence("fewer slices"): sentence("most slices"),
    sentence("smaller pictures"): sentence("largest pictures"),
    sentence("a smaller part of the body"): sentence("the largest part of the body"),
}


def _why(why_not: Sequence[Sentence]) -> Sentence:
    """What the best series is taken for, of why the others are not, the next best one first."""
    return _BETTER.get(why_not[0], _FIRST) if why_not else _ONLY


def _nothing_usable(left_out: Sequence[RejectedSeries], *, asked: bool) -> NoUsableSeries:
    if asked:
        return NoUsableSeries(sentence("The series asked for is not an axial CT series of this upload."))
    told, more = left_out[:_MOST_TOLD], len(left_out) - _MOST_TOLD
    found = [sentence("{series}: {count} x {why}", series=r.series, count=r.slices, why=r.why) for r in told]
    if more > 0:
        found.append(counted("and {count} more", "and {count} more", count=more))
    return NoUsableSeries(sentence("No axial CT series ({found}).", found=listed(found)))
