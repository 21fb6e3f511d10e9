"""Which slices of an exam are scored: those that serving would score."""

from typing import NamedTuple, Protocol

from app.ct.diagnosis import HeldBack
from app.ct.errors import NoLung, NotChest
from app.ct.exam import Exam
from app.ct.fitness import check_body_part, check_lung_area
from app.ct.gaps import coverage_of
from app.ct.manifest import FitnessSpec
from app.ct.precision import Precision
from app.ct.processors import cpus
from app.ct.selection import lung_area, select_slices, slices_by_default
from app.ct.spread import end_to_end


class Machine(Protocol):
    """What of ``app.ct.classifier.Classifier`` says how much of an exam it scores."""

    on_gpu: bool
    precision: Precision


def slices_at_most(machine: Machine) -> int | None:
    """How many slices of an exam the service would score on this machine unless asked for others; None for all with lung."""
    return slices_by_default(on_gpu=machine.on_gpu, precision=machine.precision, cpus=cpus())


class Chosen(NamedTuple):
    """What of an exam is scored.

    Attributes:
        indices: of slices.
        refused: why serving would refuse the exam without scoring it (an error's code); empty where it would not.
        held_back: why serving would give no verdict but inconclusive.
    """

    indices: tuple[int, ...]
    refused: str = ""
    held_back: HeldBack | None = None


def slices_to_score(exam: Exam, limit: int | None, fitness: FitnessSpec) -> Chosen:
    """The slices serving would score; where it would refuse the exam, some that are spread over it."""
    try:
        check_body_part(exam)
        area = lung_area(exam)
        check_lung_area(area, fitness.least_lung_area)
        return Chosen(select_slices(area, limit), held_back=coverage_of(exam, area).held_back)
    except (NotChest, NoLung) as error:
        count = len(exam.slices)
        return Chosen(tuple(map(int, end_to_end(count, count if limit is None else limit))), refused=error.code)
