"""What an audit does to an exam, or to the picture the network is shown of a slice."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from app.ct.exam import Exam, Slice
from app.ct.preprocessing import Prepared

Change = Callable[[Exam, np.random.Generator], Exam]
"""An exam altered before preprocessing; raises ``ExamError`` where the altered one cannot be read."""
Look = Callable[[Prepared], Prepared | None]
"""A prepared slice altered; None where it cannot be done to this one."""


def unchanged(exam: Exam, _: np.random.Generator) -> Exam:
    """The exam itself."""
    return exam


def untouched(prepared: Prepared) -> Prepared | None:
    """The prepared slice itself."""
    return prepared


def always(_: Exam) -> bool:
    """Whether an alteration can be done that can be done to any exam."""
    return True


@dataclass(frozen=True)
class Alteration:
    """One thing done to every case of an audit.

    Attributes:
        name: what is done, such as "rotation".
        strength: how much of it, with its unit.
        change: done to the exam before preprocessing; its chance comes from the generator alone.
        look: done to each prepared slice.
        applies: whether it can be done to an exam at all.
    """

    name: str
    strength: str
    change: Change = unchanged
    look: Look = untouched
    applies: Callable[[Exam], bool] = always


UNALTERED = Alteration("unaltered", "")


def with_grays(exam: Exam, grays: list[np.ndarray]) -> Exam:
    """The exam with other pictures, uint8 (height, width), in the places of its own."""
    return replace(exam, slices=tuple(_with_gray(s, gray) for s, gray in zip(exam.slices, grays, strict=True)))


def to_each_slice(alter: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """A change of exams from one of pictures.

    Args:
        alter: from uint8 (height, width) to any real (height, width), which is rounded and clipped to 0..255.
    """

    def change(exam: Exam, rng: np.random.Generator) -> Exam:
        return with_grays(exam, [as_gray(alter(s.gray, rng)) for s in exam.slices])

    return change


def as_gray(picture: np.ndarray) -> np.ndarray:
    """Rounded and clipped to uint8."""
    return np.asarray(np.clip(np.rint(picture), 0, 255), dtype=np.uint8)


def _with_gray(ct_slice: Slice, gray: np.ndarray) -> Slice:
    return replace(ct_slice, gray=gray)
