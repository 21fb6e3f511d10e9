"""Names, ids and dates of a patient who is nobody, in every place a sender can put one."""

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from PIL import Image
from pydicom.dataset import Dataset, FileDataset

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, jpeg_files
from tests.builders import a_jpeg, a_zip, rewritten

TAGS = {
    "PatientName": "CANARY^NAME",
    "PatientID": "CANARY-ID",
    "OtherPatientNames": "CANARY^OTHER",
    "PatientBirthDate": "19470913",
    "PatientAddress": "CANARY ADDRESS",
    "PatientComments": "CANARY COMMENTS",
    "StudyDate": "19990307",
    "StudyID": "CANARY-STUDY",
    "AccessionNumber": "CANARY-ACC",
    "InstitutionName": "CANARY HOSPITAL",
    "ReferringPhysicianName": "CANARY^DOCTOR",
    "OperatorsName": "CANARY^OPERATOR",
    "StudyDescription": "CANARY STUDY",
    "SeriesDescription": "CANARY SERIES",
    "ProtocolName": "CANARY PROTOCOL",
    "StationName": "CANARY-STATION",
    "DeviceSerialNumber": "CANARY-SERIAL",
    "ImageComments": "CANARY IMAGE",
    "StudyInstanceUID": "1.2.826.0.1.777001",
    "SeriesInstanceUID": "1.2.826.0.1.777002",
    "FrameOfReferenceUID": "1.2.826.0.1.777003",
}
MARKS = ("canary", "19470913", "1947-09-13", "19990307", "1999-03-07", "1.2.826.0.1.777")


def hits(places: Mapping[str, bytes]) -> list[str]:
    """Where a mark stands, in any of the codings that text comes in; picture metadata is unpacked."""
    return [place for place, content in places.items() if _holds(content) or _holds(_metadata(content))]


def _holds(content: bytes) -> bool:
    plain = content.lower()
    return any(mark.encode(coding) in plain for mark in MARKS for coding in ("utf-8", "utf-16-le", "utf-16-be"))


def _metadata(content: bytes) -> bytes:
    if not content.startswith((b"\x89PNG", b"\xff\xd8")):
        return b""
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        return repr((picture.info, dict(picture.getexif()))).encode()


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below, its name before its bytes."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: name.encode() + path.read_bytes() for name, path in paths.items()}


Sent = list[tuple[str, tuple[str, bytes]]]


def _marked(data_set: FileDataset) -> None:
    for keyword, value in TAGS.items():
        setattr(data_set, keyword, value)
    data_set.private_block(0x0009, "CANARY CREATOR", create=True).add_new(0x01, "LO", "CANARY PRIVATE")
    inner = Dataset()
    inner.PatientID, inner.ScheduledProcedureStepDescription = "CANARY-INNER", "CANARY STEP"
    data_set.OtherPatientIDsSequence, data_set.RequestAttributesSequence = [inner], [inner]


def _another_study(data_set: FileDataset) -> None:
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2.826.0.1.7770011", "1.2.826.0.1.7770021"


def dicom(*, slices: int = 6) -> list[bytes]:
    """A synthetic exam with marks in its tags, its private tags and its sequences."""
    return [rewritten(file.read(), _marked) for file in dicom_files(phantom(slices=slices, lesions="few", size=96))]


def named(contents: Iterable[bytes], suffix: str) -> Sent:
    """The contents as files of a form, with marks in their names."""
    return [("files", (f"CANARY^NAME 19470913 {k}{suffix}", content)) for k, content in enumerate(contents)]


def _jpeg(content: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = "CANARY EXIF"
    with Image.open(io.BytesIO(content)) as picture:
        return a_jpeg(picture.copy(), exif=exif, comment=b"CANARY COMMENT")


def uploads() -> Iterator[tuple[str, Sent]]:
    """What is diagnosed, then what is refused, for as many reasons as there are ways to say them."""
    whole = dicom()
    pictures = [_jpeg(file.read()) for file in jpeg_files(phantom(slices=6, lesions="few", size=96))]
    members = [(f"CANARY NAME/19470913/{k}.dcm", one) for k, one in enumerate(whole)]
    yield "DICOM", named(whole, ".dcm")
    yield "ZIP", [("files", ("CANARY.zip", a_zip(members)))]
    yield "pictures", named(pictures, ".jpg")
    yield "burnt in", named([rewritten(one, lambda d: setattr(d, "BurnedInAnnotation", "YES")) for one in whole], "")
    yield "damaged", named([*whole[1:], whole[0][:1500]], ".dcm")
    yield "no file of ours", named([b"CANARY in bytes that are nothing", b"CANARY,1947"], ".csv")
    yield "no CT", named([rewritten(one, lambda d: setattr(d, "Modality", "MR")) for one in whole], ".dcm")
    yield "odd modality", named([rewritten(one, lambda d: setattr(d, "Modality", "CANARY")) for one in whole], ".dcm")
    yield (
        "body part",
        named([rewritten(one, lambda d: setattr(d, "BodyPartExamined", "CANARY")) for one in whole], ".dcm"),
    )
    yield "two studies", named([*whole[:3], *(rewritten(one, _another_study) for one in whole[3:])], ".dcm")
    yield (
        "localizer",
        named(
            [rewritten(one, lambda d: setattr(d, "ImageType", ["CANARY", "PRIMARY", "LOCALIZER"])) for one in whole], ""
        ),
    )
    yield "syntax", named([_other_syntax(one) for one in whole], ".dcm")
    yield "unsafe ZIP", [("files", ("CANARY.zip", a_zip([("../CANARY.dcm", whole[0])])))]
    yield "damaged ZIP", [("files", ("CANARY.zip", a_zip(members)[:-200]))]
    yield "another field", [("CANARY", ("CANARY.dcm", whole[0]))]


def _other_syntax(content: bytes) -> bytes:
    """A file that names a coding there is not."""
    return content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.826.0.1.777009\0\0", 1)
