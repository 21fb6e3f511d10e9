"""From an upload's files to an Exam."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from app.ct.errors import NoFiles, NoUsableSeries, WrongModality
from app.ct.exam import Exam
from app.ct.reading.dicom import read_dicom
from app.ct.reading.files import NamedFile
from app.ct.reading.first import OnFirst
from app.ct.reading.images import read_images
from app.ct.reading.kinds import Kind, Sorted, sort_files
from app.ct.reading.volumes import read_volume
from app.ct.words import Sentence, counted, in_a_row, sentence
from app.ct.workers import ON_THE_SPOT, Workers

__all__ = ["NamedFile", "read_exam"]


def read_exam(
    files: Sequence[NamedFile],
    *,
    series_instance_uid: str | None = None,
    values_in: Path | None = None,
    on_first: OnFirst | None = None,
    workers: Workers = ON_THE_SPOT,
    on_read: Callable[[], None] = lambda: None,
) -> Exam:
    """Read the files of one upload.

    What a file is, its bytes say. All slices of the chosen series are decoded into the lung window, ordered head
    first and brought to the radiological orientation. Names, UIDs and every other sign of the patient are dropped here.
    A slice that cannot be read refuses the whole exam.

    Args:
        files: what was sent, archives already opened.
        series_instance_uid: the series to take, None for the best one.
        values_in: an empty folder to keep the slices' Hounsfield units in, where they have such; None keeps none.
        on_first: is given sixteen pictures of an exam of many files, spread over it, while the others are still being decoded;
            they may still be altered, or the exam refused.
        workers: parse and decode the files; those of a volume, which no decoder of others reads, are read on the spot.
        on_read: called with every plane of a volume; what it raises ends the reading. Of other files, ``workers`` tell.

    Raises:
        NoFiles: nothing that could be a slice.
        UnsupportedType: a file of a kind that is not read.
        Unreadable: empty, cut off or damaged slices, all of them named by their numbers.
        UnsupportedEncoding: slices coded in a way that no decoder here takes, all of them named.
        WrongModality, SeveralStudies, NoUsableSeries, UnevenExam: the files are not one axial chest CT series.
        TooLarge: more pixels than are decoded here.
    """
    if not files:
        raise NoFiles(sentence("The upload holds no files."))
    parts = sort_files(files)
    if parts.kind is Kind.DICOM:
        try:
            exam = read_dicom(
                parts.slices,
                series_instance_uid=series_instance_uid,
                total=len(files),
                values_in=values_in,
                on_first=on_first,
                workers=workers,
            )
        except (NoUsableSeries, WrongModality) as error:
            raise type(error)(in_a_row((error.message, *_not_read(parts)))) from error
    elif series_instance_uid is not None:
        raise NoUsableSeries(
            sentence("A series was asked for, but the upload holds pictures or a volume, which have none.")
        )
    elif parts.kind is Kind.VOLUME:
        exam = read_volume(parts.slices, total=len(files), values_in=values_in, on_read=on_read)
    else:
        exam = read_images(parts.slices, total=len(files), on_first=on_first, workers=workers)
    return replace(exam, warnings=(*_left_out(parts), *exam.warnings))


def _not_read(parts: Sorted) -> tuple[Sentence, ...]:
    if not parts.beside:
        return ()
    return (
        counted(
            "The {count} picture or other file beside the DICOM files was not read.",
            "The {count} pictures and other files beside the DICOM files were not read.",
            count=parts.beside,
        ),
    )


def _left_out(parts: Sorted) -> tuple[Sentence, ...]:
    junk = counted(
        "{count} file that is not a slice was left out.",
        "{count} files that are not slices were left out.",
        count=parts.junk,
    )
    if parts.kind is Kind.VOLUME:
        beside = counted(
            "{count} picture or other file beside the volume was left out.",
            "{count} pictures and other files beside the volume were left out.",
            count=parts.beside,
        )
    else:
        beside = counted(
            "{count} picture or other file beside the DICOM files was left out.",
            "{count} pictures and other files beside the DICOM files were left out.",
            count=parts.beside,
        )
    return tuple(said for said, count in ((junk, parts.junk), (beside, parts.beside)) if count)
