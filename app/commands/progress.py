"""How far the exam at hand has come, on stderr: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.course import Reading, Scoring
from app.service import OnProgress

ShowProgress = Callable[[str], AbstractContextManager[OnProgress]]


def progress_on(console: Console) -> ShowProgress:
    """What shows the progress of one exam after the other; each may have a title."""
    return partial(_bar if console.is_terminal else _lines, console)


@contextmanager
def _lines(console: Console, title: str) -> Iterator[OnProgress]:
    def tell(text: str) -> None:
        with suppress(OSError):  # Progress that nobody can read stops no diagnosis.
            console.file.write(f"{text}\n")
            console.file.flush()

    def on_progress(happened: Reading | Scoring) -> None:
        match happened:
            case Reading():
                tell("reading")
            case Scoring(scored, to_score, probability):
                tell(f"scored {scored} of {to_score} slices{_so_far(probability)}")

    if title:
        tell(title)
    yield on_progress


@contextmanager
def _bar(console: Console, title: str) -> Iterator[OnProgress]:
    """The bar goes when the exam is done: what follows on stdout stands where it was."""
    said = TextColumn("{task.description}", markup=False)
    columns = (said, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(_described(title, "waiting"), total=None)
        yield partial(_advance, bar, task, title)


def _advance(bar: Progress, task: TaskID, title: str, happened: Reading | Scoring) -> None:
    match happened:
        case Reading():
            bar.update(task, description=_described(title, "reading"))
        case Scoring(scored, to_score, probability):
            said = _described(title, f"scoring{_so_far(probability)}")
            bar.update(task, description=said, completed=scored, total=to_score)


def _described(title: str, doing: str) -> str:
    return f"{title}: {doing}" if title else doing


def _so_far(probability: float | None) -> str:
    return "" if probability is None else f", so far {probability:.2f}"
