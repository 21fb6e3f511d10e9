"""What there is to the pixels of a DICOM picture whose header is known."""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate

from app.ct.reading.files import Damaged
from app.ct.reading.frames import stored_frames
from app.ct.reading.headers import Header
from app.ct.reading.parsing import open_plain, parse, parse_before_groups, with_offsets, with_pixels
from app.ct.words import sentence

# Nothing else of a file is parsed, however much there is.
_TAGS = [
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleIntercept",
    "RescaleSlope",
]


def read_whole(header: Header) -> FileDataset:
    """What there is to a picture's pixels, with a transfer syntax even where the file names none.

    Raises:
        Damaged: cannot be parsed.
    """
    with open_plain(header, deflated=header.deflated) as opened:
        return with_pixels(opened, parse(opened, _TAGS))


def read_frames(headers: Sequence[Header]) -> Iterator[Dataset]:
    """What there is to the pixels of each picture in turn, as its own file would be; only one picture is in memory.

    What its functional groups say of it, the headers know: neither these nor other pictures are read again.

    Args:
        headers: of pictures of one multi-frame file.

    Raises:
        Damaged: cannot be parsed, or holds another number of pictures than it says.
    """
    first = headers[0]
    with open_plain(first, deflated=first.deflated) as opened:
        dataset = parse_before_groups(opened, _TAGS)
        # Without the offset tables, which would mislead the decoder of a single picture.
        alike = {element.tag: element for element in dataset}
        opened.seek(first.rest_at)
        dataset = with_offsets(opened, dataset)
        encapsulated = dataset.file_meta.TransferSyntaxUID.is_encapsulated
        try:
            for stored in stored_frames(opened, dataset, frames=first.frames, wanted=[h.frame for h in headers]):
                frame = Dataset(dict(alike))
                frame.file_meta = dataset.file_meta
                frame.add_new(
                    "PixelData", "OB" if encapsulated else "OW", encapsulate([stored]) if encapsulated else stored
                )
                frame.NumberOfFrames = 1
                yield frame
        except Damaged:
            raise
        except Exception as error:
            raise Damaged(sentence("damaged, its pixels cannot be decoded")) from error
