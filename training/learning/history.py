"""What a training run tells of itself epoch by epoch: a table, TensorBoard events, curves, a progress bar."""

import csv
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np

from training.canvas import canvas, save

if TYPE_CHECKING:
    from rich.progress import Progress

TABLE, CURVES, EVENTS = "history.csv", "learning-curves.png", "tensorboard"
_ONCE_AN_EPOCH = ("epoch", "seconds", "learning_rate")


@dataclass(frozen=True)
class History:
    """Epochs so far, and which of them is the best.

    Attributes:
        rows: one an epoch: ``epoch`` from 1, ``loss`` and what else was measured, ``val_`` before what validation gave.
        monitor: the value that says which epoch is the best; None where the last one counts.
        better: whether a lower or a higher value is better.
    """

    rows: tuple[Mapping[str, float], ...] = ()
    monitor: str | None = None
    better: Literal["lower", "higher"] = "lower"

    def with_row(self, row: Mapping[str, float]) -> Self:
        """One epoch more."""
        return replace(self, rows=(*self.rows, row))

    @property
    def best_epoch(self) -> int:
        """From 1, the earliest of equals; 0 before the first."""
        if not self.rows or self.monitor is None:
            return len(self.rows)
        values = np.array([row[self.monitor] for row in self.rows])
        # A value that does not exist, such as an AUC without both classes, is never the best.
        cost = np.nan_to_num(values if self.better == "lower" else -values, nan=np.inf)
        return int(np.argmin(cost)) + 1

    def waited(self, patience: int | None) -> bool:
        """Whether the best epoch lies ``patience`` epochs back; never where that is None."""
        return patience is not None and len(self.rows) - self.best_epoch >= patience

    def write(self, folder: Path) -> None:
        """Write history.csv whole, so that no epoch is told twice after a resume."""
        aside = folder / f"{TABLE}.tmp"
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        aside.rename(folder / TABLE)

    def draw(self, path: Path) -> None:
        """Curves of training and validation, a panel for each value, with the best epoch marked."""
        names = [k for k in self.rows[0] if k not in _ONCE_AN_EPOCH and not k.startswith("val_")]
        figure, panels = canvas(columns=len(names), size=(5 * len(names), 4))
        epochs = [row["epoch"] for row in self.rows]
        for axes, name in zip(panels[0], names, strict=True):
            for column, label in ((name, "training"), (f"val_{name}", "validation")):
                if column in self.rows[0]:
                    axes.plot(epochs, [row[column] for row in self.rows], label=label, marker=".")
            axes.axvline(self.best_epoch, color="0.7", linestyle=":", label="kept")
            axes.set(xlabel="epoch", ylabel=name)
            axes.legend()
        save(figure, path)


class EventLog:
    """TensorBoard's event files, written without TensorFlow.

    The folder is begun afresh with all epochs so far: what a killed run logged after its last checkpoint is not told twice.
    """

    def __init__(self, folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
        """Begin in ``folder`` with the epochs there are."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = EventFileWriter(str(folder))
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, float]) -> None:
        """One epoch."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=_tag(k), simple_value=v) for k, v in row.items() if k != "epoch"]
        self._writer.add_event(Event(wall_time=time.time(), step=int(row["epoch"]), summary=Summary(value=values)))
        self._writer.flush()

    def close(self) -> None:
        """Nothing more comes."""
        self._writer.close()


def _tag(name: str) -> str:
    """Training and validation of one value lie in one group on TensorBoard's page."""
    part = "validation" if name.startswith("val_") else "training"
    return f"{name.removeprefix('val_')}/{part}"


class Bar(Protocol):
    """What is told of single steps."""

    def begin(self, words: str, steps: int) -> None:
        """A new stretch of ``steps``."""

    def step(self, loss: float) -> None:
        """One step done."""


class _NoBar:
    def begin(self, words: str, steps: int) -> None:
        """Not shown."""

    def step(self, loss: float) -> None:
        """Not shown."""


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """A bar on stderr where that is a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield _NoBar()
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    loss = TextColumn("loss {task.fields[loss]:.4f}")
    with Progress(*columns, loss, console=Console(stderr=True), transient=True) as progress:
        yield _RichBar(progress)


class _RichBar:
    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.add_task("", loss=float("nan"))

    def begin(self, words: str, steps: int) -> None:
        self._progress.reset(self._task, description=words, total=steps)

    def step(self, loss: float) -> None:
        self._progress.update(self._task, advance=1, loss=loss)
