"""JPEG and PNG pictures in the lung window -> Exam."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from app.ct.errors import TooLarge, UnevenExam
from app.ct.exam import Exam, InputKind, Order, Slice
from app.ct.reading.files import Damaged, natural_key, read_each
from app.ct.reading.kinds import Kind, KnownFile

FORMATS = ("JPEG", "PNG")
MAX_PIXELS = 40_000_000
# 4096 slices of 512 x 512, one byte each.
MAX_EXAM_PIXELS = 2**30
_NO_POSITIONS = "Pictures hold no positions: missing slices cannot be noticed."
_NAME_TWICE = "File names repeat: the pictures are in the order they were sent in."


@dataclass(frozen=True)
class Sized(KnownFile):
    """A picture's file and its size once turned upright."""

    size: tuple[int, int]


def read_images(files: Sequence[KnownFile], *, total: int) -> Exam:
    """Read pictures in natural file-name order.

    Args:
        files: JPEG and PNG files and files of no known kind.
        total: how many files the upload holds.

    Raises:
        ExamError: as ``read_exam``.
    """
    sized = read_each(files, measure, total=total)
    _check_sizes(sized)
    order, ranked = _ordered(sized)
    pictures = read_each(ranked, decode, total=total)
    return Exam(
        tuple(Slice(gray, file_number=f.number) for f, gray in zip(ranked, pictures, strict=True)),
        kind=InputKind.IMAGES,
        order=order,
        files=total,
        warnings=() if len(ranked) == 1 else (_NO_POSITIONS, *((_NAME_TWICE,) if order is Order.UPLOAD else ())),
    )


def measure(file: KnownFile) -> Sized:
    """Size from the header alone, so that nothing too large is ever decoded.

    Raises:
        Damaged: empty, cut off or no picture.
        TooLarge: more than ``MAX_PIXELS``.
    """
    if file.kind is Kind.EMPTY:
        raise Damaged("is empty")
    if file.kind is not Kind.IMAGE:
        raise Damaged("is damaged or of no known kind")
    too_large = TooLarge(f"File {file.number} (in the order sent) has more than {MAX_PIXELS // 10**6} megapixels.")
    try:
        with file.file.open() as opened, Image.open(opened, formats=FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large from error
    except Exception as error:
        raise Damaged("is damaged or cut off") from error
    if width * height > MAX_PIXELS:
        raise too_large
    return Sized(file.number, file.file, file.kind, size=(height, width) if turned else (width, height))


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
        raise Damaged("is damaged or cut off") from error


def _gray(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        # 257 maps 65535 onto 255 and 0 onto 0.
        levels = np.asarray(image).astype(np.float32) / np.float32(257.0)
        return np.asarray(np.rint(levels).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("L"))


def _check_sizes(files: Sequence[Sized]) -> None:
    if len({f.size for f in files}) > 1:
        raise UnevenExam("The pictures are not all of the same size.")
    width, height = files[0].size
    if width * height * len(files) > MAX_EXAM_PIXELS:
        raise TooLarge(f"The exam holds more than {MAX_EXAM_PIXELS // 10**6} megapixels.")


def _ordered(files: Sequence[Sized]) -> tuple[Order, list[Sized]]:
    if len({f.file.name for f in files}) < len(files):
        return Order.UPLOAD, list(files)
    return Order.FILE_NAME, sorted(files, key=lambda f: natural_key(f.file.name))
