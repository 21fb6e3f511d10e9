"""Where the lungs are on one gray slice: a classical finder on a small copy.

It is not a segmentation: what it misses inside the lungs' box is shown to the network all the same, so lesions at the pleura
stay. Only around lungs that came masked, where there is nothing to see, does preprocessing use the mask itself.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from app.ct.morphology import close_and_fill, opened

COARSE = 256
"""Longer side of the copy that is searched, in pixels; all radii below are for it."""

_SMOOTHING = 1.0
_SMALLEST_SHARE = 0.006
"""Of the picture: what is smaller is airway, bowel gas or noise."""
_NEXT_SHARE = 0.12
"""Of the largest component: a second lung much smaller than the first is something else."""
_MOST_COMPONENTS = 3
_CLOSING_RADIUS = 7
_LEAST_DEPTH, _LEAST_DEPTH_AT_EDGE = 0.02, 0.06
"""Of the longer side: what is thinner is a gap between back and table, the more so where it meets the picture's edge."""
_FLAT = 0.4
"""Of the picture's height: two lungs that meet both sides of a tight crop are taller."""
_HAZY_STEP = 30
"""Gray levels added to the threshold where ground glass has made most of the lung brighter than half-way."""
_HAZY_BELOW, _HAZY_ABOVE = 0.05, 0.10
"""Shares of the picture: the higher threshold counts only if it turns next to nothing into lungs."""
_BLACK = 12
"""JPEG leaves noise in what was black."""
_CORNER = 0.012
"""Of the longer side: what is dark so near to a corner is the air around the body; the very corner may be a letter or a line."""
_SMEARED = 3
"""Pixels beside a frame or a strip that smoothing has mixed with it."""
_LOST_TO_STRIPS = 1.4
"""How much more lung must be found between black strips for them to be what hid it."""
_MASKED_BLACK_SHARE = 0.3
"""Exactly black pixels along border and picture beyond which somebody else has already masked the lungs."""


@dataclass(frozen=True, eq=False)
class Lungs:
    """The lungs of one slice.

    Attributes:
        mask: bool (rows, columns) on the coarse copy, closed and filled: lung with the lesions inside it.
        box: top, left, bottom, right of the mask in slice pixels, ends excluded.
        area_share: 0..1, area of the mask over the picture's.
        lung_gray: gray level of aerated lung, 0..255.
        tissue_gray: gray level of soft tissue in the box, 0..255; always above ``lung_gray``.
        masked: True where all outside the lungs was black already.
    """

    mask: np.ndarray
    box: tuple[int, int, int, int]
    area_share: float
    lung_gray: float
    tissue_gray: float
    masked: bool


def coarse_copy(gray: np.ndarray, size: int = COARSE) -> np.ndarray:
    """Shrink so that the longer side is at most ``size`` pixels.

    Args:
        gray: uint8 (height, width).
        size: pixels.

    Returns:
        uint8 (rows, columns).
    """
    height, width = gray.shape
    scale = size / max(height, width)
    if scale >= 1:
        return gray
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(gray).resize(shape, resample=Image.Resampling.BILINEAR, reducing_gap=2.0))


def otsu(gray: np.ndarray) -> float:
    """The gray level that best splits a picture in two.

    Args:
        gray: uint8, any shape.

    Source: Otsu, IEEE Trans. SMC 9:62 (1979).
    """
    counts = np.bincount(gray.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    above = below[-1] - below
    total = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(np.nanargmax(spread)) if np.isfinite(spread).any() else 0.0


def _is_masked(small: np.ndarray) -> bool:
    black = small <= _BLACK
    border = np.concatenate([black[0], black[-1], black[:, 0], black[:, -1]])
    # A whole slice has tissue around the lungs: of what is not black, most is bright. A masked one has none.
    shown = small[~black]
    return bool(
        black.mean() > _MASKED_BLACK_SHARE
        and border.mean() > _MASKED_BLACK_SHARE
        and shown.size > 0
        and (shown > 140).mean() < 0.2
    )


def _candidates(dark: np.ndarray) -> list[np.ndarray]:
    """Dark components that are not the air around the body, largest first."""
    labels, count = ndimage.label(dark)
    if count == 0:
        return []
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    corners = _in_corners(labels, max(1, round(_CORNER * max(dark.shape))))
    edges = np.bincount(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]), minlength=count + 1) / (
        2 * (dark.shape[0] + dark.shape[1])
    )
    across = set(labels[:, 0]) & set(labels[:, -1])
    places = ndimage.find_objects(labels)
    outside = [
        k
        for k in range(1, count + 1)
        if k in corners or edges[k] > 0.25 or (k in across and _is_flat(places[k - 1], dark.shape[0]))
    ]
    areas[outside] = 0
    order = np.argsort(-areas)[: 2 * _MOST_COMPONENTS]
    least = np.where(edges > 0, _LEAST_DEPTH_AT_EDGE, _LEAST_DEPTH) * max(dark.shape)
    large = [k for k in order if areas[k] >= _SMALLEST_SHARE * dark.size]
    thick = [k for k in large if _depth(labels[places[k - 1]] == k) >= least[k]]
    return [labels == k for k in thick[:_MOST_COMPONENTS] if areas[k] >= _NEXT_SHARE * areas[thick[0]]]


def _in_corners(labels: np.ndarray, side: int) -> set[int]:
    ends = (slice(None, side), slice(-side, None))
    return {int(k) for rows in ends for columns in ends for k in np.unique(labels[rows, columns])}


def _is_flat(place: tuple[slice, ...], height: int) -> bool:
    """Whether a component is a strip: air between a body wider than the picture and the table, never two lungs."""
    return bool(place[0].stop - place[0].start < _FLAT * height)


def _depth(component: np.ndarray) -> float:
    """Of a component cut out of its picture."""
    return float(ndimage.distance_transform_edt(np.pad(component, 1)).max())


def _lung_components(smooth: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Components and the threshold they were found at."""
    threshold = otsu(smooth)
    found = _candidates(opened(smooth <= threshold))
    if _area(found) < _HAZY_BELOW * smooth.size:
        hazy = _candidates(opened(smooth <= threshold + _HAZY_STEP))
        if _area(hazy) > _HAZY_ABOVE * smooth.size:
            return hazy, threshold + _HAZY_STEP
    return found, threshold


def _framed_components(small: np.ndarray, smooth: np.ndarray) -> tuple[list[np.ndarray], float]:
    """As ``_lung_components``, without what somebody has put around the picture.

    A white frame keeps air from the corners. Black strips along the edges of a picture that was cut through the lungs make
    one air of lung and strip; but black may be true air as well, so they are left out only where that shows more lung.
    """
    not_white = small < 255 - _BLACK
    frame, strips = _without_edges(not_white), _without_edges(not_white & (small > _BLACK))
    inside = _lung_components_in(smooth, frame)
    if strips == frame:
        return inside
    between = _lung_components_in(smooth, strips)
    return between if _area(between[0]) > _LOST_TO_STRIPS * _area(inside[0]) else inside


def _lung_components_in(smooth: np.ndarray, part: tuple[slice, slice]) -> tuple[list[np.ndarray], float]:
    found, threshold = _lung_components(smooth[part])
    whole = np.zeros((len(found), *smooth.shape), dtype=bool)
    for one, component in zip(whole, found, strict=True):
        one[part] = component
    return list(whole), threshold


def _without_edges(shown: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns between those along the picture's edges where nothing is shown, and a little further in."""

    def between(lines: np.ndarray) -> slice:
        places = np.flatnonzero(lines)
        if not places.size:
            return slice(0, 0)
        first, end = int(places[0]), int(places[-1]) + 1
        return slice(first + _SMEARED if first else 0, end - _SMEARED if end < len(lines) else end)

    return between(np.any(shown, axis=1)), between(np.any(shown, axis=0))


def _area(components: list[np.ndarray]) -> int:
    return sum(int(c.sum()) for c in components)


def find_lungs(gray: np.ndarray, *, size: int = COARSE) -> Lungs | None:
    """Find the lungs on a slice in the lung window.

    Args:
        gray: uint8 (height, width).
        size: longer side of the copy that is searched, pixels.

    Returns:
        None where nothing looks like lung.
    """
    small = coarse_copy(gray, size)
    scale = size / COARSE
    smooth = ndimage.gaussian_filter(small, _SMOOTHING * scale)
    masked = _is_masked(small)
    if masked:
        found, threshold = [opened(smooth > 2 * _BLACK, times=2)], 255.0
    else:
        found, threshold = _framed_components(small, smooth)
    if not found or found[0].sum() < _SMALLEST_SHARE * small.size:
        return None
    core = np.any(found, axis=0)
    mask = close_and_fill(core, max(1, round(_CLOSING_RADIUS * scale)))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    lung_gray, tissue_gray = _anchors(small[core], window, threshold=threshold, masked=masked)
    up = gray.shape[0] / small.shape[0], gray.shape[1] / small.shape[1]
    box = (
        int(rows[0] * up[0]),
        int(columns[0] * up[1]),
        min(gray.shape[0], int(np.ceil((rows[-1] + 1) * up[0]))),
        min(gray.shape[1], int(np.ceil((columns[-1] + 1) * up[1]))),
    )
    return Lungs(mask, box, float(mask.mean()), lung_gray, tissue_gray, masked)


def _anchors(lung: np.ndarray, window: np.ndarray, *, threshold: float, masked: bool) -> tuple[float, float]:
    """Gray levels of aerated lung (40th percentile) and of soft tissue (median of what is bright in the box)."""
    dark = float(np.percentile(lung, 40))
    bright = lung[lung > np.percentile(lung, 97)] if masked else window[window > threshold]
    tissue = float(np.median(bright)) if bright.size else dark + 100.0
    return dark, max(tissue, dark + 20.0)
