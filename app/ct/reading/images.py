"""JPEG and PNG pictures in the lung window -> Exam."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from app.ct.errors import TooLarge, UnevenExam
from app.ct.exam import Exam, InputKind, Order, Slice
from app.ct.reading.copies import copies_left_out, without_same_files
from app.ct.reading.files import NOWHERE, Damaged, Damages, attempt, attempted, named, natural_key, refuse
from app.ct.reading.first import First, OnFirst
from app.ct.reading.kinds import KnownFile, path_of
from app.ct.reading.pictures import Decode, Sized, check, meaning_for, measure
from app.ct.reading.polarity import are_for_soft_tissue, are_in_two_windows, are_inverted
from app.ct.words import Sentence, sentence
from app.ct.workers import ON_THE_SPOT, Workers

# So many pictures of another size, a localizer or a page of the report, come along with so many that are alike.
MAX_ODD, MIN_ALIKE = 2, 10
_SIZES_AT_ONCE = 16
# 4096 slices of 512 x 512, one byte each.
MAX_EXAM_PIXELS = 2**30
_NO_POSITIONS = sentence(
    "Pictures hold no positions: missing slices cannot be noticed, and which end is the head is not known."
)
_NAME_TWICE = sentence("File names repeat: the pictures are in the order they were sent in.")
_INVERTED = sentence("The pictures show air white and tissue black: their gray levels were inverted.")
_SOFT_TISSUE = sentence(
    "The pictures are in a mediastinal (soft tissue) or bone window, in which the lungs are black;"
    " the model was made for the lung window."
)
_TWO_WINDOWS = sentence(
    "Some of the pictures are in the lung window and some in a mediastinal (soft tissue) or bone window, as of two series"
    " in two folders: send those in the lung window alone."
)

Found = TypeVar("Found")


def read_images(
    files: Sequence[KnownFile], *, total: int, on_first: OnFirst | None = None, workers: Workers = ON_THE_SPOT
) -> Exam:
    """Read pictures in natural file-name order.

    Args:
        files: JPEG and PNG files and files of no known kind.
        total: how many files the upload holds.
        on_first, workers: as ``read_exam``.

    Raises:
        ExamError: as ``read_exam``.
    """
    sized, damages = _measured(files, workers)
    if damages:
        # Refused already; of the rest as much as one exam may hold is decoded, to name every file that cannot be read.
        refuse(damages | attempt(within_an_exam(sized, _pixels), check, workers=workers)[1], total=total)
    # Before decoding it is not known which pictures lie on their side.
    kept, odd = _alike(sized, [(min(f.size), max(f.size)) for f in sized], total)
    _check_pixels([sized[place] for place in kept])
    order, ranked = _ordered([sized[place] for place in kept])
    meaning, unknown = meaning_for(ranked, workers=workers)
    pictures, damages = _decoded(ranked, Decode(meaning), on_first, workers)
    # A picture whose levels were not counted may not be shown by those of the others.
    refuse(unknown | damages, total=total)
    kept, turned = _alike(ranked, [(gray.shape[1], gray.shape[0]) for gray in pictures], total)
    ranked, pictures = [ranked[place] for place in kept], [pictures[place] for place in kept]
    kept = without_same_files(ranked, pictures)
    if copies := copies_left_out(len(ranked) - len(kept)):
        shown = {ranked[place].number: pictures[place] for place in kept}
        # Names that repeated may do so no more.
        order, ranked = _ordered([ranked[place] for place in kept])
        pictures = [shown[file.number] for file in ranked]
    folders = _folders_of_one_exam(ranked)
    inverted = are_inverted(pictures)
    if inverted:
        pictures = [255 - gray for gray in pictures]
    two_windows = are_in_two_windows(pictures)
    noted = (
        (_NO_POSITIONS, len(ranked) > 1),
        (_NAME_TWICE, order is Order.UPLOAD),
        (meaning.warning, meaning.warning is not None),
        (_INVERTED, inverted),
        (_TWO_WINDOWS, two_windows),
        (_SOFT_TISSUE, not two_windows and are_for_soft_tissue(pictures)),
    )
    return Exam(
        tuple(Slice(gray, file_number=f.number) for f, gray in zip(ranked, pictures, strict=True)),
        kind=InputKind.IMAGES,
        order=order,
        files=total,
        warnings=(*odd, *turned, *copies, *folders, *(said for said, holds in noted if holds and said)),
    )


def _alike(
    files: Sequence[Sized], sizes: Sequence[tuple[int, int]], total: int
) -> tuple[list[int], tuple[Sentence, ...]]:
    """Which pictures form the exam: those of one size, where at most two among at least ten are of another.

    Args:
        files: the pictures.
        sizes: of each; equal where pictures may be slices of one exam.
        total: how many files the upload holds.

    Returns:
        Their places in ``files``, and what to say of those that are left out.
    """
    ((usual, _),) = Counter(sizes).most_common(1)
    kept = [place for place, size in enumerate(sizes) if size == usual]
    others = [file.number for file, size in zip(files, sizes, strict=True) if size != usual]
    if not others:
        return kept, ()
    if len(others) > MAX_ODD or len(kept) < MIN_ALIKE:
        raise UnevenExam(
            sentence(
                "The pictures are not all of the same size. Of another size than most: {files}.",
                files=named(others, total),
            )
        )
    left_out = sentence(
        "{files}: left out, because all other pictures are of another size.", files=named(others, total)
    )
    return kept, (left_out,)


def _folders_of_one_exam(files: Sequence[Sized]) -> tuple[Sentence, ...]:
    """What to say where the pictures lie in several folders, which are never named.

    Args:
        files: pictures of which none is a copy of another.

    Raises:
        UnevenExam: a name repeats between folders, as those of two patients, series or windows do. What suffix it has, and how
            many zeros its number begins with, is no difference.
    """
    places: dict[tuple[tuple[int, int, str], ...], set[PurePosixPath]] = {}
    for file in files:
        path = path_of(file.file.name)
        places.setdefault(natural_key(path.stem), set()).add(path.parent)
    folders = len(set().union(*places.values()))
    if any(len(folders_of_name) > 1 for folders_of_name in places.values()):
        raise UnevenExam(
            sentence(
                "The pictures come from {folders} folders, and file names repeat between them, as those of several"
                " patients, series or windows do: send the pictures of one series of one patient, in the lung window.",
                folders=folders,
            )
        )
    said = sentence(
        "The pictures come from {folders} folders and were read as one exam: all of them must be of one series of one"
        " patient.",
        folders=folders,
    )
    return (said,) if folders > 1 else ()


def _measured(files: Sequence[KnownFile], workers: Workers) -> tuple[list[Sized], Damages]:
    """The sizes of the files that have one. Whatever a worker says, they are of the files that it was given."""
    sized: list[Sized] = []
    damages: Damages = {}
    for file, found in attempted(files, _without_file, workers=workers, at_once=_SIZES_AT_ONCE):
        if isinstance(found, Damaged):
            damages[file.number] = found
        else:
            sized.append(replace(found, number=file.number, file=file.file, kind=file.kind))
    return sized, damages


def _decoded(
    ranked: Sequence[Sized], decode: Decode, on_first: OnFirst | None, workers: Workers
) -> tuple[list[np.ndarray], Damages]:
    """The pictures that can be decoded, in their order, and what is wrong with the others."""
    pictures: dict[int, np.ndarray] = {}
    damages: Damages = {}
    first = First(len(ranked), on_first)
    order = first.order
    found = attempted([ranked[place] for place in order], decode, workers=workers)
    for place, (file, gray) in zip(order, found, strict=True):
        if isinstance(gray, Damaged):
            damages[file.number] = gray
        else:
            pictures[place] = gray
            first.add(place, gray)
    return [pictures[place] for place in sorted(pictures)], damages


def _without_file(file: KnownFile) -> Sized:
    return replace(measure(file), file=NOWHERE)


def within_an_exam(files: Sequence[Found], pixels: Callable[[Found], int]) -> list[Found]:
    """The first ones of ``files``, as many as one exam may hold by the ``pixels`` of each."""
    so_far = accumulate(map(pixels, files))
    return [file for file, pixels_so_far in zip(files, so_far, strict=True) if pixels_so_far <= MAX_EXAM_PIXELS]


def _pixels(file: Sized) -> int:
    return file.size[0] * file.size[1]


def _check_pixels(files: Sequence[Sized]) -> None:
    if sum(map(_pixels, files)) > MAX_EXAM_PIXELS:
        raise TooLarge(sentence("The exam holds more than {most} megapixels.", most=MAX_EXAM_PIXELS // 10**6))


def _ordered(files: Sequence[Sized]) -> tuple[Order, list[Sized]]:
    if len({f.file.name for f in files}) < len(files):
        return Order.UPLOAD, list(files)
    return Order.FILE_NAME, sorted(files, key=lambda f: natural_key(f.file.name))
