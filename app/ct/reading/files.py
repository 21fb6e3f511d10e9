"""One file of an upload."""

import mmap
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from app.ct.errors import Unreadable, UnsupportedEncoding
from app.ct.words import Sentence, counted, in_a_row, sentence
from app.ct.workers import ON_THE_SPOT, Broken, Workers, taken
from app.ct.workers.lending import Lent
from app.ct.workers.plain import carried

Part = TypeVar("Part", bound="NumberedFile")
Result = TypeVar("Result")


@carried
@dataclass(frozen=True)
class NamedFile:
    """A file of an upload: its name as sent (used for ordering only, then dropped) and its bytes, here or on disk."""

    name: str
    content: bytes | Path | Lent

    def read(self) -> bytes:
        """All bytes of the file."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    def open(self) -> BinaryIO:
        """The bytes as a file to read from; the caller closes it."""
        return BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    @contextmanager
    def view(self) -> Iterator[bytes | mmap.mmap]:
        """The bytes to search in; those of a file on disk do not all come into memory at once. The file is not empty."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


@dataclass(frozen=True)
class NumberedFile:
    """A file and its 1-based number in the upload, in the order sent."""

    number: int
    file: NamedFile


@carried
class Damaged(Exception):
    """One file cannot be read. Its reason ends the sentence "File 3 of 9: ..." and says nothing of the file's content."""

    def __init__(self, reason: Sentence) -> None:
        self.reason = reason
        super().__init__(reason)


@carried
class Unsupported(Damaged):
    """One file is sound, as far as is known, and coded in a way that is not read here."""


_BROKEN = sentence("damaged, or reading it takes more time or memory than is allowed")

NOWHERE = NamedFile("", b"")
"""In answers of workers: which file it is, the service knows."""

Damages = dict[int, Damaged]
"""What is wrong with files that cannot be read, by their numbers."""


def attempt(
    parts: Sequence[Part], read: Callable[[Part], Result], *, workers: Workers = ON_THE_SPOT, at_once: int = 1
) -> tuple[list[Result], Damages]:
    """``read`` every part, whether or not others can be read; the results of those that can, in order.

    Raises:
        Exception: what ``read`` raised of a part other than ``Damaged``; of several, that of the first one.
    """
    results: list[Result] = []
    damages: Damages = {}
    for part, found in attempted(parts, read, workers=workers, at_once=at_once):
        if isinstance(found, Damaged):
            damages[part.number] = found
        else:
            results.append(found)
    return results, damages


def attempted(
    parts: Sequence[Part], read: Callable[[Part], Result], *, workers: Workers, at_once: int = 1
) -> Iterator[tuple[Part, Result | Damaged]]:
    """Every part in turn, with what was read or what is wrong with it; see ``attempt``, and ``Workers.map`` for the rest."""
    for part, found in zip(parts, workers.map(read, parts, at_once=at_once), strict=True):
        if isinstance(found, Broken):
            yield part, Damaged(_BROKEN)
        else:
            yield part, found if isinstance(found, Damaged) else taken(found)


def refuse(damages: Damages, *, total: int) -> None:
    """Refuse the exam if any file cannot be read.

    Raises:
        Unreadable: names every such file by its number, and keeps the first one's cause.
        UnsupportedEncoding: the same, where none of them is damaged.
    """
    if not damages:
        return
    by_reason: dict[Sentence, list[int]] = {}
    for number, error in sorted(damages.items()):
        by_reason.setdefault(error.reason, []).append(number)
    sentences = [
        sentence("{files}: {reason}.", files=named(numbers, total), reason=reason)
        for reason, numbers in by_reason.items()
    ]
    sound = all(isinstance(error, Unsupported) for error in damages.values())
    raise (UnsupportedEncoding if sound else Unreadable)(in_a_row(sentences)) from damages[min(damages)]


def named(numbers: Sequence[int], total: int) -> Sentence:
    """How messages name files: "File 17 of 133 (in the order sent)", "Files 3, 5-9 of 133 (in the order sent)"."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    listed = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return counted(
        "File {numbers} of {total} (in the order sent)",
        "Files {numbers} of {total} (in the order sent)",
        count=len(set(numbers)),
        numbers=listed,
        total=total,
    )


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts names as people do: slice2 before slice10, folders before their content's order."""
    return tuple(_natural_part(part) for part in re.split(r"(\d+)", name.replace("\\", "/").casefold()))


def _natural_part(part: str) -> tuple[int, int, str]:
    """Numbers by value, without ``int()``: a name may hold more digits than it converts."""
    if not part.isdecimal():
        return (1, 0, part)
    digits = part.lstrip("0")
    return (0, len(digits), digits)
