"""What synthetic disease is drawn with: smooth noise, nets of lines, branching tubes. Random numbers in, float32 pictures out."""

import numpy as np
from scipy import ndimage


def smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise blurred to ``sigma`` pixels, mean 0, deviation 1; drawn coarsely where it is smooth, for speed."""
    step = max(1, int(sigma / 2))
    coarse = tuple(-(-s // step) + 4 for s in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma / step)
    noise = noise / (noise.std() + 1e-6)
    if step > 1:
        noise = ndimage.zoom(noise, step, order=1)
    return np.asarray(noise[: shape[0], : shape[1]])


def septal_net(shape: tuple[int, ...], cell: float, rng: np.random.Generator) -> np.ndarray:
    """Thickened septa: the borders between polygons of about ``cell`` pixels, 0..1."""
    count = max(4, int(shape[0] * shape[1] / cell**2))
    at = rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)
    elsewhere = np.ones(shape, dtype=bool)
    elsewhere[at] = False
    numbers = np.zeros(shape, np.int32)
    numbers[at] = np.arange(1, count + 1)
    nearest = ndimage.distance_transform_edt(elsewhere, return_distances=False, return_indices=True)
    polygons = numbers[tuple(nearest)]
    edge = (polygons != np.roll(polygons, 1, axis=0)) | (polygons != np.roll(polygons, 1, axis=1))
    net = ndimage.gaussian_filter(edge.astype(np.float32), 0.8)
    return np.asarray(net / net.max())


def branches(
    shape: tuple[int, ...], start: tuple[int, int], rng: np.random.Generator, *, count: int, length: float, width: float
) -> np.ndarray:
    """Branching tubes from one place, as bronchi run, 0..1.

    Args:
        shape: rows, columns.
        start: row and column they all begin at.
        rng: the only source of chance.
        count: tubes.
        length: of a tube, pixels, about.
        width: of a tube, pixels (deviation of its profile).
    """
    drawn = np.zeros(shape, np.float32)
    for _ in range(count):
        (row, column), course = map(float, start), rng.uniform(0, 2 * np.pi)
        for _ in range(int(length * rng.uniform(0.5, 1.3))):
            row, column = row + np.sin(course), column + np.cos(course)
            if not (0 <= row < shape[0] and 0 <= column < shape[1]):
                break
            drawn[int(row), int(column)] = 1
            course += rng.normal(0, 0.12) + (rng.choice([-0.6, 0.6]) if rng.random() < 0.04 else 0)
    return np.asarray(np.clip(ndimage.gaussian_filter(drawn, width) * width / 0.25, 0, 1))


def soft_edge(inside: np.ndarray, softness: float) -> np.ndarray:
    """0..1 from a signed distance in pixels, positive inside; ``softness`` pixels wide."""
    return np.asarray(1 / (1 + np.exp(np.clip(-inside / softness, -30, 30))), dtype=np.float32)


def raised(drawn: np.ndarray, level: float | np.ndarray, share: np.ndarray) -> np.ndarray:
    """``drawn`` brought to ``level`` where ``share`` is 1; nowhere darker."""
    return np.asarray(drawn + share * np.maximum(level - drawn, 0), dtype=np.float32)


def visible(drawn: np.ndarray, image: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The coverage where something can be seen to have changed; what a vessel hides inside a lesion is still lesion."""
    seen = np.clip((drawn - image) / 12.0, 0.0, 1.0)
    return np.asarray(coverage * np.maximum(seen, ndimage.grey_closing(seen, size=(7, 7))), dtype=np.float32)


def as_picture(drawn: np.ndarray) -> np.ndarray:
    """uint8."""
    return np.asarray(np.clip(np.rint(drawn), 0, 255), dtype=np.uint8)
