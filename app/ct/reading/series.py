"""Which series of the upload is the chest exam, and why."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.ct.errors import NoUsableSeries, SeveralStudies, WrongModality
from app.ct.exam import RejectedSeries, SeriesChoice
from app.ct.reading.body_part import other_part
from app.ct.reading.files import Damaged
from app.ct.reading.geometry import is_axial
from app.ct.reading.headers import Header

# Sharp kernels as GE, Siemens, Canon and Philips name them; the series description of those that only say it there.
_LUNG_KERNEL = re.compile(r"LUNG|^BONE|^EDGE|^[BDIJU]L?[5-8]\d|^B[LR][5-7]\d|^FC(5|8)\d|^Y[ABC]$|^L$")
_LUNG_WORDS = re.compile(r"lung|pulm|poumon|pulmon|肺", re.IGNORECASE)
MAX_THIN_MM = 5.0
# Bolus tracking and test shots leave stacks of a few slices, often with a sharp kernel; they are no exam.
MIN_EXAM_SLICES = 10

_CT_CLASSES = {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_IMAGE_CLASS = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(1|2|3|4|6|7|12|13|20|30|77|128|130)(\.|$)")
# Frame types whose values are no Hounsfield units (values 3 and 4 of ImageType, DICOM PS3.3 C.8.15 and C.8.16).
_MAPS = {"PERFUSION", "RCBF", "RCBV", "RMTT", "TTP", "SUBTRACTION", "STD_DEVIATION", "DIVISION", "MULTIPLICATION"}


@dataclass(frozen=True)
class Chosen:
    """The slices to read, and the report's words on the choice."""

    headers: tuple[Header, ...]
    choice: SeriesChoice
    warnings: tuple[str, ...]


def check_pixels(header: Header) -> Header:
    """``header`` as it is.

    Raises:
        Damaged: it belongs to a picture whose pixels are not there.
    """
    if (header.has_pixels and header.rows and header.columns) or _holds_no_picture(header):
        return header
    raise Damaged("cut off, without pixels")


def choose(headers: Sequence[Header], *, series_instance_uid: str | None) -> Chosen:
    """Choose one series.

    Args:
        headers: of every DICOM file of the upload.
        series_instance_uid: the series to take, None for the best one.

    Raises:
        WrongModality: nothing CT.
        SeveralStudies: slices of two studies.
        NoUsableSeries: no axial CT series, or not the one asked for.
    """
    if not any(_is_ct(h) for h in headers):
        raise WrongModality("None of the DICOM files is CT.")
    if len({h.study for h in headers if h.study}) > 1:
        raise SeveralStudies("The upload holds slices of more than one study.")
    unique = without_copies(headers)
    series = _grouped(unique)
    usable = {label: kept for label, group in series.items() if (kept := [h for h in group if _unusable(h) is None])}
    if series_instance_uid is None:
        ranked = sorted(usable, key=lambda label: _rank(usable[label]))
    else:
        ranked = [label for label, kept in usable.items() if kept[0].series == series_instance_uid]
    left_out = [r for label, group in series.items() for r in _left_out(label, group)]
    if not ranked:
        raise _nothing_usable(left_out, asked=series_instance_uid is not None)
    best = ranked[0]
    others = [label for label in usable if label != best]
    asked = series_instance_uid is not None
    rejected = [
        RejectedSeries(o, len(usable[o]), "not asked for" if asked else _why_not(usable, best, o)) for o in others
    ]
    choice = SeriesChoice(best, _why(usable, best, asked=asked), (*rejected, *left_out))
    copies = len({h.number for h in headers}) - len({h.number for h in unique})
    return Chosen(tuple(usable[best]), choice, _copy_warnings(copies))


def without_copies(headers: Sequence[Header]) -> list[Header]:
    """Leave out files that are, byte for byte, another one of the same SOPInstanceUID. An empty UID proves nothing."""
    of_files = {h.number: h.sop_instance for h in headers}
    shared = {uid for uid, count in Counter(of_files.values()).items() if uid and count > 1}
    seen: dict[tuple[str, bytes], int] = {}
    copies = set()
    for number, header in {h.number: h for h in headers}.items():
        if header.sop_instance in shared:
            key = (header.sop_instance, hashlib.sha256(header.file.read()).digest())
            if seen.setdefault(key, number) != number:
                copies.add(number)
    return [h for h in headers if h.number not in copies]


def _copy_warnings(copies: int) -> tuple[str, ...]:
    return (f"{copies} files that are copies of other slices were left out.",) if copies else ()


def _grouped(headers: Sequence[Header]) -> dict[str, list[Header]]:
    """Slices by series, labelled without identity and independent of the order of sending."""
    groups: dict[tuple[int, str], list[Header]] = {}
    for h in headers:
        groups.setdefault((_number_of(h) if not h.series else 0, h.series), []).append(h)
    ordered = sorted(groups.items(), key=lambda item: (min(map(_number_of, item[1])), item[0]))
    return {f"series {n}": group for n, (_, group) in enumerate(ordered, start=1)}


def _number_of(header: Header) -> int:
    return -1 if header.series_number is None else header.series_number


def _is_ct(header: Header) -> bool:
    return header.modality == "CT" or (not header.modality and header.sop_class in _CT_CLASSES)


def _holds_no_picture(header: Header) -> bool:
    """Dose reports, presentation states, directories: a class of its own that is not one for images."""
    return bool(header.sop_class) and not _IMAGE_CLASS.match(header.sop_class)


def _unusable(header: Header) -> str | None:
    """Why a file is no slice of a chest exam, None if it may be one."""
    if not (header.has_pixels and header.rows and header.columns):
        return "holds no picture"
    if not _is_ct(header):
        return "not CT"
    if "LOCALIZER" in header.image_type:
        return "localizer"
    if header.sop_class.startswith(_SECONDARY_CAPTURE) or header.samples != 1 or "SCREEN SAVE" in header.image_type:
        return "secondary capture"
    if header.image_type & {"MIP", "MINIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "MAXIMUM", "MINIMUM"}:
        return "projection"
    if header.image_type & _MAPS:
        return "computed map"
    if header.orientation is not None and not is_axial(header.orientation):
        return "not axial"
    return None


def _left_out(label: str, group: Sequence[Header]) -> list[RejectedSeries]:
    reasons = Counter(why for h in group if (why := _unusable(h)))
    return [RejectedSeries(label, count, why) for why, count in sorted(reasons.items())]


def _criteria(slices: Sequence[Header]) -> tuple[tuple[float, str], ...]:
    """Sort keys, smallest first, each with what being worse in it is called."""
    kernel = any(_LUNG_KERNEL.search(part) for h in slices for part in h.kernel.split("\\"))
    lung = kernel or any(_LUNG_WORDS.search(h.description) for h in slices)
    thickness = max((h.thickness_mm or math.inf for h in slices), default=math.inf)
    return (
        (other_part(slices) is not None, "another body part"),
        (len(slices) < MIN_EXAM_SLICES, "too few slices"),
        (not lung, "no lung kernel"),
        (thickness > MAX_THIN_MM, "thick slices"),
        (thickness if thickness <= MAX_THIN_MM else 0.0, "thicker slices"),
        (-len(slices), "fewer slices"),
    )


def _rank(slices: Sequence[Header]) -> tuple[float, ...]:
    """Sort key of a series; what is left equal keeps the order of the labels."""
    return tuple(value for value, _ in _criteria(slices))


def _why_not(usable: dict[str, list[Header]], best: str, other: str) -> str:
    """The first criterion in which ``other`` is worse than ``best``."""
    pairs = zip(_criteria(usable[best]), _criteria(usable[other]), strict=True)
    return next((worse for (a, _), (b, worse) in pairs if a != b), "alike, and another one was taken")


_BETTER = {
    "another body part": "does not name another body part",
    "too few slices": "the only one with enough slices",
    "no lung kernel": "lung kernel",
    "thick slices": "thin slices",
    "thicker slices": "thinnest slices",
    "fewer slices": "most slices",
}


def _why(usable: dict[str, list[Header]], best: str, *, asked: bool) -> str:
    if asked:
        return "asked for"
    if len(usable) == 1:
        return "the only axial CT series"
    second = min((label for label in usable if label != best), key=lambda label: _rank(usable[label]))
    return _BETTER.get(_why_not(usable, best, second), "alike the others, and the first of them")


def _nothing_usable(left_out: Sequence[RejectedSeries], *, asked: bool) -> NoUsableSeries:
    if asked:
        return NoUsableSeries("The series asked for is not an axial CT series of this upload.")
    found = "; ".join(f"{r.series}: {r.slices} x {r.why}" for r in left_out)
    return NoUsableSeries(f"No axial CT series ({found}).")
