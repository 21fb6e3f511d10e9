"""Lines on stdout and stderr, which may take nothing: full, closed, or their reader gone."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper

import typer

from app.commands import Misuse


def show(text: str) -> None:
    """A line on stdout.

    Raises:
        Misuse: stdout takes nothing.
        BrokenPipeError: its reader has left, who is told nothing more.
    """
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Misuse(f"stdout cannot be written ({error.strerror}).") from error


def tell(text: str) -> None:
    """A line on stderr; one that takes nothing stops nothing."""
    with suppress(OSError, ValueError):
        typer.echo(text, err=True)


def drop_what_was_not_taken() -> None:
    """It is told by then; the interpreter would try once more at its end, and end with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            try:
                stream.flush()
            except OSError:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
