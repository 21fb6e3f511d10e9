"""The tree of errors. They do not know HTTP; one table in ``app/web/problems.py`` does.

::

    CovidCTError
    ├── ExamError                  the sender can fix it
    │   ├── NoFiles                no-files
    │   ├── Unreadable             unreadable
    │   ├── UnsupportedEncoding    unsupported-encoding
    │   ├── UnsupportedType        unsupported-type
    │   ├── WrongModality          not-ct
    │   ├── NotChest               not-chest
    │   ├── NoLung                 no-lung
    │   ├── UnlikeTraining         unlike-training
    │   ├── SeveralStudies         several-studies
    │   ├── NoUsableSeries         no-usable-series
    │   ├── UnevenExam             uneven-exam
    │   ├── TooLarge               too-large
    │   ├── TooManyFiles           too-many-files
    │   └── UnsafeArchive          unsafe-archive
    ├── ModelError                 the operator can fix it
    │   ├── NoModel                no-model
    │   ├── BrokenModel            broken-model
    │   └── EngineUnavailable      engine-unavailable
    └── ServiceError               nobody's fault, try again
        ├── Busy                   busy
        ├── NotReady               not-ready
        └── StorageFull            storage-full

Messages name a file by its number in the upload (1 is the first), never by its name; none holds a patient's name, id or date.
"""

import errno
from typing import ClassVar

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What an OSError says of a disk that is full."""


class CovidCTError(Exception):
    """Base of every error this project raises on purpose.

    Attributes:
        code: stable, machine-readable name.
        title: the kind of error in a few words, the same for every occurrence.
        advice: what the reader can do about it.
        message: what happened this time.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    advice: ClassVar[str] = "Try again; if it happens again, report it."

    def __init__(self, message: str = "") -> None:
        self.message = message or self.title
        super().__init__(self.message)


class ExamError(CovidCTError):
    """The upload cannot be diagnosed; the sender can fix it."""

    code = "exam-error"
    title = "The exam cannot be diagnosed"
    advice = "Check that the upload holds the axial slices of one chest CT exam."


class NoFiles(ExamError):
    """The upload holds no file, or only files that are not slices."""

    code = "no-files"
    title = "No CT slices in the upload"
    advice = "Send the slices of one chest CT exam as DICOM, JPEG or PNG files, as one ZIP of them, or as one volume."


class Unreadable(ExamError):
    """A file is empty, truncated or damaged."""

    code = "unreadable"
    title = "A file cannot be read"
    advice = "Export the exam again and send it whole; a diagnosis is never made from a part of an exam."


class UnsupportedEncoding(ExamError):
    """A DICOM transfer syntax or image coding that no decoder here takes."""

    code = "unsupported-encoding"
    title = "The image coding is not supported"
    advice = "Export the exam uncompressed or as JPEG lossless, pictures as baseline JPEG or PNG, and send it again."


class UnsupportedType(ExamError):
    """A kind of file this service does not read."""

    code = "unsupported-type"
    title = "This kind of file is not read"
    advice = "Send DICOM, JPEG or PNG files, or one ZIP of them; or one NIfTI or MetaImage volume of a CT in Hounsfield units."


class WrongModality(ExamError):
    """A DICOM file of something other than CT, or a volume whose values are no Hounsfield units."""

    code = "not-ct"
    title = "Not a CT exam"
    advice = "Send a chest CT series (DICOM Modality CT), or a volume of one in Hounsfield units."


class NotChest(ExamError):
    """A CT of another body part."""

    code = "not-chest"
    title = "Not a chest CT"
    advice = "Send the axial slices of a chest CT."


class NoLung(ExamError):
    """No slice shows lung."""

    code = "no-lung"
    title = "No lung found"
    advice = "Send axial chest CT slices in the lung window (center -600 HU, width 1500 HU), or the DICOM files."


class UnlikeTraining(ExamError):
    """The images are too far from what the model was made for."""

    code = "unlike-training"
    title = "Unlike what the model was trained on"
    advice = "Send axial chest CT slices in the lung window, uncropped and without annotations."


class SeveralStudies(ExamError):
    """Slices of more than one study in one upload."""

    code = "several-studies"
    title = "More than one study in the upload"
    advice = "Send one exam at a time."


class NoUsableSeries(ExamError):
    """DICOM files, but no axial CT series among them."""

    code = "no-usable-series"
    title = "No usable CT series"
    advice = "Send an axial chest CT series; localizers, reformats and dose sheets cannot be diagnosed."


class UnevenExam(ExamError):
    """Slices that do not form one exam, such as mixed sizes in one series."""

    code = "uneven-exam"
    title = "The slices do not form one exam"
    advice = "Send the slices of one series, all of the same size and each only once."


class TooLarge(ExamError):
    """The upload, a file or an image exceeds a limit."""

    code = "too-large"
    title = "Too large"
    advice = "Send one series only; the limits are in the service's documentation."


class TooManyFiles(ExamError):
    """More files than one exam may hold."""

    code = "too-many-files"
    title = "Too many files"
    advice = "Send one series only; the limits are in the service's documentation."


class UnsafeArchive(ExamError):
    """A ZIP that expands too far, is nested, encrypted or damaged."""

    code = "unsafe-archive"
    title = "The archive cannot be opened safely"
    advice = "Send a plain ZIP of the slices, without passwords, links or archives inside it."


class ModelError(CovidCTError):
    """The model cannot be served; the operator can fix it."""

    code = "model-error"
    title = "The model cannot be used"
    advice = "Check the model folder with `covidct doctor`."


class NoModel(ModelError):
    """No model folder was named, and there is not exactly one to take."""

    code = "no-model"
    title = "There is no model to serve"
    advice = "Name a model's folder with --model-dir, or put one into model_store/ with `covidct-train release`."


class BrokenModel(ModelError):
    """A model folder that is incomplete, altered, or fails its own self-test."""

    code = "broken-model"
    title = "The model folder is not sound"
    advice = "Restore the model folder from the release it came from, or release it again with `covidct-train release`."


class EngineUnavailable(ModelError):
    """The engine asked for is not installed, or the model has no files for it."""

    code = "engine-unavailable"
    title = "The engine is not available"
    advice = "Install the engine's packages, or start with `--engine auto`."


class ServiceError(CovidCTError):
    """Nobody's fault; trying again later helps."""

    code = "service-error"
    title = "The service cannot answer now"
    advice = "Try again in a while."


class Busy(ServiceError):
    """The queue is full."""

    code = "busy"
    title = "The service is busy"
    advice = "Try again after the time in Retry-After."


class NotReady(ServiceError):
    """The model has not passed its self-test yet, or the service is stopping."""

    code = "not-ready"
    title = "The service is not ready"
    advice = "Try again after the time in Retry-After."


class StorageFull(ServiceError):
    """No room left to keep the exam."""

    code = "storage-full"
    title = "The storage is full"
    advice = "Try again later; the operator should free space or shorten the retention."
