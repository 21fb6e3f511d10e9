"""One JPEG or PNG file -> its gray picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from app.ct.errors import TooLarge
from app.ct.reading.files import Damaged, Damages, Unsupported, attempt
from app.ct.reading.kinds import Kind, KnownFile
from app.ct.reading.levels import LEVELS, WHOLE_RANGE, Meaning, meaning_of
from app.ct.reading.streams import has_many_scans, is_usual_jpeg
from app.ct.words import sentence
from app.ct.workers import ON_THE_SPOT, Workers
from app.ct.workers.plain import carried

# An MPO is a JPEG with further pictures behind it, which phones put there: depth, brightness, a second view.
FORMATS = ("JPEG", "PNG")
MAX_PIXELS = 40_000_000
_HEAD_BYTES = 2**20
_JPEG = b"\xff\xd8"


@carried
@dataclass(frozen=True)
class Sized(KnownFile):
    """A picture's file.

    Attributes:
        size: (width, height) as stored, before it is turned upright.
        deep: its levels are gray of 16 bits.
    """

    size: tuple[int, int]
    deep: bool


def measure(file: KnownFile) -> Sized:
    """Size from the header alone, so that nothing too large is ever decoded.

    Raises:
        Damaged: empty, cut off or no picture.
        Unsupported: a JPEG of a rare process or of absurdly many scans, or several pictures in one PNG.
        TooLarge: more than ``MAX_PIXELS``.
    """
    if file.kind is Kind.EMPTY:
        raise Damaged(sentence("empty"))
    if file.kind is not Kind.IMAGE:
        raise Damaged(sentence("damaged, or of no known kind"))
    too_large = TooLarge(
        sentence(
            "File {number} (in the order sent): more than {most} megapixels.",
            number=file.number,
            most=MAX_PIXELS // 10**6,
        )
    )
    try:
        with file.file.open() as opened, Image.open(opened, formats=FORMATS) as image:
            size, mode = image.size, image.mode
            animated = image.format == "PNG" and getattr(image, "n_frames", 1) > 1
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large from error
    except Exception as error:
        raise _unread(file) from error
    if size[0] * size[1] > MAX_PIXELS:
        raise too_large
    if animated:
        raise Unsupported(sentence("several pictures in one PNG"))
    with file.file.view() as content:
        if has_many_scans(content) and content[:2] == _JPEG:
            raise Unsupported(sentence("a JPEG of absurdly many scans"))
    return Sized(file.number, file.file, file.kind, size=size, deep=mode.startswith("I"))


@dataclass(frozen=True)
class Decode:
    """Decodes pictures; ``meaning`` is that of the levels of 16-bit ones."""

    meaning: Meaning

    def __call__(self, file: Sized) -> np.ndarray:
        """See ``decode``."""
        return decode(file, self.meaning)


def decode(file: Sized, meaning: Meaning) -> np.ndarray:
    """Gray values of one picture, turned as its EXIF orientation says.

    Colors become gray by luminance (ITU-R 601), transparent places black.

    Args:
        file: as measured.
        meaning: of the levels of 16-bit pictures.

    Returns:
        uint8 (height, width).

    Raises:
        Damaged: cut off or damaged.
        Unsupported: a JPEG of a rare process.
    """
    image = _loaded(file)
    if file.deep:
        return meaning.gray(np.asarray(image))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.ascontiguousarray(np.array(image.convert("L")))


def check(file: Sized) -> None:
    """Decode a picture only to know that it can be.

    Raises:
        Damaged, Unsupported: as ``decode``.
    """
    decode(file, WHOLE_RANGE)


def meaning_for(files: Sequence[Sized], *, workers: Workers = ON_THE_SPOT) -> tuple[Meaning, Damages]:
    """What the levels of an exam's 16-bit pictures mean, all of them taken together; and which could not be read."""
    counts = np.zeros(LEVELS, dtype=np.int64)
    found, damages = attempt([f for f in files if f.deep], _levels_of, workers=workers)
    for one in found:
        counts += one
    return meaning_of(counts) if counts.any() else WHOLE_RANGE, damages


def _levels_of(file: Sized) -> np.ndarray:
    """How often each level is used, int (LEVELS,)."""
    return np.bincount(np.asarray(_loaded(file)).ravel().astype(np.uint16), minlength=LEVELS)


def _loaded(file: Sized) -> Image.Image:
    """The decoded picture, upright."""
    try:
        with file.file.open() as opened, Image.open(opened, formats=FORMATS) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except Exception as error:
        raise _unread(file) from error


def _unread(file: KnownFile) -> Damaged:
    with file.file.open() as opened:
        head = opened.read(_HEAD_BYTES)
    if head.startswith(_JPEG) and not is_usual_jpeg(head):
        return Unsupported(sentence("a JPEG of another process than baseline or progressive with 8 bits"))
    return Damaged(sentence("damaged or cut off"))
