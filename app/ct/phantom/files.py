"""A phantom as the files of an exam: DICOM, or JPEG pictures of its lung window."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from app.ct.phantom import Phantom
from app.ct.reading.files import NamedFile
from app.ct.windowing import LUNG

JPEG_QUALITY = 90
INTERCEPT = -1024


def dicom_files(phantom: Phantom) -> Iterator[NamedFile]:
    """One CT Image Storage file per slice, explicit little endian, head first."""
    identity = _Identity(phantom.seed, phantom.hu.shape, int(phantom.lesions.sum()))
    for index in range(len(phantom.hu)):
        content = BytesIO()
        _data_set(phantom, identity, index).save_as(content, enforce_file_format=True)
        yield NamedFile(f"IM{index + 1:04d}.dcm", content.getvalue())


def jpeg_files(phantom: Phantom) -> Iterator[NamedFile]:
    """One JPEG of the lung window per slice, head first."""
    for index, hu in enumerate(phantom.hu, start=1):
        content = BytesIO()
        Image.fromarray(LUNG.gray(hu)).save(content, "JPEG", quality=JPEG_QUALITY)
        yield NamedFile(f"slice{index}.jpg", content.getvalue())


def write(files: Iterator[NamedFile], folder: Path) -> list[Path]:
    """Write ``files`` into ``folder``, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file in files:
        path = folder / file.name
        path.write_bytes(file.read())
        written.append(path)
    return written


class _Identity(NamedTuple):
    """What UIDs are made from: the same phantom always has the same."""

    seed: int
    shape: tuple[int, ...]
    lesion_pixels: int

    def uid(self, *parts: object) -> UID:
        """A valid UID under pydicom's root."""
        return generate_uid(entropy_srcs=["covidct phantom", *map(str, (*self, *parts))])


def _data_set(phantom: Phantom, identity: _Identity, index: int) -> FileDataset:
    """The slice as a CT Image (DICOM PS3.3 A.3), with no more tags than its modules ask for."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = identity.uid("slice", index)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _describe(data_set, identity, index)
    depth_mm, row_mm, column_mm = phantom.spacing_mm
    rows, columns = phantom.hu[index].shape
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.ImagePositionPatient = [
        round(-(columns - 1) / 2 * column_mm, 4),
        round(-(rows - 1) / 2 * row_mm, 4),
        round(-index * depth_mm, 4),
    ]
    data_set.PixelSpacing = [round(row_mm, 6), round(column_mm, 6)]
    data_set.SliceThickness = round(depth_mm, 4)
    data_set.Rows, data_set.Columns = rows, columns
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = 16, 12, 11, 0
    data_set.RescaleIntercept, data_set.RescaleSlope, data_set.RescaleType = INTERCEPT, 1, "HU"
    data_set.WindowCenter, data_set.WindowWidth = int(LUNG.center), int(LUNG.width)
    data_set.PixelData = (phantom.hu[index].astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
    return data_set


def _describe(data_set: FileDataset, identity: _Identity, index: int) -> None:
    """Patient, study, series and slice: plainly nobody's."""
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = identity.uid("study"), identity.uid("series")
    data_set.FrameOfReferenceUID, data_set.PositionReferenceIndicator = identity.uid("frame"), ""
    data_set.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    data_set.PatientName, data_set.PatientID = "PHANTOM^SYNTHETIC", f"PHANTOM-{identity.seed}"
    data_set.PatientBirthDate = data_set.PatientSex = data_set.StudyDate = data_set.StudyTime = ""
    data_set.StudyID = data_set.AccessionNumber = data_set.ReferringPhysicianName = ""
    data_set.Modality, data_set.Manufacturer = "CT", "covidct phantom"
    data_set.SeriesDescription, data_set.ConvolutionKernel = "Synthetic chest, not a patient", "LUNG"
    data_set.BurnedInAnnotation, data_set.PatientPosition, data_set.KVP = "NO", "HFS", None
    data_set.SeriesNumber, data_set.AcquisitionNumber, data_set.InstanceNumber = 1, 1, index + 1
