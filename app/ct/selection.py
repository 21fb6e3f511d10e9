"""Which slices of an exam are scored: those that show lung, evenly spread, without knowing the label."""

import numpy as np

from app.ct.errors import NoLung
from app.ct.exam import Exam
from app.ct.lungs import find_lungs
from app.ct.precision import Precision
from app.ct.spread import end_to_end
from app.ct.steps import is_gap, steps_mm
from app.ct.workers import ON_THE_SPOT, Workers, taken

CPU_SLICES = 64
"""Scored by default on a CPU: they take about as long as everything else of an exam together. A GPU scores all of them."""
_SLOW_CPU_SLICES, _FEW_CPUS = 32, 2
"""On so few processors that compute in float32, 64 slices do not fit into the 6 s of an exam. What fewer slices change was
measured with the exam rule; the manifest says it."""
_COARSE, _AT_ONCE = 128, 4
"""Longer side of the copy on which lungs are looked for, pixels; how many slices are looked at by one worker together."""
_EVERY = 64
"""Lungs are looked for on about this many slices; between them the area is interpolated."""
_MOST_GAPS = 32
"""Lungs are also looked for on both sides of so many gaps, the widest ones: across a gap nothing is to be interpolated."""
_LEAST_SHARE = 0.35
"""Of the exam's 90th percentile of lung area: a slice with less shows apex, base or no lung."""
LEAST_MEASURED = 16
"""Scored slices of an exam from which on exam rules were compared (``covidct-train exam-rules``)."""
LEAST_AREA = 0.01
"""Of the picture: what is less is no lung; a model's own limit lies above."""


def slices_by_default(*, on_gpu: bool, precision: Precision, cpus: int) -> int | None:
    """How many slices of an exam are scored where nobody asks for another number.

    It depends on what the machine is, never on how busy it is: the same service gives the same exam the same report.

    Args:
        on_gpu: whether a GPU scores.
        precision: what the engine computes in.
        cpus: how many processors the service may use.

    Returns:
        The most slices to score; None for all that show lung.
    """
    if on_gpu:
        return None
    return _SLOW_CPU_SLICES if precision == "f32" and cpus <= _FEW_CPUS else CPU_SLICES


def lung_area(exam: Exam, *, workers: Workers = ON_THE_SPOT) -> np.ndarray:
    """Share of each slice's picture that is lung.

    Args:
        exam: at least one slice.
        workers: look for the lungs.

    Returns:
        float64 (slices,), 0..1, measured on evenly spread slices and on both sides of gaps, interpolated between them.
    """
    count = len(exam.slices)
    looked = np.union1d(end_to_end(count, _EVERY), _beside_gaps(exam))
    grays = [exam.slices[k].gray for k in looked]
    return np.interp(np.arange(count), looked, list(map(taken, workers.map(_lung_area, grays, at_once=_AT_ONCE))))


def _beside_gaps(exam: Exam) -> np.ndarray:
    """Places of the slices before and after each of the widest gaps, ``_MOST_GAPS`` at most."""
    steps = steps_mm(exam)
    widest = np.argsort(-steps, kind="stable")[:_MOST_GAPS]
    before = np.array([k for k in widest if is_gap(steps[k])], dtype=int)
    return np.concatenate([before, before + 1])


def _lung_area(gray: np.ndarray) -> float:
    lungs = find_lungs(gray, size=_COARSE)
    return 0.0 if lungs is None else lungs.area_share


def shows_lung(area: np.ndarray) -> np.ndarray:
    """Which slices show more lung than an apex or a base does.

    Args:
        area: as ``lung_area`` gives it.

    Returns:
        bool (slices,).
    """
    return np.asarray(area >= max(LEAST_AREA, _LEAST_SHARE * np.percentile(area, 90)))


def select_slices(area: np.ndarray, limit: int | None) -> tuple[int, ...]:
    """Choose the slices to score.

    Args:
        area: of an exam, as ``lung_area`` gives it.
        limit: most slices to choose; None for all that show lung.

    Returns:
        Indices in slice order, at least one. An exam of one slice is always scored, if it shows lung.

    Raises:
        NoLung: no slice shows lung.
        ValueError: ``limit`` is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if area.max() < LEAST_AREA:
        raise NoLung.on(len(area))
    showing = np.flatnonzero(shows_lung(area))
    return tuple(int(i) for i in showing[evenly_chosen(len(showing), limit)])


def evenly_chosen(count: int, limit: int | None, *, at: float = 0.5) -> np.ndarray:
    """Evenly spread places of ``count`` things, one of each of ``limit`` equal parts.

    Args:
        count: how many there are.
        limit: most to choose; None for all.
        at: 0..1, where in its part each is taken; in the middle neither end is favored by more than one.

    Returns:
        int (chosen,), rising, all different.
    """
    if limit is None or count <= limit:
        return np.arange(count)
    return np.asarray(((np.arange(limit) + at) * count / limit).astype(int))
