"""What the folders are called that hold the results of several exams."""

import os
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from app.commands.given import GivenExam
from app.ct.reading.kinds import VOLUME_SUFFIX
from app.spreadsheet import without_formulas

_LONGEST = 240
"""Bytes of a name that is made of several; file systems take 255, and a number may follow."""


def folder_names(exams: Sequence[GivenExam]) -> list[str]:
    """A folder's name for each exam, all different, also where case makes no difference.

    The exam's own name, with ``_`` for what a spreadsheet would take for the start of a formula; exams of one name have as many
    of the folders above them before it as tell them apart, so that a name hangs on where its exam lies and not on how many were
    given before it. What lies in one place under one name is numbered.
    """
    tails = [_tail(exam) for exam in exams]
    depths = [1] * len(tails)
    while deeper := _to_deepen(tails, depths):
        for number in deeper:
            depths[number] += 1
    return _numbered([_joined(tail, depth) for tail, depth in zip(tails, depths, strict=True)])


def _tail(exam: GivenExam) -> tuple[str, ...]:
    """The names of the folders that lead to an exam, and the exam's own."""
    if len(exam.paths) > 1:
        return ("slices",)
    path = exam.paths[0]
    # The names as given: a link's target may have a name that is not meant to be seen, such as a patient's.
    place = path.resolve() if path.name in ("", "..") else Path(os.path.normpath(path.absolute()))
    name = place.name if path.is_dir() else VOLUME_SUFFIX.sub("", re.sub(r"\.zip$", "", place.name, flags=re.I))
    # `..zip` and `...zip` leave what means this folder or the one above.
    return (*place.parent.parts[1:], name if name.strip(".") else "exam")


def _to_deepen(tails: Sequence[tuple[str, ...]], depths: Sequence[int]) -> list[int]:
    """Which exams have the name of one that lies elsewhere, and a folder above that can be put before it."""
    same: dict[str, list[int]] = {}
    for number, (tail, depth) in enumerate(zip(tails, depths, strict=True)):
        same.setdefault(_joined(tail, depth).casefold(), []).append(number)
    meeting = [met for met in same.values() if len({_joined(tails[n], len(tails[n])).casefold() for n in met}) > 1]
    return [number for met in meeting for number in met if _can_be_deeper(tails[number], depths[number])]


def _can_be_deeper(tail: tuple[str, ...], depth: int) -> bool:
    return depth < len(tail) and len(os.fsencode(_joined(tail, depth + 1))) <= _LONGEST


def _joined(tail: tuple[str, ...], depth: int) -> str:
    return without_formulas("_".join(tail[-depth:]))


def _numbered(names: Sequence[str]) -> list[str]:
    """``names``, all different; what is a name already is nobody's number."""
    taken, met = {name.casefold() for name in names}, set[str]()
    different: list[str] = []
    for name in names:
        if name.casefold() in met:
            numbers = (f"{name}-{number}" for number in count(2))
            name = next(one for one in numbers if one.casefold() not in taken)
            taken.add(name.casefold())
        met.add(name.casefold())
        different.append(name)
    return different
