"""Where results go: stdout as text, JSON or CSV, a CSV file, a folder of reports and overlays."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from app.commands import Misuse
from app.commands.given import GivenExam, folder_names
from app.commands.predict import Outcome, Refusal
from app.commands.table import header, row
from app.commands.writing import write_whole
from app.service import SliceClassifier

Sink = Callable[[GivenExam, Outcome], None]
"""Takes the exams' outcomes, in the order the exams were given."""
Print = Callable[[str], None]


def text_of(exams: Sequence[GivenExam], print_line: Print) -> Sink:
    """A few lines per exam; of several each begins with its name and ends with an empty line."""

    def take(exam: GivenExam, outcome: Outcome) -> None:
        print_line(outcome.text() if len(exams) == 1 else f"{exam.name}\n{outcome.text()}\n")

    return take


def json_of(exams: Sequence[GivenExam], print_line: Print, *, with_pictures: bool) -> Sink:
    """One object for one exam; for several one object a line (JSON Lines), with the exam's name under ``exam``."""

    def take(exam: GivenExam, outcome: Outcome) -> None:
        text = outcome.json() if isinstance(outcome, Refusal) else outcome.json(with_pictures=with_pictures)
        if len(exams) == 1:
            print_line(text)
        else:
            print_line(json.dumps({"exam": exam.name, **json.loads(text)}))

    return take


def csv_lines(classifier: SliceClassifier, print_line: Print) -> Sink:
    """A header at once, then a row per exam."""
    print_line(header().removesuffix("\r\n"))
    return lambda exam, outcome: print_line(row(exam.name, outcome, classifier).removesuffix("\r\n"))


def csv_file(path: Path, classifier: SliceClassifier) -> Sink:
    """A table that is whole after every exam.

    Raises:
        Misuse: there is no such file to write.
    """
    place, lines = path.resolve(), [header()]
    if place.exists() and not place.is_file():
        raise Misuse(f"{path} is not a file; --csv - writes to stdout.")

    def write() -> None:
        write_whole(place, "".join(lines).encode())

    def take(exam: GivenExam, outcome: Outcome) -> None:
        lines.append(row(exam.name, outcome, classifier))
        write()

    _now_or_never(write, path)
    return take


def folders(exams: Sequence[GivenExam], folder: Path) -> Sink:
    """``report.json`` and overlays: of one exam in ``folder``, of several each in a folder of its own inside.

    Raises:
        Misuse: there is no such folder, and none can be made.
    """
    names = iter(folder_names(exams))
    _now_or_never(lambda: folder.mkdir(parents=True, exist_ok=True), folder)

    def take(_: GivenExam, outcome: Outcome) -> None:
        outcome.write(folder if len(exams) == 1 else folder / next(names))

    return take


def _now_or_never(write: Callable[[], None], path: Path) -> None:
    """Fail before the first exam is diagnosed rather than after."""
    try:
        write()
    except OSError as error:
        raise Misuse(f"{path} cannot be written ({error.strerror}).") from error
