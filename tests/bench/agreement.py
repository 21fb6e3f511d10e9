"""Is what is served what the reference says? The engine that serves beside Keras in float32, on whole exams."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.ct.diagnosis import Verdict
from app.exam_folder import Wish
from app.service import Diagnosed, DiagnosisService
from tests.bench.figures import Figure
from tests.bench.sent import SentExam
from tests.bench.tables import Table

LARGEST_CHANGE = "agreement: largest change of a probability"
FLIPS = "agreement: verdicts that flipped"
LEAST_ALIKE = "agreement: least correlation of a slice's map"
_WISH = Wish(slices=64)


@dataclass(frozen=True)
class Agreement:
    """One exam.

    Attributes:
        exam: its name.
        scored: slices.
        exam_change: of the exam's probability.
        slice_change: the largest of a slice's.
        flips: verdicts, of the exam and of slices, that went from COVID-19 to none or back.
        alike: correlation of the maps, median over slices.
        least_alike: the least.
        verdict: the served one.
    """

    exam: str
    scored: int
    exam_change: float
    slice_change: float
    flips: int
    alike: float
    least_alike: float
    verdict: str


def measure_agreement(
    exams: Sequence[SentExam],
    served: DiagnosisService,
    reference: DiagnosisService,
    *,
    on_exam: Callable[[str], None],
) -> list[Agreement]:
    """Diagnose every exam with both."""
    found = []
    for exam in exams:
        on_exam(f"agreement: {exam.name}")
        found.append(agreement(exam.name, _diagnosed(exam, served), _diagnosed(exam, reference), band=_band(served)))
    return found


def _diagnosed(exam: SentExam, service: DiagnosisService) -> Diagnosed:
    with tempfile.TemporaryDirectory(prefix="covidct-bench-") as spool:
        return service.diagnose(exam.files, spool=Path(spool), wish=_WISH, on_progress=lambda _: None)


def _band(service: DiagnosisService) -> tuple[float, float]:
    return service.classifier.manifest.image.band


def agreement(name: str, ours: Diagnosed, theirs: Diagnosed, *, band: tuple[float, float]) -> Agreement:
    """Compare two diagnoses of one exam; ``band`` is that of slices."""
    low, high = band
    sides = [
        np.sign((p > high).astype(int) - (p < low)) for p in (ours.scores.probabilities, theirs.scores.probabilities)
    ]
    slices_flipped = int((sides[0] * sides[1] < 0).sum())
    alike = alikeness(ours.scores.share, theirs.scores.share)
    return Agreement(
        name,
        len(ours.scores.indices),
        exam_change=abs(ours.diagnosis.probability - theirs.diagnosis.probability),
        slice_change=float(np.abs(ours.scores.probabilities - theirs.scores.probabilities).max()),
        flips=slices_flipped + _flipped(ours.diagnosis.verdict, theirs.diagnosis.verdict),
        alike=float(np.median(alike)),
        least_alike=float(alike.min()),
        verdict=str(ours.diagnosis.verdict),
    )


def _flipped(ours: Verdict, theirs: Verdict) -> bool:
    return {ours, theirs} == {Verdict.COVID_19, Verdict.NON_COVID_19}


def alikeness(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Correlation of each map with the other of its slice, float64 (slices,); 1 where both are of one value.

    Args:
        maps, others: float (slices, rows, columns).
    """
    a, b = (m.reshape(len(m), -1).astype(np.float64) for m in (maps, others))
    a, b = (m - m.mean(axis=1, keepdims=True) for m in (a, b))
    sizes = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    flat = ~a.any(axis=1) & ~b.any(axis=1)
    return np.where(flat, 1.0, (a * b).sum(axis=1) / np.maximum(sizes, 1e-12))


def agreement_table(found: Sequence[Agreement], *, engine: str) -> Table:
    """A row per exam."""
    rows = tuple(
        (
            a.exam,
            str(a.scored),
            a.verdict,
            f"{a.exam_change:.4f}",
            f"{a.slice_change:.4f}",
            str(a.flips),
            f"{a.alike:.4f}",
            f"{a.least_alike:.4f}",
        )
        for a in found
    )
    columns = ("exam", "scored", "verdict", "change", "largest of a slice", "flips", "maps alike", "least alike")
    notes = (
        "Change: of the exam's probability, then the largest of a slice's. Flips: from one side of the inconclusive band to the "
        "other. Alike: correlation of the maps of a slice, median and least.",
    )
    return Table(f"The {engine} engine as served beside Keras in float32", columns, rows, notes)


def agreement_figures(found: Sequence[Agreement]) -> list[Figure]:
    """The worst of all exams."""
    return [
        Figure(LARGEST_CHANGE, "probability", (max(max(a.exam_change, a.slice_change) for a in found),)),
        Figure(FLIPS, "verdicts", (sum(a.flips for a in found),)),
        Figure(LEAST_ALIKE, "correlation", (min(a.least_alike for a in found),)),
    ]
