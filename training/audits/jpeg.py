"""The JPEG audit: exams sent as pictures of lower quality or smaller size, read again as the service reads pictures."""

from io import BytesIO

import numpy as np
from PIL import Image

from app.ct.exam import Exam
from app.ct.reading import NamedFile, read_exam
from training.audits.alterations import Alteration, Change

QUALITIES = (95, 90, 85, 75, 60, 50, 40, 30)
GOAL_FROM = 75
"""Lowest quality at which nothing may change by more than ``GOAL``, and no verdict may flip."""
GOAL = 0.02
_QUALITY_OF_SMALLER = 95
_SHARES = (0.75, 0.5)
_LONGER_SIDE = 256
QUALITY, SIZE = "JPEG quality", "JPEG size"


def exports() -> tuple[Alteration, ...]:
    """Every way of export that is tried: qualities at full size, smaller sizes at the best quality."""
    best = _QUALITY_OF_SMALLER
    qualities = (Alteration(QUALITY, f"{q}", _exported(quality=q, share=1.0)) for q in QUALITIES)
    sizes = (Alteration(SIZE, f"{share:.0%}, q{best}", _exported(quality=best, share=share)) for share in _SHARES)
    fixed = Alteration(
        SIZE,
        f"{_LONGER_SIDE} pixels, q{best}",
        lambda exam, rng: _exported(quality=best, share=_LONGER_SIDE / _longer_side(exam))(exam, rng),
        applies=lambda exam: _longer_side(exam) > _LONGER_SIDE,
    )
    return (*qualities, *sizes, fixed)


def _longer_side(exam: Exam) -> int:
    return max(exam.slices[0].height, exam.slices[0].width)


def _exported(*, quality: int, share: float) -> Change:
    """Every slice as a JPEG, ``share`` of its rows and columns, and all of them read as one upload."""

    def change(exam: Exam, _: np.random.Generator) -> Exam:
        contents = [_jpeg(s.gray, quality, share) for s in exam.slices]
        return read_exam([NamedFile(f"slice{n}.jpg", content) for n, content in enumerate(contents, start=1)])

    return change


def _jpeg(gray: np.ndarray, quality: int, share: float) -> bytes:
    picture = Image.fromarray(gray)
    if share != 1.0:
        size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
        picture = picture.resize(size, resample=Image.Resampling.BICUBIC)
    content = BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()
