"""What is told while an exam is diagnosed."""

from io import StringIO

from rich.console import Console

from app.commands.progress import progress_on
from app.course import Reading, Scoring


def told(*, is_terminal: bool, title: str = "") -> str:
    file = StringIO()
    with progress_on(Console(file=file, force_terminal=is_terminal, width=200))(title) as on_progress:
        for happened in (Reading(), Scoring(0, 9), Scoring(8, 9, 0.25)):
            on_progress(happened)
    return file.getvalue()


def test_a_file_gets_plain_lines():
    assert told(is_terminal=False) == "reading\nscored 0 of 9 slices\nscored 8 of 9 slices, so far 0.25\n"


def test_several_exams_are_told_apart():
    assert told(is_terminal=False, title="exam 1 of 2: a[b]").startswith("exam 1 of 2: a[b]\nreading\n")


def test_a_terminal_gets_a_bar_that_goes_when_the_exam_is_done():
    shown = told(is_terminal=True, title="exam 1 of 2: a[b]")

    assert "exam 1 of 2: a[b]: scoring, so far 0.25" in shown
    assert "8/9" in shown
    assert shown.endswith("\x1b[2K")
