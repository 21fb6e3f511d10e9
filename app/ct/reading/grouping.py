"""Patients, studies and series of an upload, where identifiers may be missing, empty or made up."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from app.ct.errors import SeveralStudies
from app.ct.reading.headers import Header
from app.ct.reading.order import positions
from app.ct.words import Sentence, sentence

_VALID = re.compile(r"[0-9]+(\.[0-9]+)+")
# So many slices that lie alike and each have a series of their own are one series: whoever removed the patient's
# identity renamed every file for itself. Every slice may be there twice, in two codings.
_MIN_RENAMED, _MOST_TO_EACH = 10, 2
# Slices of one scan lie in a row: so many of their distances are the usual one. Those of other patients lie anywhere.
_ROW_SHARE, _SAME_MM = 0.7, 0.2
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


def check_one_patient(series: Iterable[Sequence[Header]]) -> tuple[Sentence, ...]:
    """Refuse slices of several patients, whose studies and series may have no identifiers, or the same.

    What is empty counts for nothing. Where every file of a series names a patient of its own, that is believed to be an
    anonymizer's work if all else says that they are of one scan, and counts as one patient.

    Args:
        series: slices alone, as for ``check_one_study``.

    Returns:
        What to say of patients that were made anew for every file, a whole sentence; none otherwise.

    Raises:
        SeveralStudies.
    """
    patients: set[str] = set()
    made_anew = 0
    for group in series:
        told = {h.patient for h in group if h.patient}
        if _is_renamed(len(told), _files(group)) and _is_one_scan(group):
            made_anew = max(made_anew, len(told))
            told = {min(told)}
        patients |= told
    if len(patients) > 1:
        raise SeveralStudies(sentence("The upload holds slices of more than one patient."))
    return (_were_made_anew(made_anew),) if made_anew else ()


def _were_made_anew(patients: int) -> Sentence:
    return sentence(
        "The slices name {patients} patients (PatientID), about one each, as some anonymizers leave them; by their other"
        " identifiers and their places they are one scan, and they were read as one. Make sure that they are one patient's.",
        patients=patients,
    )


def _is_one_scan(group: Sequence[Header]) -> bool:
    """Whether slices that each name a patient are of one scan all the same.

    Every file must have an identifier of its own; the series must be one that all of them name, or have been made anew for
    every file as well; and they must lie in a row. What is empty, or a word without any digit, says nothing.
    """
    series, files = {h.series for h in group}, _files(group)
    is_told = all(any(map(str.isdigit, name)) for name in series)
    is_one = len(series) == 1 or _is_renamed(len(series), files)
    return (
        is_told and is_one and _is_renamed(len({h.sop_instance for h in group} - {""}), files) and _lie_in_a_row(group)
    )


def _lie_in_a_row(group: Sequence[Header]) -> bool:
    known = sorted({z for z in positions(group) if z is not None})
    steps = np.diff(known)
    steps = steps[steps > _SAME_MM]
    return len(steps) > 0 and float((np.abs(steps - np.median(steps)) <= _SAME_MM).mean()) >= _ROW_SHARE


def _files(group: Sequence[Header]) -> int:
    return len({h.number for h in group})


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
    return {min(told)} if _is_renamed(len(told), _files(group)) else told


def _is_renamed(names: int, files: int) -> bool:
    return names >= _MIN_RENAMED and files <= _MOST_TO_EACH * names


def _alike(header: Header) -> tuple[str, ...]:
    """What slices of one series have in common."""
    lies = None if header.orientation is None else [round(cosine, 1) + 0.0 for cosine in header.orientation]
    return tuple(map(str, (header.study, header.series_number, lies, header.rows, header.columns)))


def _number_of(header: Header) -> int:
    return -1 if header.series_number is None else header.series_number
