"""JPEG and PNG pictures in the lung window -> Exam."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from app.ct.errors import TooLarge, UnevenExam
from app.ct.exam import Exam, InputKind, Order, Slice
from app.ct.reading.files import Damaged, attempt, natural_key, refuse
from app.ct.reading.kinds import Kind, KnownFile
from app.ct.reading.polarity import are_for_soft_tissue, are_inverted

FORMATS = ("JPEG", "PNG")
MAX_PIXELS = 40_000_000
# 4096 slices of 512 x 512, one byte each.
MAX_EXAM_PIXELS = 2**30
_NO_POSITIONS = "Pictures hold no positions: missing slices cannot be noticed."
_NAME_TWICE = "File names repeat: the pictures are in the order they were sent in."
_INVERTED = "The pictures show air white and tissue black: their gray levels were inverted."
_SOFT_TISSUE = (
    "The pictures are in a mediastinal (soft tissue) or bone window, in which the lungs are black;"
    " the model was made for the lung window."
)


@dataclass(frozen=True)
class Sized(KnownFile):
    """A picture's file and its (width, height) as stored, before it is turned upright."""

    size: tuple[int, int]


def read_images(files: Sequence[KnownFile], *, total: int) -> Exam:
    """Read pictures in natural file-name order.

    Args:
        files: JPEG and PNG files and files of no known kind.
        total: how many files the upload holds.

    Raises:
        ExamError: as ``read_exam``.
    """
    sized, damages = attempt(files, measure)
    if damages:
        refuse(damages | attempt(sized, decode)[1], total=total)
    _check_sizes({(min(f.size), max(f.size)) for f in sized}, len(sized))
    order, ranked = _ordered(sized)
    pictures, damages = attempt(ranked, decode)
    refuse(damages, total=total)
    _check_sizes({(gray.shape[1], gray.shape[0]) for gray in pictures}, len(pictures))
    inverted = are_inverted(pictures)
    if inverted:
        pictures = [255 - gray for gray in pictures]
    noted = (
        (_NO_POSITIONS, len(ranked) > 1),
        (_NAME_TWICE, order is Order.UPLOAD),
        (_INVERTED, inverted),
        (_SOFT_TISSUE, are_for_soft_tissue(pictures)),
    )
    return Exam(
        tuple(Slice(gray, file_number=f.number) for f, gray in zip(ranked, pictures, strict=True)),
        kind=InputKind.IMAGES,
        order=order,
        files=total,
        warnings=tuple(sentence for sentence, holds in noted if holds),
    )


def measure(file: KnownFile) -> Sized:
    """Size from the header alone, so that nothing too large is ever decoded.

    Raises:
        Damaged: empty, cut off or no picture.
        TooLarge: more than ``MAX_PIXELS``.
    """
    if file.kind is Kind.EMPTY:
        raise Damaged("empty")
    if file.kind is not Kind.IMAGE:
        raise Damaged("damaged, or of no known kind")
    too_large = TooLarge(f"File {file.number} (in the order sent): more than {MAX_PIXELS // 10**6} megapixels.")
    try:
        with file.file.open() as opened, Image.open(opened, formats=FORMATS) as image:
            size = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large from error
    except Exception as error:
        raise Damaged("damaged or cut off") from error
    if size[0] * size[1] > MAX_PIXELS:
        raise too_large
    return Sized(file.number, file.file, file.kind, size=size)


def decode(file: Sized) -> np.ndarray:
    """Gray values of one picture, turned as its EXIF orientation says.

    Colors become gray by luminance (ITU-R 601), transparent places black. A 16-bit PNG is taken to use the whole range
    of its type: 0 is black, 65535 white.

    Returns:
        uint8 (height, width).

    Raises:
        Damaged: cut off or damaged.
    """
    try:
        with file.file.open() as opened, Image.open(opened, formats=FORMATS) as image:
            image.load()
            return np.ascontiguousarray(_gray(ImageOps.exif_transpose(image)))
    except Exception as error:
        raise Damaged("damaged or cut off") from error


def _gray(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        # 257 maps 65535 onto 255 and 0 onto 0.
        levels = np.asarray(image).astype(np.float32) / np.float32(257.0)
        return np.asarray(np.rint(levels).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("L"))


def _check_sizes(sizes: set[tuple[int, int]], pictures: int) -> None:
    """Refuse mixed sizes and too many pixels; before decoding, when it is not known which pictures lie on their side."""
    if len(sizes) > 1:
        raise UnevenExam("The pictures are not all of the same size.")
    ((width, height),) = sizes
    if width * height * pictures > MAX_EXAM_PIXELS:
        raise TooLarge(f"The exam holds more than {MAX_EXAM_PIXELS // 10**6} megapixels.")


def _ordered(files: Sequence[Sized]) -> tuple[Order, list[Sized]]:
    if len({f.file.name for f in files}) < len(files):
        return Order.UPLOAD, list(files)
    return Order.FILE_NAME, sorted(files, key=lambda f: natural_key(f.file.name))
