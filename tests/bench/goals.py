"""What was promised for two CPU cores, what was measured, and whether it is reached."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.ct.precision import Precision
from tests.bench import agreement, codings, costs, crowds, exams, over_http, peers, sent, startup
from tests.bench.engines import SERVICE, figure_name
from tests.bench.entrants import ALONE, BASELINE, KERAS_SERVED, engine_name
from tests.bench.figures import Figures
from tests.bench.gpu import gpu_name
from tests.bench.lines import STRAIGHT
from tests.bench.tables import Table, figure

NOT_MEASURED = "not measured"
REAL = "P002, JPEG lossless DICOM"
_CHUNK = 8
_NETWORK_BATCH = 16

Measure = Callable[[Figures], float]
"""Raises KeyError where a figure that it needs was not measured."""


@dataclass(frozen=True)
class Runs:
    """What diagnoses exams: the engine's name and what it computes in."""

    engine: str
    precision: Precision

    @property
    def entrant(self) -> str:
        """Its row among the engines."""
        return KERAS_SERVED if self.engine == "keras" else engine_name(self.precision)


@dataclass(frozen=True)
class Goal:
    """One promise.

    Attributes:
        what: in words, with the unit.
        measure: gives the figure.
        bound: of it.
        is_most: whether it may not be exceeded; else it must be reached.
    """

    what: str
    measure: Measure
    bound: float
    is_most: bool = True

    def row(self, figures: Figures) -> tuple[str, str, str, str]:
        """What, bound, measured, reached."""
        bound = f"{'≤' if self.is_most else '≥'} {self.bound:g}"
        try:
            measured = self.measure(figures)
        except KeyError:
            return (self.what, bound, NOT_MEASURED, "")
        reached = measured <= self.bound if self.is_most else measured >= self.bound
        return (self.what, bound, _shown(measured), "yes" if reached else "no")


def goals_table(runs: Runs, figures: Figures) -> Table:
    """A row per promise.

    Args:
        runs: what diagnoses exams in this run.
        figures: of the run.
    """
    rows = tuple(goal.row(figures) for goal in goals(runs, gpu=gpu_name()))
    notes = (
        f"For two CPU cores, at the precision that runs here ({runs.precision}); medians of this run.",
        "What was not run is not judged.",
    )
    return Table("Goals", ("goal", "bound", "measured", "reached"), rows, notes)


def goals(runs: Runs, *, gpu: str) -> Iterator[Goal]:
    """All promises; those stated for bfloat16 hold for float32 too. ``gpu`` is empty without one."""
    is_int8 = runs.precision == "int8"
    yield Goal("the network against Keras `predict()`, x", _against_predict(runs), 4 if is_int8 else 2.5, False)
    yield Goal("a slice in the service against the engine alone, x", _against_alone, 1.1)
    yield Goal(
        f"{REAL}, 64 scored: last byte to answer, s", _median(over_http.answer_name(REAL)), 1.8 if is_int8 else 2.5
    )
    yield Goal("300 x DICOM raw, 64 scored: last byte to answer, s", _median(_raw(exams.SOME)), 2 if is_int8 else 3)
    yield Goal("300 x DICOM raw, all scored, against slices x ms per slice, x", _whole_exam(runs), 1.1)
    yield Goal("on a GPU: 300 x DICOM raw, all scored: last byte to answer, s", _on_gpu(_raw(exams.ALL), gpu), 0.5)
    yield Goal("300 x DICOM raw: first running probability, s", _median(_first()), 0.6)
    yield Goal("against what a user would write, x as fast", _least(peers.faster_name), 5, False)
    yield Goal("against what a user would write, x as little memory", _least(peers.leaner_name), 2, False)
    yield Goal("16 exams at once: p95 against 16 x one, x", _crowd, 1.2)
    yield Goal("a single image behind 16 exams, beyond alone, in chunks", _behind(runs), 2)
    yield Goal("/livez p99 among 16 exams, ms", _median(crowds.crowd_name(16, crowds.PULSE)), 100)
    yield Goal("cost against slices: R squared of a line", _median(costs.OVER["slices"]), STRAIGHT, False)
    yield Goal("cost against clients: R squared of a line", _median(costs.OVER["clients"]), STRAIGHT, False)
    yield Goal("verdicts that flipped against float32", _median(agreement.FLIPS), 0)
    yield Goal("largest change of a probability", _median(agreement.LARGEST_CHANGE), 0.02)
    yield Goal("least correlation of a slice's map", _median(agreement.LEAST_ALIKE), 0.98, False)
    yield Goal("ready, s", _median(startup.READY), 3)
    yield Goal("TensorFlow imported", _median(startup.TENSORFLOW), 0)
    yield Goal("300 x DICOM raw: peak memory with workers, MB", _median(over_http.memory_name(sent.RAW)), 700)
    yield Goal("300 x DICOM raw: most memory at once, with workers, MB", _median(over_http.at_once_name(sent.RAW)), 700)
    yield Goal(f"{REAL}: slowest answer from the first byte, s", _median(over_http.slowest_name(REAL)), 6)


def _raw(asked: str) -> str:
    return exams.answer_name(codings.RAW, 300, asked)


def _first() -> str:
    return exams.first_name(codings.RAW, 300, exams.SOME)


def _on_gpu(name: str, gpu: str) -> Measure:
    def measure(figures: Figures) -> float:
        if not gpu:
            raise KeyError(name)
        return figures[name].median

    return measure


def _median(name: str) -> Measure:
    return lambda figures: figures[name].median


def _per_slice(runs: Runs, batch: int) -> Measure:
    return _median(figure_name(runs.entrant, batch))


def _against_predict(runs: Runs) -> Measure:
    predict, served = _median(figure_name(BASELINE, _NETWORK_BATCH)), _per_slice(runs, _NETWORK_BATCH)
    return lambda figures: predict(figures) / served(figures)


def _against_alone(figures: Figures) -> float:
    service, alone = (figures[figure_name(name, _CHUNK)].median for name in (SERVICE, ALONE))
    return service / alone


def _whole_exam(runs: Runs) -> Measure:
    per_slice = _per_slice(runs, _CHUNK)
    return lambda f: (
        1000 * f[_raw(exams.ALL)].median / (f[exams.scored_name(codings.RAW, 300, exams.ALL)].median * per_slice(f))
    )


def _least(name: Callable[[str], str]) -> Measure:
    """Of the exams that were sent to both; the real one need not be there."""

    def measure(figures: Figures) -> float:
        found = [figures[name(exam)].median for exam in (sent.RAW, REAL) if name(exam) in figures]
        if not found:
            raise KeyError(name(sent.RAW))
        return min(found)

    return measure


def _crowd(figures: Figures) -> float:
    together, one = (figures[crowds.crowd_name(n, crowds.P95)].median for n in (16, 1))
    return together / (16 * one)


def _behind(runs: Runs) -> Measure:
    per_slice = _per_slice(runs, _CHUNK)

    def measure(figures: Figures) -> float:
        behind, alone = figures[crowds.crowd_name(16, crowds.SINGLE_BEHIND)], figures[crowds.SINGLE_ALONE]
        return 1000 * (behind.median - alone.median) / (_CHUNK * per_slice(figures))

    return measure


def _shown(value: float) -> str:
    """Shares and correlations with four digits, so that a bound just missed is seen to be."""
    return f"{value:.4f}" if 0 < abs(value) < 1.2 else figure(value)
