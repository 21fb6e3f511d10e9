"""Where results go: stdout as text, JSON or CSV, a CSV file, a folder of reports and overlays."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.commands import Misuse
from app.commands.given import Given, GivenExam, shown
from app.commands.naming import folder_names
from app.commands.predict import REPORT, Outcome, Refusal, is_report
from app.commands.table import header, row
from app.commands.writing import write_whole
from app.ct.errors import StorageFull, StorageUnavailable
from app.service import SliceClassifier

Sink = Callable[[GivenExam, Outcome, str], None]
"""Takes the exams' outcomes, in the order the exams were given, and of each the folder of its results (see ``folders_of``)."""
Print = Callable[[str], None]
_MARK = "\ufeff"
"""Tells spreadsheets that a table is UTF-8."""


def folders_of(given: Given, folder: Path | None) -> list[str]:
    """Where in ``folder`` the results of each exam lie: ``.`` of a single one; empty where no folder is wanted."""
    if folder is None:
        return [""] * len(given.exams)
    return ["."] if given.is_one else folder_names(given.exams)


def text_of(given: Given, print_line: Print) -> Sink:
    """A few lines per exam; of several each begins with its name and ends with an empty line."""

    def take(exam: GivenExam, outcome: Outcome, _: str) -> None:
        print_line(outcome.text() if given.is_one else f"{exam.name}\n{outcome.text()}\n")

    return take


def json_of(given: Given, print_line: Print, *, with_pictures: bool) -> Sink:
    """One object for one exam.

    For several one object a line (JSON Lines), under ``exam`` the exam's name and under ``folder`` where its results lie.
    """

    def take(exam: GivenExam, outcome: Outcome, folder: str) -> None:
        text = outcome.json() if isinstance(outcome, Refusal) else outcome.json(with_pictures=with_pictures)
        # Written anew in ASCII: whatever the encoding of stdout, it stays JSON and nothing of it is replaced.
        found = json.loads(text)
        whose = {"exam": exam.name} | ({"folder": shown(Path(folder))} if folder else {})
        print_line(json.dumps(found, indent=2) if given.is_one else json.dumps(whose | found))

    return take


def csv_lines(classifier: SliceClassifier, print_line: Print) -> Sink:
    """A header at once, then a row per exam.

    Raises:
        Misuse: nothing can be printed.
    """
    _now_or_never(lambda: print_line(header().removesuffix("\r\n")), "stdout")
    return lambda exam, outcome, folder: print_line(_row(exam, outcome, folder, classifier).removesuffix("\r\n"))


def csv_file(path: Path, classifier: SliceClassifier) -> Sink:
    """A table that is whole after every exam; an earlier one of that name is replaced, and nothing else is.

    Raises:
        Misuse: there is no such file to write, or it holds something else, such as an exam.
    """
    place, lines = path.resolve(), [header()]

    def begin() -> None:
        if place.is_file() and not _is_table(place):
            raise Misuse(
                f"{shown(path)} is there and no table of covidct; --csv takes the file to write, or - for stdout."
            )
        write()

    def write() -> None:
        if place.exists() and not place.is_file():
            raise Misuse(f"{shown(path)} is not a file; --csv - writes to stdout.")
        write_whole(place, f"{_MARK}{''.join(lines)}".encode())

    def take(exam: GivenExam, outcome: Outcome, folder: str) -> None:
        lines.append(_row(exam, outcome, folder, classifier))
        write()

    _now_or_never(begin, shown(path))
    return take


def _row(exam: GivenExam, outcome: Outcome, folder: str, classifier: SliceClassifier) -> str:
    return row(exam.name, outcome, classifier, folder=shown(Path(folder)) if folder else "")


def _is_table(path: Path) -> bool:
    # Tables of before the last column was added, or the mark, are tables too.
    start = header().rpartition(",")[0].encode()
    with path.open("rb") as file:
        found = file.read(len(_MARK.encode()) + len(start))
    return not found or found.removeprefix(_MARK.encode()).startswith(start)


def folders(given: Given, folder: Path) -> Sink:
    """``report.json`` and overlays: of one exam in ``folder``, of several each in a folder of its own inside.

    Raises:
        Misuse: a folder would be read as part of an exam, cannot be made and written into, or holds another's ``report.json``.
    """
    places = [folder / name for name in folders_of(given, folder)]
    if read := given.would_read(places):
        raise Misuse(
            f"Results in {shown(read[0])} would be taken for slices the next time; "
            "give -o a folder outside of what is diagnosed."
        )
    for place in places:
        _now_or_never(partial(_try_out, place), shown(place))
    return lambda _, outcome, name: outcome.write(folder / name)


def _try_out(folder: Path) -> None:
    """Make ``folder`` and write into it; what is written goes at once."""
    folder.mkdir(parents=True, exist_ok=True)
    if (report := folder / REPORT).is_file() and not is_report(report):
        raise Misuse(f"{shown(report)} is there and no report of covidct; give -o another folder.")
    with tempfile.TemporaryFile(dir=folder):
        pass


def _now_or_never(write: Callable[[], None], place: str) -> None:
    """Fail before the first exam is diagnosed rather than after."""
    try:
        write()
    except (OSError, StorageFull, StorageUnavailable) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        raise Misuse(f"{place} cannot be written ({getattr(cause, 'strerror', error)}).") from error
