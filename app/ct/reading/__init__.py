"""From an upload's files to an Exam."""

from collections.abc import Sequence
from dataclasses import replace

from app.ct.errors import NoFiles, NoUsableSeries
from app.ct.exam import Exam
from app.ct.reading.dicom import read_dicom
from app.ct.reading.files import NamedFile
from app.ct.reading.images import read_images
from app.ct.reading.kinds import Kind, sort_files

__all__ = ["NamedFile", "read_exam"]


def read_exam(files: Sequence[NamedFile], *, series_instance_uid: str | None = None) -> Exam:
    """Read the files of one upload.

    What a file is, its bytes say. All slices of the chosen series are decoded into the lung window, ordered head
    first and brought to the radiological orientation. Names, UIDs and every other sign of the patient are dropped here.
    A slice that cannot be read refuses the whole exam.

    Args:
        files: what was sent, archives already opened.
        series_instance_uid: the series to take, None for the best one.

    Raises:
        NoFiles: nothing that could be a slice.
        UnsupportedType: a file of a kind that is not read.
        Unreadable: empty, cut off or damaged slices, all of them named by their numbers.
        UnsupportedEncoding: a slice coded in a way that no decoder here takes, or several slices in one file.
        WrongModality, SeveralStudies, NoUsableSeries, UnevenExam: the files are not one axial chest CT series.
        TooLarge: more pixels than are decoded here.
    """
    if not files:
        raise NoFiles("The upload holds no files.")
    parts = sort_files(files)
    if parts.kind is Kind.DICOM:
        exam = read_dicom(parts.slices, series_instance_uid=series_instance_uid, total=len(files))
    elif series_instance_uid is None:
        exam = read_images(parts.slices, total=len(files))
    else:
        raise NoUsableSeries("A series was asked for, but the upload holds pictures, which have none.")
    return replace(exam, warnings=(*_left_out(parts.junk), *exam.warnings))


def _left_out(junk: int) -> tuple[str, ...]:
    return (f"{junk} files that are not slices were left out.",) if junk else ()
