"""What the doctor says of a data folder, which it leaves as it is."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

from app.commands.doctor import Check, check_machine
from app.data_folder import AUDIT_FILE, EXAMS
from app.database import FILE
from app.settings import Settings
from app.store import Store


def the_store_as_the_doctor_sees_it(data_dir: Path) -> Check:
    checks = {check.name: check for check in check_machine(Settings(model_dir=data_dir, data_dir=data_dir))}
    return checks["store"]


def test_the_doctor_makes_nothing(tmp_path: Path) -> None:
    absent, empty = tmp_path / "absent", tmp_path / "empty"
    empty.mkdir()

    checks = [the_store_as_the_doctor_sees_it(folder) for folder in (absent, empty)]

    assert [check.is_ok for check in checks] == [True, True]
    assert "will be made" in checks[0].says
    assert list(tmp_path.rglob("*")) == [empty]


def test_the_doctor_leaves_a_store_as_it_was(tmp_path: Path) -> None:
    Store(tmp_path).close()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    assert the_store_as_the_doctor_sees_it(tmp_path) == Check("store", True, str(tmp_path.resolve()))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_the_doctor_sees_a_running_service(tmp_path: Path) -> None:
    store = Store(tmp_path)

    check = the_store_as_the_doctor_sees_it(tmp_path)

    assert check.is_ok
    assert "in use" in check.says
    store.close()


def test_the_doctor_brings_no_schema_up_to_date(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as opened, opened:
        opened.execute("UPDATE alembic_version SET version_num = '0004'")

    check = the_store_as_the_doctor_sees_it(tmp_path)

    assert check.is_ok
    assert "of an older version; the service brings it up to date" in check.says
    with closing(sqlite3.connect(tmp_path / FILE)) as opened:
        assert opened.execute("SELECT version_num FROM alembic_version").fetchone() == ("0004",)


def damage(data_dir: Path) -> None:
    (data_dir / FILE).write_bytes(b"no database at all" * 100)


def lose(data_dir: Path) -> None:
    (data_dir / FILE).unlink()
    (data_dir / EXAMS / "0").mkdir()


def run_ahead(data_dir: Path) -> None:
    (data_dir / AUDIT_FILE).write_text("one line\nand another\n")


@pytest.mark.parametrize(
    ("fault", "told"), [(damage, "is damaged"), (lose, "is missing beside"), (run_ahead, "is older than audit.jsonl")]
)
def test_the_doctor_says_why_a_service_would_not_start(
    tmp_path: Path, fault: Callable[[Path], None], told: str
) -> None:
    Store(tmp_path).close()
    fault(tmp_path)

    check = the_store_as_the_doctor_sees_it(tmp_path)

    assert not check.is_ok
    assert told in check.says


def test_the_doctor_sees_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).close()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path.resolve() / EXAMS)

    check = the_store_as_the_doctor_sees_it(tmp_path)

    assert not check.is_ok
    assert "exams cannot be written; set --data-dir" in check.says


@pytest.mark.parametrize("made", [True, False])
def test_the_doctor_sees_a_disk_with_next_to_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    folder = tmp_path / "data"
    if made:
        Store(folder).close()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**30 - 2**20, 2**20))

    check = the_store_as_the_doctor_sees_it(folder)

    assert not check.is_ok
    assert "has 1.0 MB left on its disk; free 16 MB at least" in check.says


def test_the_doctor_misses_the_decoder_that_reads_here_whatever_else_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = get_decoder(uid.JPEG2000Lossless)
    monkeypatch.delitem(decoder._available, "pylibjpeg")

    checks = {check.name: check for check in check_machine(Settings(model_dir=tmp_path, data_dir=tmp_path))}

    assert decoder.is_available
    assert not checks["decoder JPEG 2000"].is_ok
    assert checks["decoder HTJ2K"].is_ok
