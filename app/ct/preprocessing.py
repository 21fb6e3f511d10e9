"""From slices of any source to the network's one look: crop, gray levels, size.

Two preprocessors behind one interface. ``paper`` does what the paper says. ``lung-box`` is served: it crops to the lungs'
box and pins the gray levels of lung and soft tissue, so that exports of any window, size and scanner look alike.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from app.ct.exam import Slice
from app.ct.lungs import Lungs, find_lungs
from app.ct.manifest import PreprocessingSpec
from app.ct.morphology import eroded
from app.ct.workers.plain import carried

LUNG_LEVEL, TISSUE_LEVEL = 40.0, 200.0
"""Gray levels that aerated lung and soft tissue are brought to."""
_RIM = 3
"""Pixels of the prepared picture around lungs that came masked."""


@carried
@dataclass(frozen=True, eq=False)
class Prepared:
    """One slice as the network takes it.

    Attributes:
        image: uint8 (size, size).
        lung: bool (size, size), where the lungs are; all True where they were not found.
        box: top, left, bottom, right of the region shown, in slice pixels, ends excluded.
        lung_share: 0..1, share of the whole slice that is lung; 0 where the lungs were not found.
        masked: True where all outside the lungs was black already.
    """

    image: np.ndarray
    lung: np.ndarray
    box: tuple[int, int, int, int]
    lung_share: float
    masked: bool


class Preprocessor(Protocol):
    """Makes network input of a slice; deterministic, and the same in training and serving."""

    @property
    def size(self) -> int:
        """Rows and columns of what it makes."""
        ...

    def __call__(self, ct_slice: Slice) -> Prepared:
        """Prepare one slice, which is left untouched."""
        ...


def _crop_resize(pixels: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    top, left, bottom, right = box
    picture = Image.fromarray(pixels[top:bottom, left:right])
    return np.asarray(picture.resize((size, size), resample=Image.Resampling.BILINEAR))


def _lung_in(lungs: Lungs | None, box: tuple[int, int, int, int], shape: tuple[int, ...], size: int) -> np.ndarray:
    if lungs is None:
        return np.ones((size, size), dtype=bool)
    rows, columns = lungs.mask.shape[0] / shape[0], lungs.mask.shape[1] / shape[1]
    top, left, bottom, right = box
    picture = Image.fromarray(lungs.mask.astype(np.uint8) * 255)
    edges = (left * columns, top * rows, right * columns, bottom * rows)
    return np.asarray(picture.resize((size, size), box=edges, resample=Image.Resampling.BILINEAR)) > 127


def _prepared(image: np.ndarray, lung: np.ndarray, box: tuple[int, int, int, int], lungs: Lungs | None) -> Prepared:
    if lungs is None:
        return Prepared(image, lung, box, lung_share=0.0, masked=False)
    return Prepared(image, lung, box, lung_share=lungs.area_share, masked=lungs.masked)


@dataclass(frozen=True)
class Paper:
    """The paper's: 50 of 512 rows off top and bottom, never into the lungs; gray levels as they are; resize.

    Source: Zhu et al. 2021, section "Data preprocessing".
    """

    size: int = 299
    _rows_off: float = 50 / 512

    def __call__(self, ct_slice: Slice) -> Prepared:
        """Prepare one slice."""
        height, width = ct_slice.gray.shape
        off = round(height * self._rows_off)
        lungs = find_lungs(ct_slice.gray)
        top, bottom = (min(off, lungs.box[0]), max(height - off, lungs.box[2])) if lungs else (off, height - off)
        box = (top, 0, bottom, width)
        image = _crop_resize(ct_slice.gray, box, self.size)
        lung = _lung_in(lungs, box, ct_slice.gray.shape, self.size)
        return _prepared(image, lung, box, lungs)


@dataclass(frozen=True)
class LungBox:
    """Served: the lungs' box with a margin, lung at gray 40 and soft tissue at 200, resize.

    The margin is wider behind: consolidation gathers there in a patient who lies on the back, and hides lung from the finder.
    """

    size: int = 299
    _margin: float = 0.04
    _margin_behind: float = 0.08

    def __call__(self, ct_slice: Slice) -> Prepared:
        """Prepare one slice."""
        gray = ct_slice.gray
        lungs = find_lungs(gray)
        if lungs is None:
            box = (0, 0, *gray.shape)
            everywhere = _lung_in(None, box, gray.shape, self.size)
            return _prepared(_crop_resize(gray, box, self.size), everywhere, box, None)
        box = self._box(lungs, gray.shape[0], gray.shape[1])
        lung = _lung_in(lungs, box, gray.shape, self.size)
        image = np.asarray(_levels(lungs)[_crop_resize(gray, box, self.size)])
        if lungs.masked:
            # The rim between lung and black is neither; it would look like a dark line around the lungs.
            image = np.where(eroded(lung, times=_RIM), image, np.uint8(TISSUE_LEVEL))
        return _prepared(image, lung, box, lungs)

    def _box(self, lungs: Lungs, height: int, width: int) -> tuple[int, int, int, int]:
        top, left, bottom, right = lungs.box
        rows, columns = bottom - top, right - left
        return (
            max(0, top - round(rows * self._margin)),
            max(0, left - round(columns * self._margin)),
            min(height, bottom + round(rows * self._margin_behind)),
            min(width, right + round(columns * self._margin)),
        )


def _levels(lungs: Lungs) -> np.ndarray:
    """Look-up table, uint8 (256,): the line through the two anchors, clipped."""
    gain = (TISSUE_LEVEL - LUNG_LEVEL) / (lungs.tissue_gray - lungs.lung_gray)
    line = LUNG_LEVEL + (np.arange(256) - lungs.lung_gray) * gain
    return np.asarray(np.clip(np.rint(line), 0, 255), dtype=np.uint8)


_PREPROCESSORS: dict[str, type[Paper] | type[LungBox]] = {"paper": Paper, "lung-box": LungBox}


def make_preprocessor(name: str, size: int) -> Preprocessor:
    """The preprocessor of that name ("paper" or "lung-box")."""
    return _PREPROCESSORS[name](size=size)


def fingerprint(preprocessor: Preprocessor) -> str:
    """Digest of what the preprocessor does to fixed pictures: it changes when behaviour does, not only settings."""
    digest = hashlib.sha256()
    for picture in _probes():
        prepared = preprocessor(Slice(picture))
        digest.update(prepared.image.tobytes() + np.packbits(prepared.lung).tobytes() + repr(prepared.box).encode())
    return digest.hexdigest()[:16]


def spec_of(name: str, size: int) -> PreprocessingSpec:
    """Name, size and fingerprint, as the manifest holds them."""
    return PreprocessingSpec.model_validate(
        {"name": name, "size": size, "fingerprint": fingerprint(make_preprocessor(name, size))}
    )


def _probes() -> list[np.ndarray]:
    """A chest of ellipses; the same masked, cut to the body within white, cut through a lung beside black; and no lungs.

    Integers only, so alike on every machine.
    """
    y, x = np.mgrid[0:200, 0:240]

    def ellipse(row: int, column: int, rows: int, columns: int) -> np.ndarray:
        return np.asarray((y - row) ** 2 * columns**2 + (x - column) ** 2 * rows**2 <= rows**2 * columns**2)

    lungs = ellipse(100, 75, 60, 40) | ellipse(100, 165, 60, 40)
    speckle = ((x * 7 + y * 13) % 11).astype(np.uint8)
    chest = np.where(lungs, 50, np.where(ellipse(100, 120, 90, 115), 190, 0)).astype(np.uint8) + speckle
    masked = np.where(lungs, chest, 0).astype(np.uint8)
    body = np.pad(chest[10:190, 5:235], 4, constant_values=255)
    through = np.pad(chest[10:190, 50:235], ((0, 0), (8, 0)))
    return [chest, masked, body, through, np.full((64, 80), 120, np.uint8)]
