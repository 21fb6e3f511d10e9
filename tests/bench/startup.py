"""How long the service takes from nothing to ready, and what of it is imports and the model."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.process import ROOT, BenchFailed, plain_environment, serving
from tests.bench.tables import Table, middle

ANSWERS, READY, TENSORFLOW = "start: answers", "start: ready", "start: TensorFlow imported"
_LIMIT_S = 180
_STEPS = """
import json, sys, time
from pathlib import Path
spent, start = {}, time.perf_counter()
def lap(name):
    global start
    spent[name], start = time.perf_counter() - start, time.perf_counter()
import app.main
lap("import app.main")
import app.ct.classifier
__import__("app.ct.engines." + sys.argv[2])
lap("import of the engine")
app.ct.classifier.Classifier.load(Path(sys.argv[1]), engine=sys.argv[2])
lap("model loaded and self-tested")
sys.stdout.write(json.dumps([spent, "tensorflow" in sys.modules]))
"""


@dataclass(frozen=True)
class Startup:
    """One start, in seconds.

    Attributes:
        steps: the interpreter alone; then imports and the model in a process of their own.
        listening: the server's first answer, from the start of its process.
        ready: ``/readyz`` answering 200, from the start of its process.
        with_tensorflow: whether it was imported on the way.
    """

    steps: Mapping[str, float]
    listening: float
    ready: float
    with_tensorflow: bool = False


def measure_startup(
    model: Path, *, engine: str, rounds: int, on_round: Callable[[int], None] = lambda _: None
) -> list[Startup]:
    """Start the service ``rounds`` times.

    Raises:
        BenchFailed: it does not start.
    """
    starts = []
    for number in range(1, rounds + 1):
        on_round(number)
        steps, with_tensorflow = _steps(model, engine)
        with serving(model, engine=engine) as server:
            starts.append(Startup(steps, server.listening_s, server.ready_s, with_tensorflow))
    return starts


def _steps(model: Path, engine: str) -> tuple[dict[str, float], bool]:
    start = time.perf_counter()
    _python("pass")
    interpreter_s = time.perf_counter() - start
    spent, with_tensorflow = json.loads(_python(_STEPS, str(model.resolve()), engine))
    return {"python alone": interpreter_s, **spent}, with_tensorflow


def _python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(
        command, cwd=ROOT, env=plain_environment(), capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if ended.returncode:
        raise BenchFailed(f"Importing the service failed: {ended.stderr[-500:]}")
    return ended.stdout


def startup_table(starts: Sequence[Startup], *, engine: str) -> Table:
    """A row per step."""
    rows = [(name, middle(s.steps[name] for s in starts)) for name in starts[0].steps]
    rows += [
        ("`covidct serve` answers", middle(s.listening for s in starts)),
        ("`covidct serve` is ready", middle(s.ready for s in starts)),
    ]
    notes = (
        "Imports and model: each after the one before, in a process of their own.",
        "`covidct serve`: from the start of the process; the model loads while the server already answers.",
        f"TensorFlow is {'' if any(s.with_tensorflow for s in starts) else 'not '}imported.",
    )
    return Table(f"Start-up: seconds ({engine} engine)", ("step", "median"), tuple(rows), notes)


def startup_figures(starts: Sequence[Startup]) -> list[Figure]:
    """Until the server answers, until it is ready, and whether without TensorFlow."""
    return [
        Figure(ANSWERS, "s", tuple(s.listening for s in starts)),
        Figure(READY, "s", tuple(s.ready for s in starts)),
        Figure(TENSORFLOW, "times", tuple(float(s.with_tensorflow) for s in starts)),
    ]
