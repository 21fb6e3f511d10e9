"""What a DICOM file says of its slice, without its pixels and with nothing of the patient but identifiers."""

import re
from dataclasses import dataclass, replace

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset

from app.ct.errors import TooLarge
from app.ct.reading.elements import is_filled, number_of, numbers_of, text_of, whole_of
from app.ct.reading.files import Damaged
from app.ct.reading.frames import GROUPS, is_placed, single_frames
from app.ct.reading.geometry import normal_of
from app.ct.reading.kinds import Kind, KnownFile
from app.ct.reading.parsing import check_bytes, is_deflated, open_plain, parse
from app.ct.reading.values import Rescale, told_rescale
from app.ct.words import sentence
from app.ct.workers.plain import carried

CT_CLASSES = {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
MULTI_FRAME_CLASSES = CT_CLASSES - {"1.2.840.10008.5.1.4.1.1.2"}
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
IMAGE_CLASS = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(1|2|3|4|6|7|12|13|20|30|77|128|130)(\.|$)")
MAX_FRAMES = 4096
# A file of one picture is read whole; one of several is not.
MAX_WHOLE_BYTES = 256 * 2**20
# Beyond it, a coordinate in mm lies in no patient: some files are filled with the largest number there is.
MAX_MM = 1e5
# Nothing else of a file is parsed, however much there is.
_TAGS = [
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "Modality",
    "BodyPartExamined",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SliceLocation",
    "InstanceNumber",
    "SliceThickness",
    "PixelSpacing",
    "ConvolutionKernel",
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "TemporalPositionIdentifier",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ModalityLUTSequence",
    "BurnedInAnnotation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    *GROUPS,
]


@carried
@dataclass(frozen=True)
class Header(KnownFile):
    """The tags of one DICOM picture that choosing, ordering and orienting need; they never leave ``reading``.

    Attributes:
        patient: PatientID, which only tells one patient from another.
        photometric: what its values are shown as (PhotometricInterpretation), empty where unknown.
        frames: how many pictures its file holds.
        orientation: direction cosines of the rows, then of the columns (ImageOrientationPatient), None where unknown, or
            where they are no plane's, such as six zeros.
        position: x, y, z of the first pixel in mm (ImagePositionPatient), None where unknown.
        spacing_mm: (between rows, between columns), None where unknown.
        acquired: date and time, or time, of the acquisition, empty where unknown; made: of the picture.
        temporal_position: which of several passes of one range (TemporalPositionIdentifier), None where unknown.
        concatenation: what its file is a part of (ConcatenationUID), empty if of nothing; part: which one, from 1; parts: of
            how many; both None where unknown.
        has_rescale: it names a slope and an intercept; has_table: a table instead (ModalityLUTSequence, PS3.3 C.11.1), which
            is not read here.
        burned_in: the picture holds letters (BurnedInAnnotation).
        has_pixels: the file goes on after its header.
        syntax: transfer syntax UID.
        frame: which of its file's pictures this is, from 0.
        grouped: the file describes its pictures in functional groups, as multi-frame files do.
        placed: a grouped file says where it lies, as it must of every picture that was not computed of others.
        rescale: of a picture in a grouped file, None where it has none; others name it with their pixels.
        deflated: the file must be inflated before it is read.
        rest_at: where in the file, inflated, its offset tables and pixels begin.
    """

    sop_class: str
    sop_instance: str
    patient: str
    study: str
    series: str
    series_number: int | None
    description: str
    modality: str
    body_part: str
    image_type: frozenset[str]
    rows: int
    columns: int
    samples: int
    photometric: str
    frames: int
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    slice_location: float | None
    instance_number: int | None
    thickness_mm: float | None
    spacing_mm: tuple[float, ...] | None
    kernel: str
    acquisition_number: int | None
    acquired: str
    made: str
    temporal_position: int | None
    concatenation: str
    part: int | None
    parts: int | None
    rescale_type: str
    has_rescale: bool
    has_table: bool
    burned_in: bool
    has_pixels: bool
    syntax: str = ""
    frame: int = 0
    grouped: bool = False
    placed: bool = True
    rescale: Rescale | None = None
    deflated: bool = False
    rest_at: int = 0


def read_headers(file: KnownFile) -> tuple[Header, ...]:
    """Read the header of each picture in ``file``; of what is no CT, one for the file.

    Raises:
        Damaged: empty, cut off, no DICOM at all, or several pictures that are not described one by one.
        TooLarge, UnsupportedEncoding: deflated beyond what is inflated here, or absurdly many pictures.
    """
    if file.kind is Kind.EMPTY:
        raise Damaged(sentence("empty"))
    if file.kind in (Kind.IMAGE, Kind.VOLUME, Kind.FOREIGN):
        raise Damaged(sentence("of another kind than its name says"))
    if file.kind is not Kind.DICOM:
        raise Damaged(sentence("damaged, or of no known kind"))
    deflated = is_deflated(file)
    with open_plain(file, deflated=deflated) as opened:
        try:
            dataset = parse(opened, _TAGS)
            rest_at = _rest_at(dataset, opened.tell())
            header = _header_of(file, dataset, has_pixels=bool(opened.read(1)))
            header = replace(header, deflated=deflated, rest_at=rest_at)
            if _is_multi_frame(header, dataset):
                return _of_each_frame(header, dataset)
            if header.frames == 1:
                check_bytes(file, MAX_WHOLE_BYTES)
            return (header,)
        except (Damaged, TooLarge):
            raise
        except Exception as error:
            raise Damaged(sentence("damaged or cut off")) from error


def _rest_at(dataset: FileDataset, pixels_at: int) -> int:
    """Where the offset tables and the pixels begin, of which the latter do at ``pixels_at``."""
    table = dataset.get_item("ExtendedOffsetTable") if "ExtendedOffsetTable" in dataset else None
    # Tag, value representation and length come before the value, in files that are encapsulated (PS3.5 7.1.2).
    return table.value_tell - 12 if isinstance(table, RawDataElement) else pixels_at


def _is_multi_frame(header: Header, dataset: FileDataset) -> bool:
    """Whether the file is a multi-frame CT, which describes its pictures one by one; captures need not."""
    if IMAGE_CLASS.match(header.sop_class) and header.sop_class not in CT_CLASSES:
        return False
    if header.samples != 1 or not (header.modality == "CT" or (not header.modality and header.sop_class in CT_CLASSES)):
        return False
    return header.sop_class in MULTI_FRAME_CLASSES or any(group in dataset for group in GROUPS)


def _of_each_frame(header: Header, dataset: FileDataset) -> tuple[Header, ...]:
    if header.frames > MAX_FRAMES:
        raise TooLarge(
            sentence(
                "File {number} (in the order sent) holds more than {most} pictures.",
                number=header.number,
                most=MAX_FRAMES,
            )
        )
    return tuple(
        replace(
            _header_of(header, frame, has_pixels=header.has_pixels),
            frames=header.frames,
            frame=index,
            grouped=True,
            placed=is_placed(frame),
            rescale=told_rescale(frame),
            deflated=header.deflated,
            rest_at=header.rest_at,
        )
        for index, frame in enumerate(single_frames(dataset, frames=header.frames))
    )


def _header_of(file: KnownFile, dataset: Dataset, *, has_pixels: bool) -> Header:
    if not dataset and "MediaStorageSOPClassUID" not in dataset.file_meta:
        raise Damaged(sentence("damaged or cut off"))
    return Header(
        file.number,
        file.file,
        file.kind,
        sop_class=text_of(dataset, "SOPClassUID") or text_of(dataset.file_meta, "MediaStorageSOPClassUID"),
        sop_instance=text_of(dataset, "SOPInstanceUID"),
        patient=text_of(dataset, "PatientID"),
        study=text_of(dataset, "StudyInstanceUID"),
        series=text_of(dataset, "SeriesInstanceUID"),
        series_number=whole_of(dataset, "SeriesNumber"),
        description=text_of(dataset, "SeriesDescription"),
        modality=text_of(dataset, "Modality").upper(),
        body_part=text_of(dataset, "BodyPartExamined"),
        image_type=frozenset(text_of(dataset, "ImageType").upper().split("\\")),
        rows=max(0, whole_of(dataset, "Rows") or 0),
        columns=max(0, whole_of(dataset, "Columns") or 0),
        samples=whole_of(dataset, "SamplesPerPixel") or 1,
        photometric=text_of(dataset, "PhotometricInterpretation").upper(),
        frames=whole_of(dataset, "NumberOfFrames") or 1,
        orientation=_with_a_plane(numbers_of(dataset, "ImageOrientationPatient", 6)),
        position=_in_reach(numbers_of(dataset, "ImagePositionPatient", 3)),
        slice_location=number_of(dataset, "SliceLocation"),
        instance_number=whole_of(dataset, "InstanceNumber"),
        thickness_mm=number_of(dataset, "SliceThickness"),
        spacing_mm=_of_pixels(numbers_of(dataset, "PixelSpacing", 2)),
        kernel=text_of(dataset, "ConvolutionKernel").upper(),
        acquisition_number=whole_of(dataset, "AcquisitionNumber"),
        acquired=text_of(dataset, "AcquisitionDateTime") or text_of(dataset, "AcquisitionTime"),
        made=text_of(dataset, "ContentTime"),
        temporal_position=whole_of(dataset, "TemporalPositionIdentifier"),
        concatenation=text_of(dataset, "ConcatenationUID"),
        part=whole_of(dataset, "InConcatenationNumber"),
        parts=whole_of(dataset, "InConcatenationTotalNumber"),
        rescale_type=text_of(dataset, "RescaleType").upper(),
        has_rescale=told_rescale(dataset) is not None,
        has_table=is_filled(dataset, "ModalityLUTSequence"),
        burned_in=text_of(dataset, "BurnedInAnnotation").upper() == "YES",
        has_pixels=has_pixels,
        syntax=text_of(dataset.file_meta, "TransferSyntaxUID"),
    )


def _with_a_plane(orientation: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Directions that span no plane, such as six zeros, are not known."""
    told = orientation if orientation and max(map(abs, orientation)) <= MAX_MM else None
    return told if told and normal_of(told).any() else None


def _of_pixels(spacing: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """A distance that no pixels have, such as 0, is not known."""
    return spacing if spacing and min(spacing) > 0 else None


def _in_reach(position: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return position if position and max(map(abs, position)) <= MAX_MM else None
