"""The pixels of one DICOM slice, decoded into the lung window."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.utils import pixel_array

from app.ct.errors import ExamError
from app.ct.reading.files import Damaged, Damages, attempt
from app.ct.reading.geometry import upright
from app.ct.reading.headers import Header, read_frames, read_whole
from app.ct.reading.scale import Levels, levels_of, mirror_of
from app.ct.reading.streams import bare_lossless, check_runs, check_sequential, check_size
from app.ct.reading.syntaxes import DECODERS
from app.ct.reading.values import Rescale, gray_of, rescale_of

_BY_THEIR_OWN_SIZE = {"pillow", "gdcm", "pyjpegls", "pylibjpeg"}
_USUAL = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded slice.

    Attributes:
        gray: uint8 (height, width) in the lung window, upright.
        levels: some of its values, and the rescale its tags name.
    """

    gray: np.ndarray
    levels: Levels


def decode_all(headers: Sequence[Header], *, rescale: Rescale | None = None) -> tuple[list[Picture], Damages]:
    """Decode every slice, each file opened once; Hounsfield units are dropped once windowed.

    Args:
        headers: of slices in syntaxes that are read here.
        rescale: to be used instead of what the slices say.

    Returns:
        The pictures of ``headers``, in their order, without those of files that cannot be decoded; and what is wrong
        with these.
    """
    files = _by_file(headers)
    decoded, damages = attempt(
        [frames[0] for frames in files.values()], lambda first: dict(_decoded(files[first.number], rescale))
    )
    pictures = {place: picture for file in decoded for place, picture in file.items()}
    return [pictures[h.number, h.frame] for h in headers if (h.number, h.frame) in pictures], damages


def damages_of(headers: Sequence[Header]) -> Damages:
    """What is wrong with files that cannot be decoded; no more than one picture is in memory.

    Args:
        headers: of slices in syntaxes that are read here.
    """
    files = _by_file(headers)
    first_of_each = [frames[0] for frames in files.values()]
    return attempt(first_of_each, lambda first: deque(_decoded(files[first.number], None), maxlen=0))[1]


def _by_file(headers: Sequence[Header]) -> dict[int, list[Header]]:
    files: dict[int, list[Header]] = {}
    for header in headers:
        files.setdefault(header.number, []).append(header)
    return files


def _decoded(headers: Sequence[Header], rescale: Rescale | None) -> Iterator[tuple[tuple[int, int], Picture]]:
    """The slices of one file, each with its number and frame.

    Raises:
        Damaged: the pixels cannot be decoded.
    """
    first, wanted = headers[0], {h.frame: h for h in headers}
    datasets = [read_whole(first)] if not first.grouped else read_frames(first, frames=first.frames)
    try:
        for frame, dataset in enumerate(datasets):
            if frame in wanted:
                yield (first.number, frame), _picture(dataset, wanted[frame], rescale)
    except (Damaged, ExamError):
        raise
    except Exception as error:
        raise Damaged("damaged, its pixels cannot be decoded") from error


def _picture(dataset: Dataset, header: Header, rescale: Rescale | None) -> Picture:
    stored = _stored(dataset, header)
    told = rescale_of(dataset)
    gray = gray_of(stored, dataset, rescale or told or Rescale(1.0, 0.0))
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    levels = levels_of(stored, told, mirror_of(stored, bits=dataset.BitsStored) if inverted else None)
    return Picture(gray if header.orientation is None else upright(gray, header.orientation), levels)


def _stored(dataset: Dataset, header: Header) -> np.ndarray:
    """Stored values; what old files leave unsaid is filled in."""
    decoder = DECODERS[dataset.file_meta.TransferSyntaxUID]
    for keyword, usual in _USUAL.items():
        if dataset.get(keyword) in (None, ""):
            setattr(dataset, keyword, usual)
    if decoder == "pydicom":
        runs = get_frame(dataset.PixelData, 0, number_of_frames=1)
        check_runs(runs, rows=header.rows, columns=header.columns)
    if decoder in _BY_THEIR_OWN_SIZE:
        stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
        check_size(stream, rows=header.rows, columns=header.columns)
        if decoder == "pillow":
            check_sequential(stream)
        if decoder == "gdcm":
            dataset.PixelData = encapsulate([bare_lossless(stream, rows=header.rows, columns=header.columns)])
    return _in_place(dataset, decoder)


def _in_place(dataset: Dataset, decoder: str) -> np.ndarray:
    """Stored values without the bits that belong to none of them (PS3.5 8.1.1).

    pydicom keeps the lowest BitsStored bits, wherever HighBit says they are. It is believed only where nothing lies below
    the values: where it is wrong, shifting would destroy them.
    """
    bits, high_bit = dataset.BitsStored, dataset.get("HighBit")
    if decoder not in _BY_THEIR_OWN_SIZE and isinstance(high_bit, int) and bits <= high_bit < dataset.BitsAllocated:
        dataset.BitsStored = high_bit + 1
        above = pixel_array(dataset, decoding_plugin=decoder)
        dataset.BitsStored = bits
        unused = high_bit + 1 - bits
        if not (above & ((1 << unused) - 1)).any():
            return np.asarray(above >> unused)
    return pixel_array(dataset, decoding_plugin=decoder)
