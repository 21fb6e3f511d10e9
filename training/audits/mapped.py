"""The pictures whose maps are compared: those with drawn lesions first, then those of COVID-19, then others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.ct.errors import ExamError
from app.ct.exam import Slice
from training.audits.judging import Auditable
from training.audits.randomized import Picture
from training.measuring.choosing import slices_to_score
from training.measuring.masks import lesions_of
from training.records.catalog import CatalogError, Record

_MOST = 64
"""Every picture goes through seven networks at most, without the CPU engine."""
_OF_AN_EXAM = 8


@dataclass(frozen=True)
class Shown:
    """The pictures, and what of the records could not be used.

    Attributes:
        pictures: prepared slices.
        unread: records that cannot be read.
        masks_not_used: records whose masks are not used, on some of their slices at least, and why.
    """

    pictures: list[Picture] = field(default_factory=list)
    unread: list[Record] = field(default_factory=list)
    masks_not_used: list[tuple[Record, str]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What could not be used, as paragraphs of Markdown; empty where all could."""
        if not self.masks_not_used:
            return unread(len(self.unread))
        count = len({record.file for record, _ in self.masks_not_used})
        reasons = Counter(why for _, why in self.masks_not_used)
        told = " ".join(f"{why} ({times} times)" for why, times in reasons.most_common())
        return f"{unread(len(self.unread))}{count} masks are not used: {told} Which, audit.json tells.\n\n"


def unread(count: int) -> str:
    """How many records cannot be read, as a paragraph; empty for none."""
    return f"{count} records cannot be read, and no figure is of them.\n\n" if count else ""


def pictures_of(records: Sequence[Record], model: Auditable, *, seed: int) -> Shown:
    """Prepared slices of at most 64 pictures, at most eight of an exam; what cannot be read is left out.

    A mask that does not fit its image or exam, or cannot be read, counts as none: an audit has run for hours by then.

    Args:
        records: to choose from.
        model: the classifier, which prepares.
        seed: of the choice among equals.
    """
    chance = np.random.default_rng(seed).permutation(len(records))
    order = sorted(range(len(records)), key=lambda k: (records[k].mask is None, -records[k].label, chance[k]))
    shown = Shown()
    for place in order:
        if len(shown.pictures) >= _MOST:
            break
        _show(records[place], model, shown)
    del shown.pictures[_MOST:]
    return shown


def _show(record: Record, model: Auditable, shown: Shown) -> None:
    """Add a record's pictures to those shown."""
    try:
        exam = record.read()
    except ExamError:
        shown.unread.append(record)
        return
    chosen = [exam.slices[k] for k in slices_to_score(exam, _OF_AN_EXAM, model.manifest.fitness).indices]
    lesions, problems = _lesions(record, chosen, of=len(exam.slices))
    shown.masks_not_used.extend((record, why) for why in problems)
    for one, lesion in zip(chosen, lesions, strict=True):
        prepared = model.prepare(one)
        shown.pictures.append(Picture(prepared.image, prepared.box, lesion, record.group))


def _lesions(record: Record, slices: Sequence[Slice], *, of: int) -> tuple[list[np.ndarray | None], list[str]]:
    """Where people drew lesions on each of the slices, and why a mask is not used, each reason once.

    Args:
        record: that holds the slices.
        slices: those chosen.
        of: how many slices the record holds.

    Returns:
        Bool (height, width) of each slice, None where they drew none, or nothing usable; and the reasons.
    """
    found: list[np.ndarray | None] = [None] * len(slices)
    if record.mask is None:
        return found, []
    try:
        lesions_on = lesions_of(record, slices=of)
    except CatalogError as error:
        return found, [str(error)]
    problems: list[str] = []
    for k, one in enumerate(slices):
        try:
            lesion = lesions_on(one)
            found[k] = lesion if lesion.any() else None
        except CatalogError as error:
            problems.append(str(error))
    return found, list(dict.fromkeys(problems))
