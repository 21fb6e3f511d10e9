"""Several exams, one classifier, and every place their results go to."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import typer
from rich.console import Console

from app.commands import Misuse
from app.commands.given import Given, GivenExam
from app.commands.predict import Outcome, Refusal, outcome_of
from app.commands.printing import tell
from app.commands.progress import progress_on
from app.commands.results import Sink, csv_file, csv_lines, folders, folders_of, json_of, text_of
from app.ct.errors import StorageFull, StorageUnavailable
from app.ct.workers import ON_THE_SPOT, Workers
from app.exam_folder import Wish
from app.service import DiagnosisService, SliceClassifier
from app.uploads import Limits


class Form(StrEnum):
    """What stands on stdout."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class Places:
    """Where results go.

    Attributes:
        stdout: in which form they are printed.
        table: a CSV file, if one is wanted.
        folder: a folder for reports and overlays, if they are wanted.
    """

    stdout: Form = Form.TEXT
    table: Path | None = None
    folder: Path | None = None

    @classmethod
    def of(cls, *, as_json: bool, table: str | None, folder: Path | None) -> Self:
        """As asked for on the command line.

        Raises:
            Misuse: stdout was asked for twice.
        """
        if table != "-":
            return cls(Form.JSON if as_json else Form.TEXT, None if table is None else Path(table), folder)
        if as_json:
            raise Misuse("--json and --csv - both want stdout; give --csv a file.")
        return cls(Form.CSV, None, folder)

    def written(self, given: Given, classifier: SliceClassifier) -> Iterator[Sink]:
        """What writes each outcome into files.

        Raises:
            Misuse: a file or folder cannot be made.
        """
        if self.folder is not None:
            yield folders(given, self.folder)
        if self.table is not None:
            yield csv_file(self.table, classifier)

    def printed(self, given: Given, classifier: SliceClassifier) -> Sink:
        """What prints each outcome on stdout."""
        match self.stdout:
            case Form.TEXT:
                return text_of(given, typer.echo)
            case Form.JSON:
                return json_of(given, typer.echo, with_pictures=self.folder is not None)
            case Form.CSV:
                return csv_lines(classifier, typer.echo)


def run(
    given: Given,
    classifier: SliceClassifier,
    *,
    limits: Limits,
    wish: Wish,
    places: Places,
    workers: Workers = ON_THE_SPOT,
) -> int:
    """Diagnose every exam and hand its outcome on before the next one is begun.

    Returns:
        How many were refused or failed, or have a result that could not be written.

    Raises:
        Misuse: a place for results cannot be written to; nothing was diagnosed.
    """
    service = DiagnosisService(classifier, limits=limits, workers=workers)
    show = progress_on(Console(stderr=True))
    written = list(places.written(given, classifier))
    printed = places.printed(given, classifier)
    # Who stops reading stdout, such as `head`, ends a call whose results go nowhere else.
    ending = () if written else (BrokenPipeError,)

    def is_done(number: int, exam: GivenExam, folder: str) -> bool:
        # In a function of its own: a diagnosed exam leaves memory before the next one is read.
        title = "" if given.is_one else f"exam {number} of {len(given.exams)}: {exam.name}"
        with show(title) as on_progress:
            outcome = outcome_of(exam, service, wish=wish, on_progress=on_progress)
        # All of them first: where one place fails, the others are still written to.
        kept = [_is_written(write, exam, outcome, folder) for write in written]
        kept.append(_is_written(printed, exam, outcome, folder, ending=ending))
        return all(kept) and not isinstance(outcome, Refusal)

    of_each = zip(given.exams, folders_of(given, places.folder), strict=True)
    return sum(not is_done(number, exam, folder) for number, (exam, folder) in enumerate(of_each, start=1))


def _is_written(
    write: Sink, exam: GivenExam, outcome: Outcome, folder: str, *, ending: tuple[type[OSError], ...] = ()
) -> bool:
    """Whether ``write`` could write; if not, that is told on stderr, and the exams after this one go on.

    Raises:
        OSError: of the kinds of ``ending``.
    """
    try:
        write(exam, outcome, folder)
    except ending:
        raise
    except (OSError, StorageFull, StorageUnavailable, Misuse) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        tell(f"A result of {exam.name} could not be written: {reason}")
        tell("See that there is room and that its place can be written to, then diagnose it again.")
        return False
    return True
