"""Keys that open the service, and the browsers that are signed in by one.

Key and session are 256 random bits, and only their SHA-256 is kept. A slow hash with salt protects passwords, which people choose
and others guess; nobody guesses 256 random bits, however fast the hash, and a fast one lets every request be checked.
"""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.ct.errors import OldSchema
from app.data_folder import held
from app.database import FILE, Base, Database, KnownDatabase, OldDatabaseToRead, has_database

_BYTES = 32
_PREFIX = "covidct_"
"""What a key begins with, so that programs which look for secrets in files find it."""


class _Row(Base):
    __tablename__ = "keys"
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    hash: Mapped[str]
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]


class _SessionRow(Base):
    __tablename__ = "sessions"
    hash: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[int] = mapped_column(sa.ForeignKey("keys.number"))
    ends_at: Mapped[float]


@dataclass(frozen=True)
class Key:
    """A key without its secret.

    Attributes:
        id: what exams and reviews of the key are marked with; never given twice.
        name: what the operator called it.
        revoked_at: None while it opens the service.
    """

    id: int
    name: str
    created_at: datetime
    revoked_at: datetime | None


class Keys:
    """The keys of one database. Every method may be called from any thread; none may be called on the event loop."""

    def __init__(self, database: Database) -> None:
        """Of ``database``, whose schema is up to date."""
        self._session = database.session
        self._are_there = False

    def are_there(self) -> bool:
        """Whether a key was ever made: from then on nothing is open, also when all are revoked."""
        if not self._are_there:
            with self._session() as session:
                self._are_there = session.scalar(sa.select(sa.exists().select_from(_Row))) or False
        return self._are_there

    def add(self, name: str, *, now: datetime) -> tuple[Key, str]:
        """A new key, and its secret, which is kept nowhere."""
        secret = _PREFIX + secrets.token_urlsafe(_BYTES)
        row = _Row(name=name, hash=_hash(secret), created_at=now.timestamp())
        with self._session() as session:
            session.add(row)
        return _key(row), secret

    def every(self) -> list[Key]:
        """All keys, oldest first, also those revoked."""
        with self._session() as session:
            return [_key(row) for row in session.scalars(sa.select(_Row).order_by(_Row.number))]

    def revoke(self, key_id: int, *, now: datetime) -> bool:
        """Let a key open nothing any more, nor a browser signed in by it; False where there is no such key in use."""
        mine = sa.update(_Row).where(_Row.number == key_id, _Row.revoked_at.is_(None)).returning(_Row.number)
        with self._session() as session:
            session.execute(sa.delete(_SessionRow).where(_SessionRow.key == key_id))
            return session.scalar(mine.values(revoked_at=now.timestamp())) is not None

    def of_secret(self, secret: str) -> Key | None:
        """The key in use that has the secret."""
        return self._first(sa.select(_Row).where(_Row.hash == _hash(secret)))

    def sign_in(self, key: Key, *, now: datetime, keep: timedelta) -> str:
        """The token of a new session; ended ones are forgotten."""
        token = secrets.token_urlsafe(_BYTES)
        row = _SessionRow(hash=_hash(token), key=key.id, ends_at=(now + keep).timestamp())
        with self._session() as session:
            session.execute(sa.delete(_SessionRow).where(_SessionRow.ends_at <= now.timestamp()))
            session.add(row)
        return token

    def of_session(self, token: str, *, now: datetime) -> Key | None:
        """The key in use that a session was begun with, unless it has ended."""
        session = sa.and_(_SessionRow.hash == _hash(token), _SessionRow.ends_at > now.timestamp())
        return self._first(sa.select(_Row).join(_SessionRow, _SessionRow.key == _Row.number).where(session))

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self._session() as session:
            session.execute(sa.delete(_SessionRow).where(_SessionRow.hash == _hash(token)))

    def _first(self, found: sa.Select[_Row]) -> Key | None:
        with self._session() as session:
            row = session.scalars(found.where(_Row.revoked_at.is_(None))).first()
        return None if row is None else _key(row)


@contextmanager
def keys_in(data_dir: Path) -> Iterator[Keys]:
    """The keys of a data folder, also while a service runs on it; folder and database are made where there are none.

    Raises:
        BrokenStore: the database cannot be used.
        StoreInUse: it is to be made or brought up to date, and a service has the folder.
        OSError: the folder cannot be made or written.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(_database_in(data_dir)) as database:
        yield Keys(database)


def _database_in(data_dir: Path) -> Database:
    path = data_dir / FILE
    if has_database(path):
        with suppress(OldSchema):
            return KnownDatabase(path)
    with held(data_dir):  # A service of another version must not find its tables changed.
        return Database(path)


@contextmanager
def known_keys_in(data_dir: Path, kind: type[KnownDatabase] = KnownDatabase) -> Iterator[Keys]:
    """The keys of a data folder that has a database of this version, as ``kind`` opens it; nothing is made.

    Raises:
        BrokenStore: the database cannot be used.
        OldSchema: it is older.
        FileNotFoundError: there is none.
    """
    path = data_dir / FILE
    if not has_database(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with closing(kind(path)) as database:
        yield Keys(database)


def keys_are_there(data_dir: Path) -> bool:
    """Whether a key was ever made in a data folder, also by an older version; nothing is written."""
    path = data_dir / FILE
    if not has_database(path):
        return False
    with closing(OldDatabaseToRead(path)) as database:
        return database.has(_Row.__tablename__) and Keys(database).are_there()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: _Row) -> Key:
    revoked_at = None if row.revoked_at is None else datetime.fromtimestamp(row.revoked_at, UTC)
    return Key(row.number, row.name, datetime.fromtimestamp(row.created_at, UTC), revoked_at)
