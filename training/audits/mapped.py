"""The pictures whose maps are compared: those with drawn lesions first, then those of COVID-19, then others."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from app.ct.errors import ExamError
from app.ct.exam import Exam
from training.audits.judging import Auditable
from training.audits.randomized import Picture
from training.measuring.choosing import slices_to_score
from training.records.catalog import CatalogError, Record
from training.records.masks import read_mask

_MOST = 64
"""Every picture goes through seven networks at most, without the CPU engine."""
_OF_AN_EXAM = 8


def pictures_of(
    records: Sequence[Record], model: Auditable, *, seed: int, on_unused: Callable[[Record], None]
) -> list[Picture]:
    """Prepared slices of at most 64 pictures, at most eight of an exam; what cannot be read is left out.

    A mask that has another size than its image, or cannot be read, counts as none: an audit has run for hours by then.

    Args:
        records: to choose from.
        model: the classifier, which prepares.
        seed: of the choice among equals.
        on_unused: told the records whose masks are not used.
    """
    chance = np.random.default_rng(seed).permutation(len(records))
    order = sorted(range(len(records)), key=lambda k: (records[k].mask is None, -records[k].label, chance[k]))
    pictures: list[Picture] = []
    for place in order:
        if len(pictures) >= _MOST:
            break
        pictures.extend(_pictures(records[place], model, on_unused))
    return pictures[:_MOST]


def _pictures(record: Record, model: Auditable, on_unused: Callable[[Record], None]) -> Iterator[Picture]:
    try:
        exam = record.read()
    except ExamError:
        return
    for index in slices_to_score(exam, _OF_AN_EXAM, model.manifest.fitness).indices:
        prepared = model.prepare(exam.slices[index])
        yield Picture(prepared.image, prepared.box, _lesion(record, exam, on_unused), record.group)


def _lesion(record: Record, exam: Exam, on_unused: Callable[[Record], None]) -> np.ndarray | None:
    """Where people drew lesions, bool (height, width); None where they drew none, or nothing usable."""
    if record.mask is None or len(exam.slices) > 1:
        return None
    try:
        lesion = read_mask(record.mask, (exam.slices[0].height, exam.slices[0].width), of=record.file)
    except CatalogError:
        on_unused(record)
        return None
    return lesion if lesion.any() else None
