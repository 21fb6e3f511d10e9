"""The SQLite file under the data folder: its schema, brought up to date, and sessions on it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from app.ct.errors import (
    NO_ROOM,
    BrokenStore,
    FullDisk,
    LockedStore,
    NewerSchema,
    OldSchema,
    PartedStore,
    StorageFull,
    StorageUnavailable,
    UnwritableStore,
)
from app.ct.words import sentence
from app.data_folder import holds_exams, keep_private
from app.storage import LEAST_FREE_MB, database_room, free_mb, sqlite_code

FILE = "exams.sqlite"
MIGRATIONS = Path(__file__).parent / "migrations"


class Base(DeclarativeBase):
    """What every table is declared on."""


class Database:
    """One SQLite file. Every method may be called from any thread; none may be called on the event loop."""

    def __init__(self, path: Path, *, busy_s: float = 30.0) -> None:
        """Open or create the file, check it, and bring its schema up to date.

        Args:
            path: of the file.
            busy_s: how long another program's lock on it is waited for.

        Raises:
            BrokenStore: it is damaged, or, as a kind of that, locked, of a newer version, or not to be written.
            PartedStore: it is not there, while exams of it are.
        """
        self._folder = path.parent
        self._engine = self._engine_of(path, busy_s)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        try:
            self._open()
        except BrokenStore:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction.

        Raises:
            StorageFull: there is no room to write.
            StorageUnavailable: the file cannot be read or written now.
        """
        with database_room(), self._sessions.begin() as session:
            yield session

    def forget(self) -> None:
        """Empty the write-ahead log, which holds what was erased until then.

        Where somebody reads just now, or the disk refuses, next time: what was erased stays so.
        """
        with suppress(StorageFull, StorageUnavailable), database_room(), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _engine_of(self, path: Path, busy_s: float) -> sa.Engine:
        check_not_parted(path)
        _make_private(path)
        return _engine_to_write(path, busy_s)

    def _open(self) -> None:
        try:
            with self._engine.connect() as connection:
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if found != "ok":
                raise BrokenStore(sentence("exams.sqlite is damaged."))
            self._see_to_schema()
        except CommandError as error:
            raise NewerSchema(sentence("exams.sqlite was written by another version of the service.")) from error
        except sa.exc.DatabaseError as error:
            raise _why(error, self._folder) from error

    def _see_to_schema(self) -> None:
        _migrate(self._engine)


class KnownDatabase(Database):
    """One that is there, in the schema of this version: nothing is made, nor brought up to date.

    Opening it raises OldSchema where its schema is older.
    """

    def _engine_of(self, path: Path, busy_s: float) -> sa.Engine:
        return _engine_to_write(path, busy_s)

    def _see_to_schema(self) -> None:
        _check_schema(self._engine)


class DatabaseToRead(KnownDatabase):
    """The same, only read, as by ``uri_to_read``."""

    def _engine_of(self, path: Path, busy_s: float) -> sa.Engine:
        return _engine_to_read(path, busy_s)


class OldDatabaseToRead(DatabaseToRead):
    """The same of any version, which has the tables it has."""

    def has(self, table: str) -> bool:
        """Whether there is a table of that name."""
        return sa.inspect(self._engine).has_table(table)

    def _see_to_schema(self) -> None:
        """It is as it is."""


def check_not_parted(path: Path) -> None:
    """See that no exams lie beside a database that is not there.

    Raises:
        PartedStore: some do.
    """
    if not has_database(path) and holds_exams(path.parent):
        raise PartedStore(sentence("exams.sqlite is missing beside audit.jsonl or exams/."))


def has_database(path: Path) -> bool:
    """Whether there is a database at ``path``: of an empty file SQLite makes a new one."""
    return path.is_file() and path.stat().st_size > 0


def uri_to_read(path: Path) -> str:
    """The address under which SQLite only reads a database.

    One that nobody has open is told to be immutable: SQLite would make files beside it, which a folder that may only be read
    does not take. Where a service has it open, those files are there; after a kill, SQLite may make the second.
    """
    log, index = _beside(path)
    is_open = log.exists() and (log.stat().st_size > 0 or index.exists())
    return f"{path.resolve().as_uri()}?mode=ro{'' if is_open else '&immutable=1'}"


def _beside(path: Path) -> tuple[Path, Path]:
    """SQLite's write-ahead log and the index of it; they are there while the database is open, or after a kill."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _make_private(path: Path) -> None:
    """Have the file, and what is beside it, belong to its owner alone; SQLite makes what it adds like the file itself."""
    try:
        # Never opened where it is there: closing it would also end the locks that this process has on it by SQLite.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        for kept in (path, *_beside(path)):
            keep_private(kept)
    except OSError as error:
        raise _unwritable(is_full=error.errno in NO_ROOM) from error


def _engine_to_write(path: Path, busy_s: float) -> sa.Engine:
    # As many connections as there are threads, of which a few are kept: writers that wait for a lock keep no reader waiting.
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_s}, max_overflow=-1
    )
    sa.event.listen(engine, "connect", _set_pragmas)
    return engine


def _engine_to_read(path: Path, busy_s: float) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri_to_read(path), timeout=busy_s, uri=True)

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    # WAL lets readers go on while a row is written; FULL has every commit on the disk before it is acknowledged, also if
    # the power fails; secure_delete overwrites what is erased.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _why(error: sa.exc.DatabaseError, folder: Path) -> BrokenStore:
    match sqlite_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LockedStore(sentence("exams.sqlite is locked by another program."))
        case sqlite3.SQLITE_FULL:
            return _unwritable(is_full=True)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_IOERR:
            # What SQLite says of a full disk too, where it cannot make the files beside the database.
            return _unwritable(is_full=free_mb(folder) < LEAST_FREE_MB)
        case sqlite3.SQLITE_ERROR:
            return BrokenStore(sentence("exams.sqlite does not hold the tables of the version that it names."))
        case _:
            return BrokenStore(sentence("exams.sqlite is damaged."))


def _unwritable(*, is_full: bool) -> BrokenStore:
    if is_full:
        return FullDisk(sentence("exams.sqlite cannot be written: its disk is full."))
    return UnwritableStore(sentence("exams.sqlite cannot be written."))


def _migrate(engine: sa.Engine) -> None:
    config = _migrations()
    with engine.begin() as connection:
        # Python's sqlite3 begins a transaction before rows are changed, not before tables are: a kill would leave half of them.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _check_schema(engine: sa.Engine) -> None:
    """See that the schema is this version's.

    Raises:
        OldSchema: it is older.
        CommandError: it is none that this version knows.
    """
    versions = ScriptDirectory.from_config(_migrations())
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != versions.get_current_head():
        versions.get_revision(found or "base")
        raise OldSchema(sentence("exams.sqlite is of an older version of the service."))


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
