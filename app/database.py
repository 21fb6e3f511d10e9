"""The SQLite file under the data folder: its schema, brought up to date, and sessions on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from app.ct.errors import StorageFull

FILE = "exams.sqlite"
MIGRATIONS = Path(__file__).parent / "migrations"


class Base(DeclarativeBase):
    """What every table is declared on."""


class Database:
    """One SQLite file. Every method may be called from any thread; none may be called on the event loop."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and bring its schema up to date."""
        self._engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        sa.event.listen(self._engine, "connect", _set_pragmas)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        _migrate(self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction.

        Raises:
            StorageFull: there is no room to write.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise StorageFull from error
            raise


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    # WAL lets readers go on while a row is written; secure_delete overwrites what is erased.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _migrate(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
