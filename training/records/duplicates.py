"""Pictures that are the same, or nearly: copies, recodings, crops, mirror images and next-door slices of one scan.

For what is not cropped there are two tests, measured on 4,500 slices of twelve data sets. A 64-bit difference hash
proposes: copies recoded at JPEG quality 30, halved, brightened or blurred all lie within 5 bits; but within 2 bits also lie
hundreds of pairs of strangers (every chest has two dark lungs), so it cannot decide. The correlation of 32 x 32 thumbnails
decides: copies are above .99, next-door slices of one scan often above .95. Of 7.3 million pairs across data sets one was,
and it shows one scan; of 410,000 pairs of different patients within covid-ct and drenet none. What is cut otherwise
``overlaps`` finds.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from training.records.overlaps import Marks, overlaps

HASH_DISTANCE = 10
CORRELATION = 0.95
_SIDE = 32
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What one picture is recognised by.

    Attributes:
        sha256: of its size and pixels.
        bits, mirrored_bits: 64-bit difference hash of the picture and of its mirror image.
        thumbnail: float32 (1024,), zero mean, unit length; all 0 for a picture of one gray.
        marks: what it shows where.
    """

    sha256: str
    bits: int
    mirrored_bits: int
    thumbnail: np.ndarray
    marks: Marks

    @classmethod
    def of(cls, gray: np.ndarray) -> "Fingerprint":
        """Take the fingerprint of uint8 (height, width)."""
        picture = Image.fromarray(gray)
        digest = hashlib.sha256(f"{gray.shape}".encode() + np.ascontiguousarray(gray).tobytes()).hexdigest()
        mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return cls(
            digest,
            bits=_bits(picture),
            mirrored_bits=_bits(mirrored),
            thumbnail=_thumbnail(picture),
            marks=Marks.of(gray),
        )


@dataclass(frozen=True)
class Pair:
    """Two pictures, by their place in the sequence given, and how they are alike."""

    first: int
    second: int
    kind: Literal["exact", "near", "mirrored", "cropped", "cropped-mirrored"]
    correlation: float


def pairs(fingerprints: Sequence[Fingerprint]) -> Iterator[Pair]:
    """All pairs of equal or nearly equal pictures, each once, ``first < second``."""
    whole = set()
    for pair in _whole_pairs(fingerprints):
        whole.add((pair.first, pair.second))
        yield pair
    for found in overlaps([f.marks for f in fingerprints]):
        if (found.first, found.second) not in whole:
            kind: Literal["cropped", "cropped-mirrored"] = "cropped-mirrored" if found.mirrored else "cropped"
            yield Pair(found.first, found.second, kind=kind, correlation=found.correlation)


def _whole_pairs(fingerprints: Sequence[Fingerprint]) -> Iterator[Pair]:
    """Pairs that are alike from edge to edge."""
    if not fingerprints:
        return
    bits = np.array([f.bits for f in fingerprints], dtype=np.uint64)
    mirrored_bits = np.array([f.mirrored_bits for f in fingerprints], dtype=np.uint64)
    thumbnails = np.stack([f.thumbnail for f in fingerprints])
    mirrored = thumbnails.reshape(-1, _SIDE, _SIDE)[:, :, ::-1].reshape(len(thumbnails), -1)
    for start in range(0, len(bits), _CHUNK):
        rows = slice(start, start + _CHUNK)
        upright = _alike(bits[rows], bits, thumbnails[rows], thumbnails)
        flipped = _alike(bits[rows], mirrored_bits, thumbnails[rows], mirrored)
        later = np.triu(np.maximum(upright, flipped), start + 1)
        for i, j in np.argwhere(later > 0):
            yield _pair(fingerprints, start + int(i), int(j), float(upright[i, j]), float(flipped[i, j]))


def _pair(fingerprints: Sequence[Fingerprint], i: int, j: int, upright: float, flipped: float) -> Pair:
    if fingerprints[i].sha256 == fingerprints[j].sha256:
        return Pair(i, j, kind="exact", correlation=1.0)
    if upright >= flipped:
        return Pair(i, j, kind="near", correlation=round(upright, 3))
    return Pair(i, j, kind="mirrored", correlation=round(flipped, 3))


def _alike(a: np.ndarray, b: np.ndarray, thumbnails_a: np.ndarray, thumbnails_b: np.ndarray) -> np.ndarray:
    """float32 (a, b): the correlation where hash and correlation both agree, else 0. Pictures of one gray are equal."""
    correlation: np.ndarray = thumbnails_a @ thumbnails_b.T
    shaded_a, shaded_b = np.asarray(thumbnails_a.any(axis=1)), np.asarray(thumbnails_b.any(axis=1))
    correlation = np.where(shaded_a[:, None] | shaded_b[None, :], correlation, np.float32(1.0))
    distance: np.ndarray = np.bitwise_count(a[:, None] ^ b[None, :])
    return np.where((distance <= HASH_DISTANCE) & (correlation >= CORRELATION), correlation, np.float32(0.0))


def _bits(picture: Image.Image) -> int:
    """64-bit difference hash: whether each of 8 x 9 means is brighter than its left neighbour."""
    means = np.asarray(picture.resize((9, 8), resample=Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(means[:, 1:] > means[:, :-1]).tobytes(), "big")


def _thumbnail(picture: Image.Image) -> np.ndarray:
    small = np.asarray(picture.resize((_SIDE, _SIDE), resample=Image.Resampling.BOX), dtype=np.float32).ravel()
    centered: np.ndarray = small - small.mean()
    length = float(np.linalg.norm(centered))
    return centered / length if length > 0 else centered
