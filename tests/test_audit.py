"""The audit log: what was done is there, and what was done to the log is found."""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit import Break, Head, check_not_ahead, first_break
from app.cli import main
from app.ct.errors import PartedStore, StorageFull
from app.data_folder import AUDIT_FILE
from app.database import FILE, uri_to_read
from app.kept import KeptProblem, Sent, Status, new_id
from app.store import Store
from tests.builders import swept

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_log(data_dir: Path, *, exams: int = 3) -> Path:
    """A store's log after so many exams were sent and failed; two lines an exam."""
    store = Store(data_dir)
    for _ in range(exams):
        exam = store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR)
        store.end(exam.id, Status.FAILED, KeptProblem("internal", "CANARY"))
    store.close()
    return data_dir / AUDIT_FILE


def the_database(data_dir: Path) -> bytes:
    return (data_dir / FILE).read_bytes()


def put_back(data_dir: Path, earlier: bytes | None) -> None:
    """The database as it was copied earlier, or none at all."""
    for path in data_dir.glob(f"{FILE}*"):
        path.unlink()
    if earlier is not None:
        (data_dir / FILE).write_bytes(earlier)


def broken(data_dir: Path) -> Break | None:
    store = Store(data_dir)
    try:
        return store.check_audit()
    finally:
        store.close()


def test_nothing_is_erased_twice_nor_after_it_expired(tmp_path: Path) -> None:
    store = Store(tmp_path)
    erased, expired = (store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR) for _ in range(2))
    store.erase(erased.id)
    store.erase(erased.id)
    swept(store, NOW + 2 * HOUR, tombstone=HOUR * 9)
    store.erase(expired.id)

    said = [json.loads(line) for line in (tmp_path / AUDIT_FILE).read_text().splitlines()]

    assert [(one["what"], one["exam"]) for one in said[2:]] == [("erased", erased.id), ("expired", expired.id)]
    assert store.find(expired.id).status is Status.EXPIRED
    store.close()


def test_the_log_says_who_did_what_with_which_exam_and_how_it_ended(tmp_path: Path) -> None:
    store = Store(tmp_path)
    exam = store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR, owner=1)
    store.end(exam.id, Status.REFUSED, KeptProblem("no-lung", "x"))
    store.erase(exam.id, owner=1)
    store.close()

    said = [json.loads(line) for line in (tmp_path / AUDIT_FILE).read_text().splitlines()]

    assert [(one["n"], one["who"], one["what"], one["exam"], one["outcome"]) for one in said] == [
        (1, "key-1", "sent", exam.id, "queued"),
        (2, "service", "ended", exam.id, "no-lung"),
        (3, "key-1", "erased", exam.id, "erased"),
    ]
    assert broken(tmp_path) is None


def test_an_expired_exam_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    exam = store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR)
    swept(store, NOW + HOUR, tombstone=HOUR)
    store.close()

    last = json.loads((tmp_path / AUDIT_FILE).read_text().splitlines()[-1])

    assert (last["what"], last["exam"], last["who"]) == ("expired", exam.id, "service")


def test_every_single_byte_that_is_altered_is_found_in_its_line(tmp_path: Path) -> None:
    path = a_log(tmp_path, exams=2)
    sound = path.read_bytes()
    store = Store(tmp_path)
    for at in range(len(sound)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        found = store.check_audit()
        assert found is not None, at
        assert found.line == sound[:at].count(b"\n") + 1
    store.close()


def sealed(body: str) -> bytes:
    return f'{body[:-1]},"sha256":"{hashlib.sha256(body.encode()).hexdigest()}"}}\n'.encode()


@pytest.mark.parametrize("written", [b"[" * 100_000 + b"\n", b"[]\n", sealed('{"n":1,"what":"ended"}')])
def test_whatever_stands_in_a_line_it_is_found_broken(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / AUDIT_FILE
    path.write_bytes(written)

    found = first_break(path, Head(lines=1, bytes=len(written)))

    assert found is not None
    assert found.line == 1
    with pytest.raises(PartedStore):
        check_not_ahead(path, Head())


@pytest.mark.parametrize("line", [1, 2, 6])
def test_a_line_taken_out_is_found(tmp_path: Path, line: int) -> None:
    path = a_log(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: line - 1] + lines[line:]))

    found = broken(tmp_path)

    assert found is not None
    assert found.line == line


def test_a_log_that_is_gone_is_found(tmp_path: Path) -> None:
    a_log(tmp_path).unlink()

    found = broken(tmp_path)

    assert found is not None
    assert found.line == 1
    assert "missing" in found.why


def test_another_sound_log_is_found(tmp_path: Path) -> None:
    ours, other = a_log(tmp_path / "a"), a_log(tmp_path / "b")
    ours.write_bytes(other.read_bytes())

    found = broken(tmp_path / "a")

    assert found is not None
    assert found.line == 6


def test_a_break_stays_to_be_seen_however_much_is_added(tmp_path: Path) -> None:
    path = a_log(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]))

    a_log(tmp_path)

    found = broken(tmp_path)
    assert found is not None
    assert found.line == 5


def test_what_a_kill_left_half_written_is_cut_off(tmp_path: Path) -> None:
    path = a_log(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:70])

    assert broken(tmp_path) is None
    assert path.read_bytes() == whole


@pytest.mark.parametrize("end", [None, -1, -70])
def test_what_a_kill_left_of_a_line_is_cut_off(tmp_path: Path, end: int | None) -> None:
    path = a_log(tmp_path)
    whole, earlier = path.read_bytes(), the_database(tmp_path)
    a_log(tmp_path, exams=1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:7])[:end])
    put_back(tmp_path, earlier)

    assert broken(tmp_path) is None
    assert path.read_bytes() == whole


@pytest.mark.parametrize("end", [None, -70])
def test_what_a_kill_left_of_a_sweep_is_cut_off(tmp_path: Path, end: int | None) -> None:
    path = a_log(tmp_path)
    whole, earlier = path.read_bytes(), the_database(tmp_path)
    store = Store(tmp_path)
    assert swept(store, NOW + HOUR, tombstone=HOUR) == 3
    store.close()
    path.write_bytes(path.read_bytes()[:end])
    put_back(tmp_path, earlier)

    assert broken(tmp_path) is None
    assert path.read_bytes() == whole


@pytest.mark.parametrize("torn", [0, 70])
@pytest.mark.parametrize("exams", [1, 5])
def test_beside_a_log_that_is_newer_nothing_is_cut_nor_deleted(tmp_path: Path, exams: int, torn: int) -> None:
    path = a_log(tmp_path)
    earlier = the_database(tmp_path)
    a_log(tmp_path, exams=exams)
    kept = tmp_path / "exams" / new_id()
    kept.mkdir()
    path.write_bytes(path.read_bytes()[: -torn or None])
    put_back(tmp_path, earlier)
    whole = path.read_bytes()

    with pytest.raises(PartedStore, match="older"):
        Store(tmp_path)
    assert path.read_bytes() == whole
    assert kept.is_dir()


def test_what_is_advised_then_leaves_a_log_that_is_whole(tmp_path: Path) -> None:
    a_log(tmp_path)
    earlier = the_database(tmp_path)
    a_log(tmp_path)
    put_back(tmp_path, earlier)
    with pytest.raises(PartedStore) as told:
        Store(tmp_path)
    assert "move all three aside" in str(told.value.advice)

    put_back(tmp_path, None)
    (tmp_path / AUDIT_FILE).unlink()
    shutil.rmtree(tmp_path / "exams", ignore_errors=True)
    a_log(tmp_path)

    assert broken(tmp_path) is None


def test_lines_that_do_not_follow_are_not_what_a_kill_left(tmp_path: Path) -> None:
    path = a_log(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], *lines]))
    whole = path.read_bytes()

    with pytest.raises(PartedStore):
        Store(tmp_path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("there", [AUDIT_FILE, "exams"])
@pytest.mark.parametrize("emptied", [True, False])
def test_without_a_database_nothing_is_cut_nor_deleted(tmp_path: Path, there: str, emptied: bool) -> None:
    path = a_log(tmp_path, exams=1)
    kept = tmp_path / "exams" / new_id()
    whole = path.read_bytes()
    put_back(tmp_path, b"" if emptied else None)
    if there == "exams":
        path.unlink()
        kept.mkdir()

    with pytest.raises(PartedStore, match="missing"):
        Store(tmp_path)
    assert kept.is_dir() if there == "exams" else path.read_bytes() == whole


def test_the_service_says_what_to_do_about_a_database_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = tmp_path / "data", tmp_path / "model"
    a_log(data)
    put_back(data, None)
    model.mkdir()

    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", "0", "--model-dir", str(model), "--data-dir", str(data)])

    assert ended.value.code == 1
    assert "move all three aside" in capsys.readouterr().err


def test_what_could_not_be_logged_was_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    store = Store(tmp_path)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageFull):
        store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR)

    assert store.unfinished() == []
    monkeypatch.undo()
    kept = store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR)
    assert [exam.id for exam in store.unfinished()] == [kept.id]
    assert store.check_audit() is None
    store.close()


def test_the_command_names_the_first_broken_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = a_log(tmp_path)
    with pytest.raises(SystemExit) as sound:
        main(["verify-audit", "--data-dir", str(tmp_path)])
    said = capsys.readouterr().out
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(SystemExit) as cut:
        main(["verify-audit", "--data-dir", str(tmp_path)])

    assert (sound.value.code, cut.value.code) == (0, 1)
    assert "6 lines" in said
    assert "line 6" in capsys.readouterr().out


def test_the_command_works_beside_a_running_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_log(tmp_path)
    store = Store(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["verify-audit", "--data-dir", str(tmp_path)])
    store.close()

    assert ended.value.code == 0
    assert "6 lines" in capsys.readouterr().out


def test_a_folder_that_cannot_be_looked_into_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert verified(Path("x" * 300)) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_without_a_store_there_is_nothing_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify-audit", "--data-dir", str(tmp_path / "none")])

    assert ended.value.code == 2
    assert "none" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def verified(data_dir: Path) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["verify-audit", "--data-dir", str(data_dir)])
    return int(ended.value.code or 0)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while the command waits, once each; after that nothing does."""
    happenings = list[Callable[[], None]]()
    monkeypatch.setattr(time, "sleep", lambda _: happenings.pop(0)() if happenings else None)
    return happenings


def test_lines_that_are_added_meanwhile_are_no_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = a_log(tmp_path), list[Path]()
    store, open_a_file, connect = Store(tmp_path), Path.open, sqlite3.connect

    def send() -> None:
        store.accept(new_id(), Sent(1, 0.0), now=NOW, keep=HOUR)

    def opened(file: Path, *how: Any, **options: Any) -> Any:
        if file == path:
            read.append(file)
            send()
        return open_a_file(file, *how, **options)

    def connected(*where: Any, **options: Any) -> Any:
        send()
        return connect(*where, **options)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(sqlite3, "connect", connected)

    assert verified(tmp_path) == 0
    assert len(read) == 1
    store.close()


def test_a_line_that_is_counted_a_moment_later_is_no_break(tmp_path: Path, naps: list[Callable[[], None]]) -> None:
    a_log(tmp_path)
    earlier = the_database(tmp_path)
    a_log(tmp_path, exams=1)
    now = the_database(tmp_path)
    put_back(tmp_path, earlier)
    naps.append(lambda: put_back(tmp_path, now))

    assert verified(tmp_path) == 0


def test_a_line_that_is_never_counted_is_told(
    tmp_path: Path, naps: list[Callable[[], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    a_log(tmp_path)
    earlier = the_database(tmp_path)
    a_log(tmp_path, exams=1)
    put_back(tmp_path, earlier)

    assert verified(tmp_path) == 1
    assert "line 7: it is not counted" in capsys.readouterr().out


def test_verifying_leaves_no_file_behind(tmp_path: Path) -> None:
    a_log(tmp_path)
    before = sorted(tmp_path.iterdir())

    assert verified(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == before


def test_only_what_nobody_has_open_is_read_as_if_it_never_changed(tmp_path: Path) -> None:
    a_log(tmp_path)
    closed = uri_to_read(tmp_path / FILE)
    store = Store(tmp_path)
    swept(store, NOW, tombstone=HOUR)
    emptied = uri_to_read(tmp_path / FILE)
    store.close()

    assert ("immutable" in closed, "immutable" in emptied) == (True, False)
