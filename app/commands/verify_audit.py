"""Whether the audit log is as it was written; reads only, also beside a running service."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import typer

from app.audit import Break, Head, first_break
from app.commands import Misuse
from app.data_folder import AUDIT_FILE
from app.database import FILE, uri_to_read

_TRIES, _WAIT_S = 5, 0.2
"""A line is written before it is counted: what is not counted just now may only be on its way."""


def verify(data_dir: Path) -> str:
    """What to say of a whole log.

    Raises:
        Misuse: there is no store, or it cannot be read.
        typer.Exit: the log is broken; the line was named.
    """
    database = data_dir / FILE
    try:
        if not database.is_file():
            raise Misuse(f"{data_dir} holds no exams; set --data-dir.")
        head, found = _looked(database, data_dir / AUDIT_FILE)
    except (sqlite3.Error, OSError) as error:
        raise Misuse(f"{database} cannot be read ({type(error).__name__}).") from error
    if found is not None:
        typer.echo(f"{data_dir / AUDIT_FILE} is broken at line {found.line}: {found.why}.")
        raise typer.Exit(1)
    return f"{data_dir / AUDIT_FILE} is whole: {head.lines} lines, the last one {head.sha256}"


def _looked(database: Path, log: Path) -> tuple[Head, Break | None]:
    # The size first: what is added after it was taken need not be counted yet.
    size, head = _size(log), _head(database)
    for _ in range(_TRIES):
        if size <= head.bytes:
            break
        time.sleep(_WAIT_S)
        size, head = min(size, _size(log)), _head(database)
    found = first_break(log, head)
    if found is None and size > head.bytes:
        found = Break(head.lines + 1, "it is not counted in the database")
    return head, found


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _head(database: Path) -> Head:
    with closing(sqlite3.connect(uri_to_read(database), uri=True)) as opened:
        return Head(*opened.execute("SELECT lines, bytes, sha256 FROM audit").fetchone())
