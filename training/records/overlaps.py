"""Pictures that show one slice though cut, scaled, mirrored or windowed otherwise, found by what they show where.

SIFT marks (Lowe, IJCV 60:91, 2004) propose: two pictures are compared where at least ``VOTES`` of 120 marks of one have a
near neighbor of the same angle in the other. One affine map through most of the marks they share decides, by itself or, where
it explains fewer, if the gray levels of the overlap agree.

Measured by ``python -m tests.proofs.copies`` on 4,573 slices of thirteen data sets (5 to 20 % cut off every side, half
mirrored, scaled by .5 to 1.3, JPEG quality 50): found are 100 of 100 copies each of covid-ct, soares and luna and 99 of 100 of
drenet (in all 399 of 400: at least .98, exact 95 % interval). Of 124,750 pairs of different patients in luna none is taken
for a copy, of 264,677 in drenet none, of 146,522 in covid-ct two; these two, and the 22 pairs of groups found in other data
sets or across them, show one patient under two names to the eye: ten of the 16 slices of medseg48 are slices of covidhelper
and ieee8023ct, cropped. In soares 211 pairs of different blocks are alike, half of them not next to each other: patients
exported twice (negatives, blocks 13 and 15, 14 and 17, 12 and 15, 5 and 7). The limits were set on these very pictures. It takes
about four minutes of one core.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

SIDE = 256
"""Longer side of the copy that marks are taken from, in pixels, whether shrunk or enlarged."""
MARKS, ASKED = 200, 120
"""Most marks kept of a picture, and how many of them ask for neighbors."""
VOTES = 5
NEIGHBORS = 5
CHECKS = 128
"""Marks looked at in search of neighbors. With 32 the last digits of another processor decide over a pair."""
ANGLE = 15.0
"""Degrees: copies are not turned."""
LIKE = 0.8
"""Least cosine of two marks that show the same."""
REACH = 3.0
"""Pixels of the copy by which a mark may miss the map."""
LEAST, LEAST_ALIKE = 15, 10
"""Places of the copy, 4 pixels wide, that the map must explain: by itself, and where gray levels agree as well."""
SHARE, SHARE_ALIKE = 0.6, 0.5
"""Share of the marks in common that the map must explain, likewise."""
CORRELATION, MIRRORED_CORRELATION = 0.95, 0.90
AT_ONCE = 1_000_000
"""Marks whose descriptors are held as floats at a time, which takes 1.5 GB. The data sets that the limits were set on have fewer;
of more, an even part decides on the axes."""
_DIMENSIONS = 48
_SMALLEST_OVERLAP = 125


@dataclass(frozen=True, eq=False)
class Marks:
    """What a picture shows where.

    Attributes:
        places: float32 (marks, 2), x and y in pixels of a copy whose longer side is ``SIDE``.
        angles: float32 (marks,), degrees.
        descriptors: uint8 (marks, 128), as SIFT gives them: 4 x 4 fields of 8 directions.
        small: uint8 (rows, columns), copy half as large, slightly blurred by that.
    """

    places: np.ndarray
    angles: np.ndarray
    descriptors: np.ndarray
    small: np.ndarray

    @classmethod
    def of(cls, gray: np.ndarray) -> "Marks":
        """Take the marks of uint8 (height, width)."""
        small = _scaled(gray, SIDE // 2)
        finder = cv2.SIFT.create(nfeatures=MARKS)
        found, descriptors = finder.detectAndCompute(_scaled(gray, SIDE), np.empty(0, np.uint8))
        places = np.array([mark.pt for mark in found[:MARKS]], dtype=np.float32).reshape(-1, 2)
        angles = np.array([mark.angle for mark in found[:MARKS]], dtype=np.float32)
        # Whole numbers up to 255, which OpenCV gives as float32.
        kept = np.zeros((0, 128), np.uint8) if descriptors is None else descriptors[:MARKS].astype(np.uint8)
        return cls(places, angles, kept, small)

    def mirrored(self) -> "Marks":
        """The marks of the mirror image: fields and directions run the other way around."""
        fields = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
        width = 2 * self.small.shape[1]
        return Marks(
            places=np.stack([width - 1 - self.places[:, 0], self.places[:, 1]], axis=1).astype(np.float32),
            angles=(180 - self.angles) % 360,
            descriptors=fields.reshape(-1, 128),
            small=np.ascontiguousarray(self.small[:, ::-1]),
        )

    def asking(self) -> "Marks":
        """``ASKED`` of the marks, evenly drawn from their list."""
        chosen = np.unique(np.linspace(0, max(0, len(self.angles) - 1), ASKED).astype(int))[: len(self.angles)]
        return replace(
            self, places=self.places[chosen], angles=self.angles[chosen], descriptors=self.descriptors[chosen]
        )


@dataclass(frozen=True)
class Overlap:
    """Two pictures, by their place in the sequence given, that show one slice; ``correlation`` where they overlap."""

    first: int
    second: int
    mirrored: bool
    correlation: float


def overlaps(marks: Sequence[Marks], *, at_once: int = AT_ONCE) -> Iterator[Overlap]:
    """All pairs of pictures found to show one slice, each once, ``first < second``; the same on every call.

    Args:
        marks: of the pictures.
        at_once: how many marks are looked up together; it bounds the memory.
    """
    if sum(len(m.angles) for m in marks) <= NEIGHBORS:
        return
    index = _Index(marks, at_once)
    found = set()
    for i, j in index.proposed([m.asking() for m in marks]):
        match = _match(marks[i], marks[j])
        if match.tells or match.agrees(CORRELATION):
            found.add((i, j))
            yield Overlap(i, j, mirrored=False, correlation=match.correlation)
    for i, j in index.proposed([m.asking().mirrored() for m in marks]):
        match = _match(marks[i], marks[j].mirrored())
        # A table and a round field of view are their own mirror images: places alone do not tell.
        if (i, j) not in found and match.agrees(MIRRORED_CORRELATION):
            yield Overlap(i, j, mirrored=True, correlation=match.correlation)


class _Index:
    """All marks of all pictures, to be asked for neighbors."""

    def __init__(self, marks: Sequence[Marks], at_once: int) -> None:
        from sklearn.decomposition import PCA

        self.at_once = at_once
        self.owners = _owners(marks)
        self.angles = np.concatenate([m.angles for m in marks])
        every = -(-len(self.angles) // at_once)
        fitted = _rooted(np.concatenate([m.descriptors[::every] for m in marks]))
        self.projection = PCA(min(_DIMENSIONS, len(fitted)), svd_solver="covariance_eigh").fit(fitted)
        del fitted
        projected = np.concatenate([self._project(part) for part in _parts(marks, at_once)])
        # The trees are drawn at random, from OpenCV's own numbers.
        cv2.setRNGSeed(0)
        self.trees = cv2.flann.Index(projected, {"algorithm": 1, "trees": 4})

    def proposed(self, queries: Sequence[Marks]) -> list[tuple[int, int]]:
        """Pairs of pictures with enough votes, ``first < second``, sorted."""
        counts, first = Counter[tuple[int, int]](), 0
        for part in _parts(queries, self.at_once):
            counts.update(self._votes(part, first))
            first += len(part)
        return sorted({(min(pair), max(pair)) for pair, count in counts.items() if count >= VOTES})

    def _votes(self, queries: Sequence[Marks], first: int) -> Iterator[tuple[int, int]]:
        """Pairs of a picture that asks, the ``first`` of them by that number, and one that shows the like; one a mark."""
        if not any(len(m.angles) for m in queries):
            return
        near, _ = self.trees.knnSearch(self._project(queries), NEIGHBORS, params={"checks": CHECKS})
        mark = np.repeat(np.arange(len(near)), NEIGHBORS)
        asker, owner = first + _owners(queries)[mark], self.owners[near.ravel()]
        turned = _turned(np.concatenate([m.angles for m in queries])[mark], self.angles[near.ravel()])
        valid = (turned < ANGLE) & (asker != owner)
        # A mark votes once for a picture, however many of that picture's marks are near.
        votes = np.unique(np.stack([mark, asker, owner], axis=1)[valid], axis=0)[:, 1:]
        yield from ((one, other) for one, other in votes.tolist())

    def _project(self, marks: Sequence[Marks]) -> np.ndarray:
        rooted = _rooted(np.concatenate([m.descriptors for m in marks]))
        if not len(rooted):
            return np.zeros((0, self.projection.n_components_), np.float32)
        return np.ascontiguousarray(self.projection.transform(rooted), dtype=np.float32)


def _parts(marks: Sequence[Marks], at_once: int) -> Iterator[Sequence[Marks]]:
    """Pictures in their order, as many at a time as have ``at_once`` marks together, but one at least."""
    start, held = 0, 0
    for end, one in enumerate(marks):
        if end > start and held + len(one.angles) > at_once:
            yield marks[start:end]
            start, held = end, 0
        held += len(one.angles)
    if start < len(marks):
        yield marks[start:]


def _owners(marks: Sequence[Marks]) -> np.ndarray:
    return np.repeat(np.arange(len(marks)), [len(m.angles) for m in marks])


def _rooted(descriptors: np.ndarray) -> np.ndarray:
    """float32 (marks, 128) of unit length: a product of two is their Hellinger kernel.

    Source: Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
    """
    counts = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)), dtype=np.float32)


def _turned(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between angles, 0..180."""
    return np.asarray(np.abs((a - b + 180) % 360 - 180))


@dataclass(frozen=True)
class _Match:
    """How many places one affine map explains, their share of the marks in common, and the correlation of the overlap."""

    places: int = 0
    share: float = 0.0
    correlation: float = 0.0

    @property
    def tells(self) -> bool:
        return self.places >= LEAST and self.share >= SHARE

    def agrees(self, least: float) -> bool:
        return self.places >= LEAST_ALIKE and self.share >= SHARE_ALIKE and self.correlation >= least


def _match(a: Marks, b: Marks) -> _Match:
    i, j = _shared(a, b)
    if len(i) < LEAST_ALIKE:
        return _Match()
    cv2.setRNGSeed(0)
    found, explained = cv2.estimateAffine2D(a.places[i], b.places[j], ransacReprojThreshold=REACH)
    if found is None:
        return _Match()
    places = len(np.unique(np.rint(a.places[i][explained.ravel() > 0] / 4), axis=0))
    return _Match(places, places / len(i), _correlation(a.small, b.small, np.asarray(found, dtype=np.float64)))


def _shared(a: Marks, b: Marks) -> tuple[np.ndarray, np.ndarray]:
    """Marks of each that are the other's best, as numbers."""
    if not len(a.angles) or not len(b.angles):
        return np.zeros(0, int), np.zeros(0, int)
    alike = _rooted(a.descriptors) @ _rooted(b.descriptors).T
    best = alike.argmax(axis=1)
    i = np.flatnonzero(alike.argmax(axis=0)[best] == np.arange(len(best)))
    j = best[i]
    same = (alike[i, j] > LIKE) & (_turned(a.angles[i], b.angles[j]) < ANGLE)
    return i[same], j[same]


def _correlation(a: np.ndarray, b: np.ndarray, affine: np.ndarray) -> float:
    """Of the small copies where ``a``, mapped, lies on ``b``; 0 where that is next to nothing or of one gray."""
    affine = affine.copy()
    affine[:, 2] /= 2
    size = b.shape[1], b.shape[0]
    inside = cv2.warpAffine(np.full(a.shape, 255, np.uint8), affine, size) > 250
    if inside.sum() < _SMALLEST_OVERLAP:
        return 0.0
    x, y = cv2.warpAffine(a, affine, size)[inside].astype(float), b[inside].astype(float)
    return round(float(np.corrcoef(x, y)[0, 1]), 3) if x.std() > 0 and y.std() > 0 else 0.0


def _scaled(gray: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(gray.shape)
    size = max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, size, interpolation=method))
