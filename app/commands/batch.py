"""Several exams, one classifier, and every place their results go to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import typer
from rich.console import Console

from app.commands import Misuse
from app.commands.given import GivenExam
from app.commands.predict import Refusal, outcomes
from app.commands.progress import progress_on
from app.commands.results import Sink, csv_file, csv_lines, folders, json_of, text_of
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

    def sinks(self, exams: Sequence[GivenExam], classifier: SliceClassifier) -> Iterator[Sink]:
        """What takes each outcome, stdout last: what is told there is done.

        Raises:
            Misuse: a file or folder cannot be made.
        """
        if self.folder is not None:
            yield folders(exams, self.folder)
        if self.table is not None:
            yield csv_file(self.table, classifier)
        match self.stdout:
            case Form.TEXT:
                yield text_of(exams, typer.echo)
            case Form.JSON:
                yield json_of(exams, typer.echo, with_pictures=self.folder is not None)
            case Form.CSV:
                yield csv_lines(classifier, typer.echo)


def run(exams: Sequence[GivenExam], classifier: SliceClassifier, *, limits: Limits, wish: Wish, places: Places) -> int:
    """Diagnose ``exams`` and hand every outcome on before the next one is begun.

    Returns:
        How many were refused or failed.

    Raises:
        Misuse: a place for results cannot be written to; nothing was diagnosed.
        StorageFull: there is no room for results.
    """
    service, sinks = DiagnosisService(classifier, limits=limits), list(places.sinks(exams, classifier))
    refused = 0
    for exam, outcome in outcomes(exams, service, wish=wish, show=progress_on(Console(stderr=True))):
        refused += isinstance(outcome, Refusal)
        for take in sinks:
            take(exam, outcome)
    return refused
