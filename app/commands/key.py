"""The service's keys: made, listed and revoked on its data folder, also while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.commands import Misuse
from app.database import DatabaseToRead
from app.keys import Key, keys_in, known_keys_in

MOST_LETTERS = 64


@contextmanager
def _told(data_dir: Path) -> Iterator[None]:
    """Tell of a folder that cannot be used.

    Raises:
        Misuse: there are no keys in it, or it cannot hold any.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise Misuse(f"{data_dir} holds no keys; set --data-dir.") from error
    except OSError as error:
        raise Misuse(f"{data_dir} cannot hold keys ({error.strerror}); set --data-dir.") from error


def add(data_dir: Path, name: str) -> tuple[Key, str]:
    """A new key and its secret.

    Raises:
        Misuse: the name is empty, too long, or cannot be shown on one line; or the folder cannot hold keys.
    """
    if not name.strip() or len(name) > MOST_LETTERS or not name.isprintable():
        raise Misuse(f"A key's name is one line of up to {MOST_LETTERS} characters.")
    with _told(data_dir), keys_in(data_dir) as keys:
        return keys.add(name.strip(), now=datetime.now(UTC))


def revoke(data_dir: Path, key_id: int) -> None:
    """End a key, and every session begun with it.

    Raises:
        Misuse: there is no such key in use, or no store at all.
    """
    with _told(data_dir), known_keys_in(data_dir) as keys:
        if not keys.revoke(key_id, now=datetime.now(UTC)):
            raise Misuse(f"There is no key {key_id} in use; `covidct key list` shows those there are.")


def lines(data_dir: Path) -> list[str]:
    """A line for every key: id, name, since when, and whether it was revoked; tabs between.

    Raises:
        Misuse: there is no store.
    """
    with _told(data_dir), known_keys_in(data_dir, DatabaseToRead) as keys:
        return ["\t".join((str(key.id), key.name, _day(key.created_at), _state(key))) for key in keys.every()]


def _state(key: Key) -> str:
    return "in use" if key.revoked_at is None else f"revoked {_day(key.revoked_at)}"


def _day(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%MZ")
