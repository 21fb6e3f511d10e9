"""Keys and sessions: made once, kept as hashes, ended at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from app.cli import main
from app.ct.errors import BrokenStore
from app.data_folder import held
from app.database import FILE, MIGRATIONS
from app.keys import Keys, keys_are_there, keys_in
from app.store import Store

NOW = datetime(2026, 11, 29, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    with keys_in(tmp_path) as opened:
        yield opened


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob(f"{FILE}*"))


def test_a_key_is_known_by_its_secret_alone(keys: Keys) -> None:
    key, secret = keys.add("ward", now=NOW)

    assert keys.of_secret(secret) == key
    assert keys.of_secret(secret[:-1]) is None
    assert keys.of_secret("") is None


def test_neither_secrets_nor_tokens_are_written(tmp_path: Path, keys: Keys) -> None:
    key, secret = keys.add("ward", now=NOW)
    token = keys.sign_in(key, now=NOW, keep=HOUR)

    assert b"ward" in written(tmp_path)
    assert secret.encode() not in written(tmp_path)
    assert token.encode() not in written(tmp_path)


def test_a_revoked_key_opens_nothing_nor_do_its_sessions(keys: Keys) -> None:
    key, secret = keys.add("ward", now=NOW)
    other, others = keys.add("clinic", now=NOW)
    token, theirs = keys.sign_in(key, now=NOW, keep=HOUR), keys.sign_in(other, now=NOW, keep=HOUR)

    assert keys.revoke(key.id, now=NOW)
    assert not keys.revoke(key.id, now=NOW)
    assert (keys.of_secret(secret), keys.of_session(token, now=NOW)) == (None, None)
    assert (keys.of_secret(others), keys.of_session(theirs, now=NOW)) == (other, other)


def test_a_session_ends_by_itself_and_when_it_is_told_to(keys: Keys) -> None:
    key, _ = keys.add("ward", now=NOW)
    token, other = keys.sign_in(key, now=NOW, keep=HOUR), keys.sign_in(key, now=NOW, keep=HOUR)

    assert keys.of_session(token, now=NOW + HOUR / 2) == key
    assert keys.of_session(token, now=NOW + HOUR) is None
    keys.sign_out(token)
    assert keys.of_session(token, now=NOW) is None
    assert keys.of_session(other, now=NOW) == key


def test_what_was_closed_by_a_key_stays_closed_when_all_are_revoked(tmp_path: Path) -> None:
    assert not keys_are_there(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with keys_in(tmp_path) as keys:
        assert not keys.are_there()
        key, _ = keys.add("ward", now=NOW)
        keys.revoke(key.id, now=NOW)

    assert keys_are_there(tmp_path)


def test_a_key_made_elsewhere_is_seen_at_once(tmp_path: Path, keys: Keys) -> None:
    assert not keys.are_there()
    with keys_in(tmp_path) as elsewhere:
        key, secret = elsewhere.add("ward", now=NOW)

        assert keys.are_there()
        assert keys.of_secret(secret) == key
        elsewhere.revoke(key.id, now=NOW)
    assert keys.of_secret(secret) is None


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_command_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, secret, told = run(capsys, "key", "add", "ward", "--data-dir", tmp_path)
    assert code == 0
    assert len(secret.strip()) > 43
    assert "shown this once" in told
    assert str(tmp_path.resolve()) in told

    code, listed, _ = run(capsys, "key", "list", "--data-dir", tmp_path)
    assert (code, listed.split("\t")[:2]) == (0, ["1", "ward"])
    assert secret.strip() not in listed

    assert run(capsys, "key", "revoke", 1, "--data-dir", tmp_path)[0] == 0
    assert "revoked" in run(capsys, "key", "list", "--data-dir", tmp_path)[1]
    with keys_in(tmp_path) as keys:
        assert keys.of_secret(secret.strip()) is None


@pytest.mark.parametrize("wrong", [("add", " "), ("add", "a\tb"), ("add", "n" * 65), ("revoke", 7)])
def test_a_wrong_call_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, object]) -> None:
    code, out, err = run(capsys, "key", *wrong, "--data-dir", tmp_path)

    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_place_that_cannot_hold_keys_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()

    code, _, err = run(capsys, "key", "list", "--data-dir", tmp_path / "file")

    assert code == 2
    assert "set --data-dir" in err


@pytest.mark.parametrize("asked", [("list",), ("revoke", 3)])
def test_where_no_keys_are_none_are_listed_or_revoked_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: tuple[object, ...]
) -> None:
    code, out, err = run(capsys, "key", *asked, "--data-dir", tmp_path / "typo")

    assert (code, out) == (2, "")
    assert "holds no keys; set --data-dir" in err
    assert list(tmp_path.iterdir()) == []


def test_listing_keys_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "key", "add", "ward", "--data-dir", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    assert run(capsys, "key", "list", "--data-dir", tmp_path)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def migrated(data_dir: Path, version: str) -> None:
    """Make a database as an older version of the service had it."""
    engine, config = sa.create_engine(f"sqlite:///{data_dir / FILE}"), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()


def version_of(data_dir: Path) -> str:
    with closing(sqlite3.connect(data_dir / FILE)) as opened:
        return str(opened.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@pytest.mark.parametrize("asked", [("list",), ("revoke", 3)])
def test_who_looks_for_keys_brings_no_schema_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: tuple[object, ...]
) -> None:
    migrated(tmp_path, "0004")

    code, _, err = run(capsys, "key", *asked, "--data-dir", tmp_path)

    assert (code, version_of(tmp_path)) == (1, "0004")
    assert "Start the service once" in err


def test_a_schema_is_brought_up_to_date_for_a_key_where_no_service_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrated(tmp_path, "0004")

    with held(tmp_path):
        code, out, err = run(capsys, "key", "add", "ward", "--data-dir", tmp_path)
        beside = version_of(tmp_path)
    alone, _, _ = run(capsys, "key", "add", "ward", "--data-dir", tmp_path)

    assert (code, out, beside) == (1, "", "0004")
    assert "in use" in err
    assert (alone, version_of(tmp_path)) == (0, "0005")


def test_a_key_is_made_beside_a_running_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)

    assert run(capsys, "key", "add", "ward", "--data-dir", tmp_path)[0] == 0
    assert [key.name for key in store.keys.every()] == ["ward"]
    store.close()


def test_no_key_is_made_beside_exams_whose_database_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "exams" / "0").mkdir(parents=True)

    code, out, err = run(capsys, "key", "add", "ward", "--data-dir", tmp_path)

    assert (code, out) == (1, "")
    assert "exams.sqlite is missing" in err
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(("version", "are_there"), [("0003", False), ("0004", True)])
def test_keys_of_an_older_version_close_the_service_and_stay_as_they_are(
    tmp_path: Path, version: str, are_there: bool
) -> None:
    migrated(tmp_path, version)
    if are_there:
        with closing(sqlite3.connect(tmp_path / FILE)) as opened, opened:
            opened.execute("INSERT INTO keys VALUES (1, 'ward', '00', 0.0, NULL)")

    assert keys_are_there(tmp_path) is are_there
    assert version_of(tmp_path) == version


def test_a_damaged_database_tells_of_no_keys(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)

    with pytest.raises(BrokenStore, match="damaged"):
        keys_are_there(tmp_path)
