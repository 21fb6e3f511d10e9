"""The pictures of a multi-frame DICOM file, each told as the single-frame file it would have been."""

import mmap
from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag

from app.ct.reading.elements import check_length, text_of
from app.ct.reading.files import Damaged
from app.ct.reading.fragments import pictures_in, stored_in
from app.ct.words import sentence

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_SHARED, _PER_FRAME = GROUPS
# What each functional group (DICOM PS3.3 C.7.6.16) says, by the keyword a single-frame file says it with.
_MACROS = {
    "CTImageFrameTypeSequence": {"ImageType": "FrameType"},
    "FrameContentSequence": {
        "AcquisitionNumber": "FrameAcquisitionNumber",
        "AcquisitionDateTime": "FrameAcquisitionDateTime",
        "InstanceNumber": "InStackPositionNumber",
        "TemporalPositionIdentifier": "TemporalPositionIndex",
    },
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelMeasuresSequence": {"PixelSpacing": "PixelSpacing", "SliceThickness": "SliceThickness"},
    "PixelValueTransformationSequence": {k: k for k in ("RescaleSlope", "RescaleIntercept", "RescaleType")},
    "CTReconstructionSequence": {"ConvolutionKernel": "ConvolutionKernel"},
}
# What had no other place when single-frame files became one (PS3.3 C.7.6.16.2.25 and 26); never what pixels are read by.
_CONVERTED = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")
_CONVERTED_GROUPS = {0x0008, 0x0018, 0x0020}
# These tell frames of one file apart; what the file says of itself is of no use for that.
_OF_THE_FILE = {Tag(keyword) for keyword in ("InstanceNumber", "AcquisitionNumber", *GROUPS)}

# What a type begins with (FrameType, PS3.3 C.8.16.1.1) where the picture was computed of others.
_COMPUTED = "DERIVED"
_NOWHERE = sentence("damaged, it does not say where each of its pictures lies")
# A file of a megabyte for each picture of the longest exam lists fewer items; pydicom makes an object of a kilobyte of each.
MAX_ITEMS = 2**18
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_PIXEL_DATA = {True: b"\xe0\x7f\x10\x00", False: b"\x7f\xe0\x00\x10"}
_UNDEFINED = 0xFFFFFFFF


def check_items(content: bytes | mmap.mmap) -> None:
    """Refuse a file with more sequence items than any exam has, before each becomes an object.

    Raises:
        Damaged.
    """
    if len(content) <= 8 * MAX_ITEMS:
        return
    for item in _ITEMS:
        at = -1
        for _ in range(MAX_ITEMS):
            if (at := content.find(item, at + 1)) < 0:
                break
        else:
            raise Damaged(sentence("damaged, it lists absurdly many things"))


def single_frames(dataset: FileDataset, *, frames: int) -> Iterator[Dataset]:
    """For each picture of a multi-frame file, what its own file would say; ``dataset`` is left untouched.

    Args:
        dataset: with its functional groups, without pixels.
        frames: how many pictures the file holds (NumberOfFrames).

    Raises:
        Damaged: the functional groups of a picture are missing, or its position or its orientation; computed pictures need
            neither, if none of their type has them.
    """
    shared, each = _items(dataset, _SHARED)[:1], _items(dataset, _PER_FRAME)
    if len(each) != frames:
        raise Damaged(sentence("damaged, it does not describe each of its pictures"))
    alike = {element.tag: element for element in dataset if element.tag not in _OF_THE_FILE}
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for index, own in enumerate(each):
        frame = Dataset(dict(alike))
        frame.file_meta = dataset.file_meta
        for group in (*shared, own):
            _take(frame, group)
        if "InstanceNumber" not in frame:
            frame.InstanceNumber = index + 1
        kind = text_of(frame, "ImageType").upper()
        if not is_placed(frame) and kind.split("\\")[0] != _COMPUTED:
            raise Damaged(_NOWHERE)
        kinds[is_placed(frame)].add(kind)
        yield frame
    if kinds[True] & kinds[False]:
        raise Damaged(_NOWHERE)


def is_placed(frame: Dataset) -> bool:
    """Whether it is said where a picture lies."""
    return bool(frame.get("ImagePositionPatient") and frame.get("ImageOrientationPatient"))


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    items = dataset.get(keyword)
    return items if isinstance(items, pydicom.Sequence) else []


def _take(frame: Dataset, group: Dataset) -> None:
    """Put what one item of functional groups says into ``frame``."""
    for sequence, keywords in _MACROS.items():
        for item in _items(group, sequence)[:1]:
            for keyword, theirs in keywords.items():
                check_length(item, theirs)
                if item.get(theirs) not in (None, ""):
                    setattr(frame, keyword, item.get(theirs))
    for sequence in _CONVERTED:
        for item in _items(group, sequence)[:1]:
            wanted = [tag for tag in item.keys() if tag.group in _CONVERTED_GROUPS and tag not in frame]  # noqa: SIM118
            frame.update({tag: item.get_item(tag) for tag in wanted})
    for anatomy in _items(group, "FrameAnatomySequence")[:1]:
        for region in _items(anatomy, "AnatomicRegionSequence")[:1]:
            if not frame.get("BodyPartExamined"):
                frame.BodyPartExamined = str(region.get("CodeMeaning") or "")


def stored_frames(opened: BinaryIO, dataset: FileDataset, *, frames: int, wanted: Collection[int]) -> Iterator[bytes]:
    """The stored bytes of one wanted picture after the other, raw or compressed; no others are read, and one is in memory.

    Args:
        opened: standing where reading the header ended: at the pixels.
        dataset: the header.
        frames: how many pictures the file holds.
        wanted: numbers of pictures, from 0.

    Raises:
        Damaged: the file does not hold just as many pictures.
    """
    implicit, little = dataset.original_encoding
    element = opened.read(8 if implicit else 12)
    if not element.startswith(_PIXEL_DATA[bool(little)]):
        raise Damaged(sentence("cut off, without pixels"))
    length = int.from_bytes(element[-4:], "little" if little else "big")
    if length == _UNDEFINED:
        pictures = pictures_in(opened, frames=frames, extended=_offsets(dataset))
        yield from (stored_in(opened, pictures[frame]) for frame in wanted)
        return
    frame_bytes = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    # One picture more than are described would go unread; a little more is padding.
    if dataset.BitsAllocated % 8 or not frames * frame_bytes <= length < (frames + 1) * frame_bytes:
        raise Damaged(sentence("damaged, its pixels are not as many as it says"))
    begin = opened.tell()
    if begin + frames * frame_bytes > opened.seek(0, 2):
        raise Damaged(sentence("damaged, its pixels are not as many as it says"))
    yield from (stored_in(opened, [(begin + frame * frame_bytes, frame_bytes)]) for frame in wanted)


def _offsets(dataset: Dataset) -> tuple[bytes, bytes] | None:
    """Where the frames lie (Extended Offset Table, PS3.3 C.7.6.3.1.8), None where it is not said."""
    offsets, lengths = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    return (offsets, lengths) if isinstance(offsets, bytes) and isinstance(lengths, bytes) else None
