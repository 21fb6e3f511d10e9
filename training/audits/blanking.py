"""Prepared slices without lungs, and lungs without anything else.

Blanking is done after preprocessing, so that crop and gray levels stay those of the untouched slice. What it cannot take
away: gray levels are pinned to the lungs, so the contrast of what is left still depends on them.

Source: Maguolo and Nanni, "A critic evaluation of methods for COVID-19 automatic detection from X-ray images", Information
Fusion 76:1 (2021), who blacked out the lungs to see whether a classifier needs them.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from app.ct.preprocessing import LUNG_LEVEL, TISSUE_LEVEL, Prepared
from app.ct.windowing import LUNG
from training.audits.alterations import Alteration, Look

_MARGIN = 0.02
"""Of the picture: the finder's edge lies half-way between lung and wall, lesions of the pleura on it."""
_BEHIND = 0.08
"""Of the picture: consolidation behind hides lung from the finder; as much as preprocessing shows below the lungs' box."""
# Aerated lung and soft tissue in HU, where preprocessing leaves gray levels as they are.
_LUNG_HU, _TISSUE_HU = -850.0, 40.0

LUNGS_BLANKED, BOX_BLANKED, OUTSIDE_BLANKED = "lungs blanked", "lungs' box blanked", "all but the lungs blanked"


def blankings(preprocessing: str) -> tuple[Alteration, ...]:
    """The three alterations of the shortcut audit.

    Args:
        preprocessing: the model's, which says what gray level lung and soft tissue have.
    """
    lung, tissue = levels(preprocessing)
    ways: dict[str, tuple[Callable[[Prepared], np.ndarray], float]] = {
        LUNGS_BLANKED: (lung_region, lung),
        BOX_BLANKED: (box_region, lung),
        OUTSIDE_BLANKED: (lambda prepared: ~lung_region(prepared), tissue),
    }
    return tuple(Alteration(name, "", look=_filled(region, level)) for name, (region, level) in ways.items())


def levels(preprocessing: str) -> tuple[float, float]:
    """Gray levels of aerated lung and of soft tissue; fixed, since those of a slice would tell how ill its lungs are."""
    if preprocessing == "lung-box":
        return LUNG_LEVEL, TISSUE_LEVEL
    lung, tissue = LUNG.gray(np.array([_LUNG_HU, _TISSUE_HU]))
    return float(lung), float(tissue)


def lung_region(prepared: Prepared) -> np.ndarray:
    """The convex hull of the lungs in each half of the picture, widened a little and more so behind.

    The hull takes in lesions at the pleura that the finder left out.

    Returns:
        bool (size, size).
    """
    size = prepared.lung.shape[0]
    columns = np.flatnonzero(prepared.lung.any(axis=0))
    middle = (columns[0] + columns[-1] + 1) // 2
    left = np.arange(size) < middle
    hulls = _hull(prepared.lung & left) | _hull(prepared.lung & ~left)
    wide = ndimage.distance_transform_edt(~hulls) <= _MARGIN * size
    reach = round(_BEHIND * size)
    above = np.cumsum(wide, axis=0)
    return np.asarray(above > np.pad(above, ((reach + 1, 0), (0, 0)))[:size])


def box_region(prepared: Prepared) -> np.ndarray:
    """The lungs' bounding box down to the picture's lower edge; its shape says next to nothing of the lungs.

    Returns:
        bool (size, size).
    """
    region = np.zeros_like(prepared.lung)
    rows, columns = (np.flatnonzero(prepared.lung.any(axis=axis)) for axis in (1, 0))
    region[rows[0] :, columns[0] : columns[-1] + 1] = True
    return region


def _filled(region: Callable[[Prepared], np.ndarray], level: float) -> Look:
    def look(prepared: Prepared) -> Prepared | None:
        if prepared.lung_share == 0:
            return None
        return replace(prepared, image=np.where(region(prepared), np.uint8(round(level)), prepared.image))

    return look


def _hull(mask: np.ndarray) -> np.ndarray:
    """The convex hull of what is True, bool of the same shape; the mask itself where that is a line or less."""
    rows, columns = np.nonzero(mask)
    points = np.column_stack([columns, rows])
    try:
        corners = points[ConvexHull(points).vertices] if len(points) > 2 else points[:0]
    except QhullError:
        return mask
    if not len(corners):
        return mask
    picture = Image.new("1", (mask.shape[1], mask.shape[0]))
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in corners], fill=1)
    return np.asarray(np.asarray(picture) | mask)
