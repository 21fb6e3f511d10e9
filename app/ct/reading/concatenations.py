"""Multi-frame exams that were cut into several files (concatenations, DICOM PS3.3 C.7.6.16.2.2.4)."""

from collections.abc import Sequence

from app.ct.errors import Unreadable
from app.ct.reading.headers import Header
from app.ct.words import Sentence, sentence

_UNTOLD = sentence(
    "The multi-frame files do not say how many of them belong together: if the last ones are missing, that cannot be noticed."
)


def check_concatenations(chosen: Sequence[Header], headers: Sequence[Header]) -> tuple[Sentence, ...]:
    """What is doubtful about the files a series was cut into, in whole sentences.

    Args:
        chosen: slices of the series.
        headers: of every DICOM file of the upload; a file without any slice is a part too.

    Raises:
        Unreadable: not all parts of a file came along.
    """
    files = {h.number: h for h in headers if h.grouped}
    parts: dict[str, list[Header]] = {h.concatenation: [] for h in chosen if h.grouped and h.concatenation}
    for file in files.values():
        if file.concatenation in parts:
            parts[file.concatenation].append(file)
    missing = sum(map(_missing, parts.values()))
    if missing:
        raise Unreadable(
            sentence(
                "The series was cut into several multi-frame files (a concatenation), and {missing} of them did not come"
                " along: send all of them.",
                missing=missing,
            )
        )
    return (_UNTOLD,) if any(all(h.parts is None for h in files) for files in parts.values()) else ()


def _missing(files: Sequence[Header]) -> int:
    """How many parts of one concatenation are not there; one that does not say which it is may be any."""
    told = {h.part for h in files if h.part is not None and h.part > 0}
    last = max([*told, *(h.parts for h in files if h.parts is not None)], default=0)
    return max(0, last - len(told) - sum(h.part is None for h in files))
