"""The heatmap as pictures: where a slice argued for COVID-19. It is evidence, never a lesion mask."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from app import NOTICE

Box = tuple[int, int, int, int]

_OPACITY = 0.65
_QUALITY = 88
_STOPS = np.array(
    [(0, 0, 0), (60, 15, 110), (150, 40, 125), (225, 80, 85), (250, 160, 60), (252, 250, 165)], dtype=np.float32
)
"""Color of heat 0, .2, .4 ... 1: violet, red, yellow; lightness rises evenly, so it reads without red-green vision."""


def enlarged(heat: np.ndarray, box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Enlarge a map to its box in the slice, zero outside.

    Args:
        heat: float (rows, columns), at least 0.
        box: top, left, bottom, right in slice pixels, ends excluded.
        shape: (height, width) of the slice.

    Returns:
        float32 (height, width), bilinear inside the box.
    """
    top, left, bottom, right = box
    picture = Image.fromarray(np.asarray(heat, dtype=np.float32))
    whole = np.zeros(shape, np.float32)
    size = (right - left, bottom - top)
    whole[top:bottom, left:right] = np.asarray(picture.resize(size, resample=Image.Resampling.BILINEAR))
    return whole


def colored(heat: np.ndarray) -> np.ndarray:
    """Colors of a map.

    Args:
        heat: float (...), 0..1.

    Returns:
        float32 (..., 3), 0..255.
    """
    places = np.linspace(0.0, 1.0, len(_STOPS))
    return np.stack([np.interp(heat, places, _STOPS[:, k]) for k in range(3)], axis=-1).astype(np.float32)


def image_png(gray: np.ndarray) -> bytes:
    """The slice itself: uint8 (height, width) -> PNG, with the notice."""
    return _png(Image.fromarray(gray))


def image_jpeg(gray: np.ndarray) -> bytes:
    """The slice as JPEG, a fifth as large as the PNG: uint8 (height, width), with the notice."""
    picture = Image.fromarray(gray)
    _write_notice(picture)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, comment=NOTICE)
    return file.getvalue()


def heatmap_png(heat: np.ndarray, box: Box, shape: tuple[int, int]) -> bytes:
    """The map as 8-bit gray, enlarged to the slice, with the notice. Arguments as ``enlarged``."""
    return _png(Image.fromarray(np.rint(enlarged(heat, box, shape) * 255).astype(np.uint8)))


def overlay_png(gray: np.ndarray, heat: np.ndarray, box: Box) -> bytes:
    """The slice with the map over it in color, with the notice.

    Args:
        gray: uint8 (height, width).
        heat: float (rows, columns), 0..1.
        box: as ``enlarged``.
    """
    whole = enlarged(heat, box, (gray.shape[0], gray.shape[1]))
    opacity = (_OPACITY * np.clip(whole / 0.25, 0, 1))[..., None]
    blended = gray[..., None] * (1 - opacity) + colored(whole) * opacity
    return _png(Image.fromarray(np.rint(blended).astype(np.uint8)))


def _png(picture: Image.Image) -> bytes:
    _write_notice(picture)
    text = PngInfo()
    text.add_text("Comment", NOTICE)
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=text, compress_level=3)
    return file.getvalue()


def _write_notice(picture: Image.Image) -> None:
    """Draw the notice along the lower edge, dark behind light so that it reads on any picture."""
    height = max(8, picture.height // 40)
    font = ImageFont.load_default(size=height)
    draw = ImageDraw.Draw(picture)
    white, black = ((255, 255, 255), (0, 0, 0)) if picture.mode == "RGB" else (255, 0)
    place: Callable[..., None] = draw.text
    place(
        (height // 2, picture.height - 2 * height),
        NOTICE,
        fill=white,
        font=font,
        stroke_width=max(1, height // 8),
        stroke_fill=black,
    )
