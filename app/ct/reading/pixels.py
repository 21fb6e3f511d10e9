"""The pixels of one DICOM slice, decoded into the lung window."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.utils import pixel_array

from app.ct.errors import ExamError
from app.ct.reading.datasets import read_frames, read_whole
from app.ct.reading.files import Damaged, Damages, NumberedFile, attempt, attempted
from app.ct.reading.first import First, OnFirst
from app.ct.reading.geometry import upright
from app.ct.reading.headers import MAX_FRAMES, Header
from app.ct.reading.scale import Levels, levels_of, mirror_of
from app.ct.reading.streams import bare_lossless, check_runs, check_sequential, check_size
from app.ct.reading.syntaxes import DECODERS
from app.ct.reading.values import Rescale, believed, hounsfield_of, keep_values, told_rescale, whole_units
from app.ct.windowing import LUNG
from app.ct.words import sentence
from app.ct.workers import ON_THE_SPOT, Workers
from app.ct.workers.plain import carried

_BY_THEIR_OWN_SIZE = {"pillow", "gdcm", "pyjpegls", "pylibjpeg"}
_USUAL = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}


@carried
@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded slice.

    Attributes:
        gray: uint8 (height, width) in the lung window, upright.
        levels: some of its values, and the rescale its tags name.
        values: file of its Hounsfield units, upright, where they are kept; see ``app.ct.exam.Slice``.
    """

    gray: np.ndarray
    levels: Levels
    values: Path | None = None


_Place = tuple[int, int]
"""Numbers of a file and of a frame in it."""
_Decoded = tuple[Header, Picture, np.ndarray]
"""With its Hounsfield units, float32 (height, width), upright."""
_MOST_FRAMES, _MOST_PIXELS = 32, 2**25
"""Of one part of a file; a slice of JPEG 2000 takes 22 ms."""


def decode_all(
    headers: Sequence[Header],
    *,
    rescale: Rescale | None = None,
    values_in: Path | None = None,
    on_first: OnFirst | None = None,
    workers: Workers = ON_THE_SPOT,
) -> tuple[list[Picture], Damages]:
    """Decode every slice, each file opened once; Hounsfield units are in memory for one slice at a time.

    Args:
        headers: of slices in syntaxes that are read here.
        rescale: to be used instead of what the slices say.
        values_in: folder to keep Hounsfield units in; None keeps none.
        on_first: is given the first pictures of a large exam, as soon as they are decoded.
        workers: decode them.

    Returns:
        The pictures of ``headers``, in their order, without those of files that cannot be decoded; and what is wrong
        with these.
    """
    pictures: dict[_Place, Picture] = {}
    damages: Damages = {}
    first = First(len(headers), on_first)
    places = {(h.number, h.frame): place for place, h in enumerate(headers)}
    parts = _parts([headers[place] for place in first.order])
    for part, found in attempted(parts, _Decode(rescale, keeps=values_in is not None), workers=workers):
        if isinstance(found, Damaged):
            damages[part.number] = found
            continue
        # Which slices these are, the service knows better than a worker, and a worker can write nothing.
        for header, (picture, units) in zip(part.headers, found, strict=True):
            place = (header.number, header.frame)
            pictures[place] = replace(picture, values=_kept(header, units, picture, values_in))
            first.add(places[place], picture.gray)
    decoded = [h for h in headers if h.number not in damages]
    return [pictures[h.number, h.frame] for h in decoded], damages


def damages_of(headers: Sequence[Header], *, workers: Workers = ON_THE_SPOT) -> Damages:
    """What is wrong with files that cannot be decoded; no more than one picture of each worker is in memory.

    Args:
        headers: of slices in syntaxes that are read here.
        workers: decode them.
    """
    return attempt(_parts(headers), _try_to_decode, workers=workers)[1]


@dataclass(frozen=True)
class _Part(NumberedFile):
    """Some of the wanted slices of one file, in its order."""

    headers: tuple[Header, ...]


def _parts(headers: Sequence[Header]) -> list[_Part]:
    """Files in parts of so many slices that one is no more work than a worker may take."""
    files: dict[int, list[Header]] = {}
    for header in headers:
        files.setdefault(header.number, []).append(header)
    return [part for frames in files.values() for part in _of_file(sorted(frames, key=lambda h: h.frame))]


def _of_file(frames: Sequence[Header]) -> Iterator[_Part]:
    first = frames[0]
    # Each part of a deflated file inflates all of it, and none of its slices takes long.
    most = MAX_FRAMES if first.deflated else _MOST_FRAMES
    count = max(1, min(most, _MOST_PIXELS // max(1, first.rows * first.columns)))
    for start in range(0, len(frames), count):
        yield _Part(first.number, first.file, tuple(frames[start : start + count]))


@dataclass(frozen=True)
class _Decode:
    """Decodes the slices of a part; see ``decode_all``."""

    rescale: Rescale | None
    keeps: bool

    def __call__(self, part: _Part) -> list[tuple[Picture, np.ndarray | None]]:
        pictures = []
        for _, picture, hu in _decoded(part, self.rescale):
            pictures.append((picture, whole_units(hu) if self.keeps else None))
            del hu  # The next one need not find it in memory.
        return pictures


def _try_to_decode(part: _Part) -> None:
    deque(_decoded(part, None), maxlen=0)


def _kept(header: Header, units: np.ndarray | None, picture: Picture, folder: Path | None) -> Path | None:
    """The file of a slice's Hounsfield units; what cannot be written is no fault of the slice's file."""
    if units is None or folder is None:
        return None
    if units.shape != picture.gray.shape:
        raise ValueError("a slice's Hounsfield units and its picture differ in shape")
    path = folder / f"{header.number:06}-{header.frame:04}.npy"
    keep_values(units, path)
    return path


def _decoded(part: _Part, rescale: Rescale | None) -> Iterator[_Decoded]:
    """The slices of a part, all of them.

    Raises:
        Damaged: the pixels cannot be decoded.
    """
    first = part.headers[0]
    try:
        datasets = read_frames(part.headers) if first.grouped else [read_whole(first)]
        for header, dataset in zip(part.headers, datasets, strict=True):
            yield header, *_picture(dataset, header, rescale)
    except (Damaged, ExamError):
        raise
    except Exception as error:
        raise Damaged(sentence("damaged, its pixels cannot be decoded")) from error


def _picture(dataset: Dataset, header: Header, rescale: Rescale | None) -> tuple[Picture, np.ndarray]:
    stored = _stored(dataset, header)
    told = believed(header.rescale if header.grouped else told_rescale(dataset))
    hu = hounsfield_of(stored, dataset, rescale or told or Rescale(1.0, 0.0))
    if header.orientation is not None:
        hu = upright(hu, header.orientation)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    levels = levels_of(stored, told, mirror_of(stored, bits=dataset.BitsStored) if inverted else None)
    return Picture(LUNG.gray(hu), levels), hu


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
