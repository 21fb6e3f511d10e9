"""Several exams in one call, and where their results go."""

import csv
import errno
import json
import os
import sys
import weakref
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from app.commands import Misuse
from app.commands.batch import Form, Places, run
from app.commands.given import Given, GivenExam
from app.commands.table import COLUMNS
from app.ct.exam import Exam
from app.exam_folder import Wish
from app.storage import room
from app.uploads import Limits
from tests.builders import a_dicom_exam
from tests.commands.builders import a_folder, a_refused_folder, a_zip_file, given
from tests.fakes import FakeClassifier, a_manifest

MARK = "\ufeff"


def ran(
    exams: Sequence[GivenExam],
    places: Places = Places(),  # noqa: B008  frozen
    *,
    classifier: FakeClassifier | None = None,
    wish: Wish = Wish(),  # noqa: B008  frozen
    **limits: int,
) -> int:
    given = Given(tuple(exams), tuple(path for exam in exams for path in exam.paths), len(exams) == 1)
    return run(given, classifier or FakeClassifier(), limits=Limits(**limits), wish=wish, places=places)


@pytest.fixture
def three(tmp_path: Path) -> list[GivenExam]:
    """The one in the middle is refused."""
    return given(a_folder(tmp_path / "a"), a_refused_folder(tmp_path / "b"), a_zip_file(tmp_path / "c.zip"))


def rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(table.removeprefix(MARK), newline="")))


def test_a_refused_exam_does_not_stop_the_others(three, capsys):
    assert ran(three) == 1

    told = capsys.readouterr().out.split("\n\n")
    assert [text.splitlines()[0] for text in told if text] == [exam.name for exam in three]
    assert "REFUSED  unreadable: A file cannot be read" in told[1]
    assert "Export the exam again" in told[1]
    assert "Research use only" in told[0]
    assert "Research use only" in told[2]


def test_what_fails_unforeseen_does_not_stop_the_others_and_says_nothing_of_the_patient(three, capsys):
    class Failing(FakeClassifier):
        def score_chunks(self, exam: Exam, indices: Sequence[int], **how: Any):
            self.fault = None if self.fault else KeyError("CANARY^PATIENT")
            return super().score_chunks(exam, indices, **how)

    assert ran([three[0], three[2]], classifier=Failing()) == 1

    told = capsys.readouterr().out
    assert "REFUSED  internal" in told
    assert "(KeyError)" in told
    assert "CANARY" not in told
    assert "Research use only" in told


def test_a_full_disk_is_told_as_such(three, capsys):
    assert ran(three[:1], classifier=FakeClassifier(fault=OSError(errno.ENOSPC, "no room"))) == 1

    assert "REFUSED  storage-full" in capsys.readouterr().out


def test_every_exam_is_a_line_of_json_with_its_name(three, capsys):
    ran(three, Places(Form.JSON))

    first, refused, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["exam"] for one in (first, refused, last)] == [exam.name for exam in three]
    assert first["verdict"] == last["verdict"]
    assert {"code", "title", "detail", "advice"} <= set(refused["problem"])
    assert "verdict" not in refused


def test_a_refused_exam_is_told_as_the_service_tells_it(three, tmp_path, capsys):
    ran(three, Places(Form.JSON, folder=tmp_path / "out"))

    first, refused, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["status"], refused["status"], refused["problem"]["status"]) == ("done", "refused", 422)
    assert list(refused) == ["exam", "folder", "status", "problem", "notice"]


def test_what_failed_is_not_told_as_refused(three, capsys):
    ran(three[:1], Places(Form.JSON), classifier=FakeClassifier(fault=KeyError("of the engine")))

    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["problem"]["code"]) == ("failed", "internal")


def test_one_exam_is_one_object_without_a_name(three, capsys):
    ran(three[:1], Places(Form.JSON))

    report = json.loads(capsys.readouterr().out)
    assert report["input"]["slices"] == 5
    assert "exam" not in report


def test_json_has_no_letters_that_stdout_may_lack(three, capsys):
    ran(
        three[:1],
        Places(Form.JSON),
        classifier=FakeClassifier(manifest=a_manifest().model_copy(update={"name": "患者"})),
    )

    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["model"]["name"] == "患者"


def test_one_refused_exam_is_a_problem(three, capsys):
    assert ran(three[1:2], Places(Form.JSON)) == 1

    assert json.loads(capsys.readouterr().out)["problem"]["code"] == "unreadable"


def test_the_table_has_a_row_for_every_exam(three, tmp_path, capsys):
    ran(three, Places(table=tmp_path / "table.csv"))

    first, refused, last = rows((tmp_path / "table.csv").read_bytes().decode())
    assert [one["exam"] for one in (first, refused, last)] == [exam.name for exam in three]
    assert (first["slices"], first["band_low"], first["band_high"], first["refused"]) == ("5", "0.38", "0.62", "")
    assert (refused["refused"], refused["verdict"], refused["probability"]) == ("unreadable", "", "")
    assert all(one["model"] and len(one["model_sha256"]) == 64 and one["version"] for one in (first, refused, last))
    assert all(one["notice"] for one in (first, refused, last))
    assert "no positions" in last["warnings"]
    assert capsys.readouterr().out.startswith(first["exam"])


def test_the_table_on_stdout_is_all_that_stands_there(three, capsys):
    ran(three, Places(Form.CSV))

    assert [one["refused"] for one in rows(capsys.readouterr().out)] == ["", "unreadable", ""]


def test_each_exam_has_a_folder_of_its_own(three, tmp_path):
    ran(three, Places(folder=tmp_path / "out"))

    reports = {p.parent.name: json.loads(p.read_text()) for p in (tmp_path / "out").glob("*/report.json")}
    assert set(reports) == {"a", "b", "c"}
    assert reports["b"]["problem"]["code"] == "unreadable"
    assert (tmp_path / "out" / "c" / reports["c"]["heatmap"]).read_bytes().startswith(b"\x89PNG")


def test_another_call_leaves_every_folder_to_its_exam_and_rows_say_which_it_is(tmp_path, capsys):
    # Each of another number of slices, so that a report says whose it is.
    exams = given(*(a_folder(tmp_path / name / "exam", slices=n) for name, n in (("a", 3), ("b", 4), ("c", 5))))
    ran(exams, Places(folder=tmp_path / "out"))
    capsys.readouterr()

    ran([exams[0], exams[2]], Places(Form.JSON, folder=tmp_path / "out", table=tmp_path / "table.csv"))

    def slices(folder: str) -> int:
        return json.loads((tmp_path / "out" / folder / "report.json").read_text())["input"]["slices"]

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    listed = rows((tmp_path / "table.csv").read_text())
    assert {path.name: slices(path.name) for path in (tmp_path / "out").iterdir()} == {
        "a_exam": 3,
        "b_exam": 4,
        "c_exam": 5,
    }
    assert [slices(one["folder"]) for one in told] == [one["input"]["slices"] for one in told] == [3, 5]
    assert [slices(one["folder"]) for one in listed] == [int(one["slices"]) for one in listed] == [3, 5]


def test_a_row_names_no_folder_where_there_is_none(three, tmp_path, capsys):
    ran(three, Places(Form.JSON, table=tmp_path / "table.csv"))
    ran(three[:1], Places(Form.CSV, folder=tmp_path / "out"))

    *told, _, alone = capsys.readouterr().out.splitlines()
    assert not any("folder" in json.loads(line) for line in told)
    assert {one["folder"] for one in rows((tmp_path / "table.csv").read_text())} == {""}
    assert alone.endswith(",.")


@pytest.mark.parametrize("mark", ["", MARK])
def test_a_table_of_before_its_last_column_is_replaced(three, tmp_path, mark):
    (tmp_path / "table.csv").write_text(mark + ",".join(COLUMNS[:-1]) + "\r\n", encoding="utf-8")

    ran(three[:1], Places(table=tmp_path / "table.csv"))

    assert len(rows((tmp_path / "table.csv").read_text())) == 1


def test_a_table_in_a_file_says_that_it_is_utf_8_and_one_on_stdout_does_not(three, tmp_path, capsys):
    ran(three[:1], Places(Form.CSV, table=tmp_path / "table.csv"))

    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == MARK + capsys.readouterr().out


def test_a_row_names_the_folder_there_is(tmp_path):
    exams = given(a_folder(tmp_path / "-p1"), a_folder(tmp_path / "ok;=2"))

    ran(exams, Places(folder=tmp_path / "out", table=tmp_path / "table.csv"))

    named = {one["folder"] for one in rows((tmp_path / "table.csv").read_text())}
    assert named == {path.name for path in (tmp_path / "out").iterdir()} == {"_p1", "ok;_2"}


def test_a_single_exam_has_the_folder_for_itself(three, tmp_path):
    ran(three[:1], Places(folder=tmp_path / "out"))

    assert json.loads((tmp_path / "out" / "report.json").read_text())["verdict"]


def test_a_folder_that_is_diagnosed_takes_no_results(three, tmp_path, capsys):
    for exams, folder in ((three[:1], tmp_path / "a"), (three[:1], tmp_path / "a" / "out"), (three[:2], tmp_path)):
        with pytest.raises(Misuse, match="would be taken for slices"):
            ran(exams, Places(folder=folder))

    assert capsys.readouterr().out == ""
    assert list(tmp_path.rglob("*.json")) == [] == list(tmp_path.rglob("out"))


def test_a_result_that_cannot_be_written_is_told_and_counted_and_the_others_are_written(three, tmp_path, capsys):
    (tmp_path / "out" / "a" / "report.json").mkdir(parents=True)

    assert ran([three[0], three[2]], Places(Form.JSON, folder=tmp_path / "out", table=tmp_path / "table.csv")) == 1

    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if "written" in line] == [
        f"A result of {three[0].name} could not be written: Is a directory",
        "See that there is room and that its place can be written to, then diagnose it again.",
    ]
    assert "verdict" in json.loads((tmp_path / "out" / "c" / "report.json").read_text())
    assert len(said.out.splitlines()) == len(rows((tmp_path / "table.csv").read_bytes().decode())) == 2


def test_a_disk_that_is_full_for_one_result_does_not_stop_the_others(three, tmp_path, capsys):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / ".report.json.part").symlink_to("/dev/full")

    assert ran([three[0], three[2]], Places(folder=tmp_path / "out")) == 1

    assert "could not be written: The storage is full" in capsys.readouterr().err
    assert (tmp_path / "out" / "c" / "report.json").is_file()


def test_a_table_that_can_no_longer_be_written_does_not_stop_the_others(three, tmp_path, capsys):
    class Spoiling(FakeClassifier):
        def score_chunks(self, exam: Exam, indices: Sequence[int], **how: Any):
            if (tmp_path / "table.csv").is_file():
                (tmp_path / "table.csv").unlink()
                (tmp_path / "table.csv").mkdir()
            return super().score_chunks(exam, indices, **how)

    assert ran([three[0], three[2]], Places(table=tmp_path / "table.csv"), classifier=Spoiling()) == 2

    assert capsys.readouterr().out.count("Research use only") == 2


class Stdout(StringIO):
    """Takes nothing, for this reason."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, *_: object) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE])
def test_where_stdout_takes_nothing_the_others_have_their_results(three, tmp_path, capsys, monkeypatch, number):
    monkeypatch.setattr(sys, "stdout", Stdout(number))
    places = Places(Form.JSON, folder=tmp_path / "out", table=tmp_path / "table.csv")

    assert ran([three[0], three[2]], places) == 2

    assert capsys.readouterr().err.count(f"could not be written: {os.strerror(number)}") == 2
    assert len(rows((tmp_path / "table.csv").read_text())) == 2
    assert {path.parent.name for path in tmp_path.rglob("report.json")} == {"a", "c"}


def test_who_stops_reading_stdout_ends_a_call_whose_results_go_nowhere_else(three, monkeypatch):
    diagnosed = []

    class Counting(FakeClassifier):
        def score_chunks(self, exam: Exam, indices: Sequence[int], **how: Any):
            diagnosed.append(exam)
            return super().score_chunks(exam, indices, **how)

    monkeypatch.setattr(sys, "stdout", Stdout(errno.EPIPE))

    with pytest.raises(BrokenPipeError):
        ran([three[0], three[2]], classifier=Counting())

    assert len(diagnosed) == 1


def test_a_table_that_stdout_does_not_take_stops_the_call_before_the_work(three, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Stdout(errno.ENOSPC))

    with pytest.raises(Misuse, match=r"stdout cannot be written \(No space left on device\)"):
        ran(three, Places(Form.CSV), classifier=FakeClassifier(fault=AssertionError("diagnosed")))


def test_overlays_of_an_earlier_run_go_and_nothing_else_does(three, tmp_path):
    ran(three[:1], Places(folder=tmp_path / "out"))
    for name in ("slice-0099-overlay.png", "slice-0099-overlay.png.txt", "my-slice-0001-overlay.png"):
        (tmp_path / "out" / name).touch()

    ran(three[1:2], Places(folder=tmp_path / "out"))

    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert left == {"report.json", "slice-0099-overlay.png.txt", "my-slice-0001-overlay.png"}


def test_overlays_that_are_not_named_by_the_new_report_go(three, tmp_path):
    ran(three[:1], Places(folder=tmp_path / "out"))
    ran(three[:1], Places(folder=tmp_path / "out"), wish=Wish(slices=1))

    assert len(list((tmp_path / "out").glob("slice-*"))) == 1


def test_an_exam_has_left_memory_when_the_next_one_is_diagnosed(three, tmp_path):
    seen: list[weakref.ref[Exam]] = []

    class Watching(FakeClassifier):
        def score_chunks(self, exam: Exam, indices: Sequence[int], **how: Any):
            assert [one for one in seen if one() is not None] == []
            seen.append(weakref.ref(exam))
            return super().score_chunks(exam, indices, **how)

    assert ran([three[0], three[2], three[0]], Places(folder=tmp_path / "out"), classifier=Watching()) == 0

    assert len(seen) == 3


def test_the_report_of_an_earlier_run_does_not_outlive_a_refusal(three, tmp_path):
    ran(three[:1], Places(folder=tmp_path / "out"))
    ran(three[1:2], Places(folder=tmp_path / "out"))

    assert "verdict" not in json.loads((tmp_path / "out" / "report.json").read_text())


def test_every_result_is_written_before_the_next_exam_is_begun(three, tmp_path):
    class Interrupted(FakeClassifier):
        def score_chunks(self, exam: Exam, indices: Sequence[int], **how: Any):
            if (tmp_path / "out" / "a" / "report.json").exists():
                raise KeyboardInterrupt
            return super().score_chunks(exam, indices, **how)

    with pytest.raises(KeyboardInterrupt):
        ran(three, Places(table=tmp_path / "table.csv", folder=tmp_path / "out"), classifier=Interrupted())

    assert [one["refused"] for one in rows((tmp_path / "table.csv").read_bytes().decode())] == ["", "unreadable"]
    assert [p.name for p in tmp_path.rglob(".*")] == []


def test_a_wish_holds_for_every_exam(three, capsys):
    ran([three[0], three[2]], Places(Form.JSON), wish=Wish(slices=2))

    assert [json.loads(line)["input"]["scored"] for line in capsys.readouterr().out.splitlines()] == [2, 2]


def test_a_series_can_be_asked_for(tmp_path, capsys):
    exam = tmp_path / "exam"
    exam.mkdir()
    for number, content in enumerate([*a_dicom_exam(), *a_dicom_exam(SeriesInstanceUID="1.2.3.9")]):
        (exam / f"{number}").write_bytes(content)

    ran(given(exam), Places(Form.JSON), wish=Wish(series_instance_uid="1.2.3.404"))

    assert json.loads(capsys.readouterr().out)["problem"]["code"] == "no-usable-series"


def test_the_limits_of_the_service_hold(three, capsys):
    assert ran(three[:1], max_files=4) == 1

    assert "too-many-files" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["missing/table.csv", "folder", "pipe"])
def test_a_table_that_cannot_be_written_stops_the_call_before_the_work(three, tmp_path, where, capsys):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(Misuse, match=r"table\.csv cannot be written|is not a file"):
        ran(three, Places(table=tmp_path / where))
    assert capsys.readouterr().out == ""


def test_a_folder_that_cannot_be_made_stops_the_call_before_the_work(three, tmp_path):
    with pytest.raises(Misuse, match="cannot be written"):
        ran(three, Places(folder=tmp_path / "c.zip" / "out"))


@pytest.mark.parametrize("where", ["out", "/proc"])
def test_a_folder_of_one_exam_that_cannot_be_made_stops_the_call_before_the_work(three, tmp_path, where, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c").write_text("a file, not a folder")

    with pytest.raises(Misuse, match="cannot be written"):
        ran([three[0], three[2]], Places(folder=tmp_path / where))
    assert capsys.readouterr().out == ""


def test_a_folder_that_can_only_be_read_stops_the_call_before_the_work(three):
    with pytest.raises(Misuse, match="/proc cannot be written"):
        ran(three[:1], Places(folder=Path("/proc")))


def test_a_table_with_a_name_longer_than_the_system_takes_is_a_wrong_call(three, tmp_path):
    with pytest.raises(Misuse, match="cannot be written"):
        ran(three[:1], Places(table=tmp_path / ("n" * 300)))


def test_stdout_is_not_asked_for_twice():
    with pytest.raises(Misuse, match="both want stdout"):
        Places.of(as_json=True, table="-", folder=None)


def refuse(number: int, *, path_has: str):
    def write(path: Path, content: bytes) -> None:
        with room():
            if path_has in str(path):
                raise OSError(number, os.strerror(number))
            path.write_bytes(content)

    return write


def test_a_place_that_takes_nothing_any_more_does_not_stop_the_others(three, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("app.commands.predict.write_whole", refuse(errno.EROFS, path_has="/out/a/"))

    assert ran([three[0], three[2]], Places(folder=tmp_path / "out")) == 1

    said = capsys.readouterr()
    assert f"A result of {three[0].name} could not be written" in said.err
    assert said.out.count("Research use only") == 2
    assert (tmp_path / "out" / "c" / "report.json").is_file()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_table_where_nothing_may_be_written_is_a_wrong_call(three, tmp_path, number, capsys, monkeypatch):
    monkeypatch.setattr("app.commands.results.write_whole", refuse(number, path_has="table"))

    with pytest.raises(Misuse, match=rf"cannot be written \({os.strerror(number)}\)"):
        ran(three, Places(table=tmp_path / "table.csv"))
    assert capsys.readouterr().out == ""


def test_a_table_replaces_an_earlier_one_and_nothing_else(three, tmp_path, capsys):
    exam, notes = tmp_path / "c.zip", tmp_path / "notes.csv"
    notes.write_text("my,notes\n")
    before = exam.read_bytes()
    for path in (exam, notes):
        with pytest.raises(Misuse, match="no table of covidct"):
            ran(three[:1], Places(table=path))
    for exams in (three, three[:1]):
        ran(exams, Places(table=tmp_path / "table.csv"))

    assert (exam.read_bytes(), notes.read_text()) == (before, "my,notes\n")
    assert len(rows((tmp_path / "table.csv").read_text())) == 1


def test_a_report_of_an_earlier_version_is_replaced(three, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text('{"type": "urn:covidct:problem:unreadable", "status": 422}')

    ran(three[1:2], Places(folder=tmp_path / "out"))

    assert json.loads((tmp_path / "out" / "report.json").read_text())["status"] == "refused"


@pytest.mark.parametrize(
    "content", ["", "{}", '{"notice": "pay at once"}', '["report"]', "no JSON", "\xff", "[" * 10**5]
)
def test_a_report_replaces_an_earlier_one_and_nothing_else(three, tmp_path, capsys, content):
    (tmp_path / "out" / "c").mkdir(parents=True)
    foreign = tmp_path / "out" / "c" / "report.json"
    foreign.write_text(content, encoding="latin-1")

    with pytest.raises(Misuse, match=r"report\.json is there and no report of covidct"):
        ran([three[0], three[2]], Places(folder=tmp_path / "out"))

    assert capsys.readouterr().out == ""
    assert foreign.read_text(encoding="latin-1") == content
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["report.json"]


def test_no_report_of_another_exam_stands_beside_pictures_whatever_breaks_off(three, tmp_path, monkeypatch):
    ran(three[:1], Places(folder=tmp_path / "out"))
    monkeypatch.setattr("app.commands.predict.write_whole", refuse(errno.ENOSPC, path_has="report.json"))
    ran([three[2]], Places(folder=tmp_path / "out"))

    assert not (tmp_path / "out" / "report.json").exists()


def test_a_report_names_files_beside_it_and_slices_as_readers_count(three, tmp_path, capsys):
    ran(three[:1], Places(folder=tmp_path / "out"))

    text = (tmp_path / "out" / "report.json").read_text()
    strongest = json.loads(text)["strongest_slice"]
    assert "/api/" not in text
    assert f"strongest: slice {strongest + 1} of 5" in capsys.readouterr().out
