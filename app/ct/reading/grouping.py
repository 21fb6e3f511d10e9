"""Patients, studies and series of an upload, where identifiers may be missing, empty or made up."""

import re
from collections.abc import Iterable, Sequence

from app.ct.errors import SeveralStudies
from app.ct.reading.headers import Header
from app.ct.words import Sentence, sentence

_VALID = re.compile(r"[0-9]+(\.[0-9]+)+")
# So many slices that lie alike and each have a series of their own are one series: whoever removed the patient's
# identity renamed every file for itself. Every slice may be there twice, in two codings.
_MIN_RENAMED, _MOST_TO_EACH = 10, 2
# A longer number is no scanner's: it may be a date, or a patient's.
_LARGEST_NUMBER = 99_999


def grouped(headers: Sequence[Header]) -> dict[Sentence, list[Header]]:
    """Slices by series, labelled without identity and independent of the order of sending.

    A label is the number its scanner gave a series (SeriesNumber) where each of them has one of its own; else they are
    counted.
    What names no series joins the only one that is alike in study, number, orientation and size, or forms one by these.
    """
    of_files = _series_of_files(headers)
    named: dict[tuple[str, ...], set[str]] = {}
    for h in headers:
        if of_files[h.number]:
            named.setdefault(_alike(h), set()).add(of_files[h.number])
    groups: dict[tuple[str, ...], list[Header]] = {}
    for h in headers:
        candidates = {of_files[h.number]} if of_files[h.number] else named.get(_alike(h), set())
        key = tuple(candidates) if len(candidates) == 1 else ("", *_alike(h))
        groups.setdefault(key, []).append(h)
    ordered = sorted(groups.items(), key=lambda item: (min(map(_number_of, item[1])), item[0]))
    return dict(zip(_labels([group for _, group in ordered]), (group for _, group in ordered), strict=True))


def _labels(groups: Sequence[Sequence[Header]]) -> list[Sentence]:
    numbers = [number for group in groups for number in {h.series_number for h in group}]
    told = [n for n in numbers if n is not None and 0 <= n <= _LARGEST_NUMBER]
    is_told = len(groups) == len(numbers) == len(set(told))
    return [sentence("series {number}", number=n) for n in (told if is_told else range(1, len(groups) + 1))]


def check_one_patient(series: Iterable[Sequence[Header]]) -> None:
    """Refuse slices of several patients, whose studies and series may have no identifiers, or the same.

    What is empty counts for nothing; of identifiers that were made anew for every file of a series, one counts.

    Args:
        series: slices alone, as for ``check_one_study``.

    Raises:
        SeveralStudies.
    """
    patients: set[str] = set()
    for group in series:
        patients |= _one_if_renamed({h.patient for h in group if h.patient}, group)
    if len(patients) > 1:
        raise SeveralStudies(sentence("The upload holds slices of more than one patient."))


def check_one_study(series: Iterable[Sequence[Header]]) -> None:
    """Refuse slices of several studies.

    A series never spans two studies: what is no valid identifier beside one that is, in the same series, counts for
    nothing. So do words without any digit, and identifiers that were made anew for every file of a series.

    Args:
        series: slices alone; reports and the like may name a study of their own.

    Raises:
        SeveralStudies.
    """
    studies: set[str] = set()
    for group in series:
        named = {h.study for h in group if any(map(str.isdigit, h.study))}
        told = {study for study in named if _VALID.fullmatch(study)} or named
        studies |= _one_if_renamed(told, group)
    if len(studies) > 1:
        raise SeveralStudies(sentence("The upload holds slices of more than one study."))


def _series_of_files(headers: Sequence[Header]) -> dict[int, str]:
    """The series each file names; none where every slice of many alike files has its own."""
    of_files = {h.number: h.series for h in headers}
    alike: dict[tuple[str, ...], set[int]] = {}
    for h in headers:
        alike.setdefault(_alike(h), set()).add(h.number)
    for files in alike.values():
        if _is_renamed(len({of_files[n] for n in files} - {""}), len(files)):
            of_files |= dict.fromkeys(files, "")
    return of_files


def _one_if_renamed(told: set[str], group: Sequence[Header]) -> set[str]:
    """The identifiers of a group's slices; one of them where each of its files has its own."""
    return {min(told)} if _is_renamed(len(told), len({h.number for h in group})) else told


def _is_renamed(names: int, files: int) -> bool:
    return names >= _MIN_RENAMED and files <= _MOST_TO_EACH * names


def _alike(header: Header) -> tuple[str, ...]:
    """What slices of one series have in common."""
    lies = None if header.orientation is None else [round(cosine, 1) + 0.0 for cosine in header.orientation]
    return tuple(map(str, (header.study, header.series_number, lies, header.rows, header.columns)))


def _number_of(header: Header) -> int:
    return -1 if header.series_number is None else header.series_number
