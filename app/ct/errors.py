"""The tree of errors. They do not know HTTP; one table in ``app/web/problems.py`` does.

::

    CovidCTError                   (ExamError and ServiceError by way of ToldError)
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
    │   ├── UnsafeArchive          unsafe-archive
    │   └── Stuck                  stuck
    ├── ModelError                 the operator can fix it
    │   ├── NoModel                no-model
    │   ├── BrokenModel            broken-model
    │   ├── EngineUnavailable      engine-unavailable
    │   └── NoWorkers              no-workers
    ├── StoreError                 the operator can fix it; refuses to start
    │   ├── BrokenStore            broken-store
    │   │   ├── OldSchema          old-schema
    │   │   ├── NewerSchema        newer-schema
    │   │   ├── LockedStore        locked-store
    │   │   ├── FullDisk           full-disk
    │   │   ├── UnwritableStore    unwritable-store
    │   │   └── PartedStore        parted-store
    │   └── StoreInUse             store-in-use
    └── ServiceError               nobody's fault, try again
        ├── Busy                   busy
        ├── NotReady               not-ready
        ├── StorageFull            storage-full
        └── StorageUnavailable     storage-unavailable

Messages name a file by its number in the upload (1 is the first), never by its name; none holds a patient's name, id or date.
"""

import errno
from typing import ClassVar, Self

from app.ct.words import Sentence, counted, sentence

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What an OSError says of a disk that is full."""
NO_STORE = frozenset({errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM})
"""What an OSError says of a disk that takes nothing."""


class CovidCTError(Exception):
    """Base of every error this project raises on purpose.

    Attributes:
        code: stable, machine-readable name.
        title: the kind of error in a few words, the same for every occurrence.
        advice: what the reader can do about it.
        message: what happened this time.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = sentence("Something went wrong")
    advice: ClassVar[str] = sentence("Try again; if it happens again, report it.")

    def __init__(self, message: str = "") -> None:
        self.message = message or self.title
        super().__init__(self.message)

    @property
    def in_one_line(self) -> str:
        """Title and message, once where both are the same."""
        return str(self.title) if self.message == self.title else f"{self.title}: {self.message}"


class ToldError(CovidCTError):
    """What readers of the page are told, in the language of each: all that it says are sentences."""

    code = "told-error"
    title: ClassVar[Sentence]
    advice: ClassVar[Sentence]

    def __init__(self, message: Sentence | None = None) -> None:
        super().__init__(message or self.title)


class ExamError(ToldError):
    """The upload cannot be diagnosed; the sender can fix it."""

    code = "exam-error"
    title = sentence("The exam cannot be diagnosed")
    advice = sentence("Check that the upload holds the axial slices of one chest CT exam.")


class NoFiles(ExamError):
    """The upload holds no file, or only files that are not slices."""

    code = "no-files"
    title = sentence("No CT slices in the upload")
    advice = sentence(
        "Send the slices of one chest CT exam as DICOM, JPEG or PNG files, as one ZIP of them, or as one volume."
    )


class Unreadable(ExamError):
    """A file is empty, truncated or damaged."""

    code = "unreadable"
    title = sentence("A file cannot be read")
    advice = sentence("Export the exam again and send it whole; a diagnosis is never made from a part of an exam.")


class UnsupportedEncoding(ExamError):
    """A DICOM transfer syntax or image coding that no decoder here takes."""

    code = "unsupported-encoding"
    title = sentence("The image coding is not supported")
    advice = sentence(
        "Export the exam uncompressed or as JPEG lossless, pictures as baseline JPEG or PNG, and send it again."
    )


class UnsupportedType(ExamError):
    """A kind of file this service does not read."""

    code = "unsupported-type"
    title = sentence("This kind of file is not read")
    advice = sentence(
        "Send DICOM, JPEG or PNG files, or one ZIP of them; or one NIfTI or MetaImage volume of a CT in Hounsfield units."
    )


class WrongModality(ExamError):
    """A DICOM file of something other than CT, or a volume whose values are no Hounsfield units."""

    code = "not-ct"
    title = sentence("Not a CT exam")
    advice = sentence("Send a chest CT series (DICOM Modality CT), or a volume of one in Hounsfield units.")


class NotChest(ExamError):
    """A CT of another body part."""

    code = "not-chest"
    title = sentence("Not a chest CT")
    advice = sentence("Send the axial slices of a chest CT.")


class NoLung(ExamError):
    """No slice shows lung."""

    code = "no-lung"
    title = sentence("No lung found")
    advice = sentence(
        "Send axial chest CT slices in the lung window (center -600 HU, width 1500 HU), or the DICOM files."
    )

    @classmethod
    def on(cls, slices: int) -> Self:
        """On none of so many slices."""
        return cls(counted("The slice shows no lung.", "None of the {count} slices shows lung.", count=slices))


class UnlikeTraining(ExamError):
    """The images are too far from what the model was made for."""

    code = "unlike-training"
    title = sentence("Unlike what the model was trained on")
    advice = sentence("Send axial chest CT slices in the lung window, uncropped and without annotations.")


class SeveralStudies(ExamError):
    """Slices of more than one study, or patient, in one upload."""

    code = "several-studies"
    title = sentence("More than one study or patient in the upload")
    advice = sentence("Send one exam at a time.")


class NoUsableSeries(ExamError):
    """DICOM files, but no axial CT series among them."""

    code = "no-usable-series"
    title = sentence("No usable CT series")
    advice = sentence("Send an axial chest CT series; localizers, reformats and dose sheets cannot be diagnosed.")


class UnevenExam(ExamError):
    """Slices that do not form one exam, such as mixed sizes in one series."""

    code = "uneven-exam"
    title = sentence("The slices do not form one exam")
    advice = sentence("Send the slices of one series, all of the same size and each only once.")


class TooLarge(ExamError):
    """The upload, a file or an image exceeds a limit."""

    code = "too-large"
    title = sentence("Too large")
    advice = sentence("Send one series only; the limits are in the service's documentation.")


class TooManyFiles(ExamError):
    """More files than one exam may hold."""

    code = "too-many-files"
    title = sentence("Too many files")
    advice = sentence("Send one series only; the limits are in the service's documentation.")


class UnsafeArchive(ExamError):
    """A ZIP that expands too far, is nested, encrypted or damaged."""

    code = "unsafe-archive"
    title = sentence("The archive cannot be opened safely")
    advice = sentence("Send a plain ZIP of the slices, without passwords, links or archives inside it.")


class Stuck(ExamError):
    """The diagnosis of the exam did not end, more than once, or its files took too long to be read."""

    code = "stuck"
    title = sentence("The diagnosis of this exam does not end")
    advice = sentence("Export the exam again in another format and send that; tell the operator.")


class ModelError(CovidCTError):
    """The model cannot be served; the operator can fix it."""

    code = "model-error"
    title = sentence("The model cannot be used")
    advice = sentence("Check the model folder with `covidct doctor`.")


class NoModel(ModelError):
    """No model folder was named, and there is not exactly one to take."""

    code = "no-model"
    title = sentence("There is no model to serve")
    advice = sentence(
        "Name a model's folder with --model-dir, or put one into model_store/ with `covidct-train release`."
    )


class BrokenModel(ModelError):
    """A model folder that is incomplete, altered, or fails its own self-test."""

    code = "broken-model"
    title = sentence("The model folder is not sound")
    advice = sentence(
        "Restore the model folder from the release it came from, or release it again with `covidct-train release`."
    )


class EngineUnavailable(ModelError):
    """The engine asked for is not installed, or the model has no files for it."""

    code = "engine-unavailable"
    title = sentence("The engine is not available")
    advice = sentence("Install the engine's packages, or start with `--engine auto`.")


class NoWorkers(ModelError):
    """The processes that decode do not start."""

    code = "no-workers"
    title = sentence("The worker processes do not start")
    advice = sentence("See that there is memory for them; `covidct doctor` tells more.")


class StoreError(CovidCTError):
    """The folder of exams cannot be used; the operator can fix it."""

    code = "store-error"
    title = sentence("The store of exams cannot be used")
    advice = sentence("Check the data folder with `covidct doctor`.")


class BrokenStore(StoreError):
    """A database that is damaged, or, as the kinds below it, cannot be used as it is."""

    code = "broken-store"
    title = sentence("The database of exams cannot be used")
    advice = sentence(
        "Restore exams.sqlite, audit.jsonl and exams/ of one time in the data folder, or set --data-dir to another folder."
    )


class OldSchema(BrokenStore):
    """A database of an older version, where nothing but the service brings it up to date."""

    code = "old-schema"
    advice = sentence("Start the service once: it brings exams.sqlite up to date.")


class NewerSchema(BrokenStore):
    """A database of a version that this one does not know."""

    code = "newer-schema"
    advice = sentence("Start the version of the service that wrote it, or set --data-dir to another folder.")


class LockedStore(BrokenStore):
    """A database that another program has for itself."""

    code = "locked-store"
    advice = sentence("End the program that has exams.sqlite open, then start again.")


class FullDisk(BrokenStore):
    """A database on a disk without room for what SQLite writes beside it."""

    code = "full-disk"
    advice = sentence("Free some MB on the disk of the data folder, then start again.")


class UnwritableStore(BrokenStore):
    """A database that may not be written, or whose disk fails."""

    code = "unwritable-store"
    advice = sentence(
        "See that the service may write to the data folder and that its disk is sound, or set --data-dir to another folder."
    )


class PartedStore(BrokenStore):
    """A database that is missing or older than the log and the folders beside it: what it does not know would be deleted."""

    code = "parted-store"
    advice = sentence(
        "Restore exams.sqlite, audit.jsonl and exams/ of one time, or move all three aside, keys with them."
    )


class StoreInUse(StoreError):
    """Another service keeps its exams there."""

    code = "store-in-use"
    title = sentence("The store of exams is in use")
    advice = sentence("Stop the other service, or set --data-dir to another folder.")


class ServiceError(ToldError):
    """Nobody's fault; trying again later helps."""

    code = "service-error"
    title = sentence("The service cannot answer now")
    advice = sentence("Try again in a while.")


class Busy(ServiceError):
    """The queue is full."""

    code = "busy"
    title = sentence("The service is busy")
    advice = sentence("Try again after the time in Retry-After.")


class NotReady(ServiceError):
    """The model has not passed its self-test yet, or the service is stopping."""

    code = "not-ready"
    title = sentence("The service is not ready")
    advice = sentence("Try again after the time in Retry-After.")


class StorageFull(ServiceError):
    """No room left to keep the exam."""

    code = "storage-full"
    title = sentence("The storage is full")
    advice = sentence("Try again later; the operator should free space or shorten the retention.")


class StorageUnavailable(ServiceError):
    """The storage takes nothing now: read-only, failing, or locked by another program."""

    code = "storage-unavailable"
    title = sentence("The storage cannot be used now")
    advice = sentence("Try again later; the operator should look at the disk of the data folder.")
