"""What the network is shown while training: prepared slices in several looks, some with synthetic lesions."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.ct.preprocessing import Prepared, Preprocessor
from training.augmentation import Augmentation
from training.catalog import Part, Record
from training.other_disease import OtherDisease
from training.synthesis import Synthesis

LEAST_LUNG = 0.06
"""Share of a slice that must be lung before lesions are drawn on it; less is base or apex."""


@dataclass(frozen=True, eq=False)
class Look:
    """One picture to learn from.

    Attributes:
        image: uint8 (size, size).
        mask: float32 (size, size) coverage by lesions, 0..1; None where it is not known.
        label: 1 for COVID-19 (or what is drawn like it), 0 for none, healthy or other disease.
        record: place of its record in the catalog.
        number: 0 for the slice as it will be served, 1, 2 ... for altered ones.
    """

    image: np.ndarray
    mask: np.ndarray | None
    label: int
    record: int
    number: int


def prepare_record(record: Record, preprocessor: Preprocessor) -> tuple[Prepared, np.ndarray]:
    """Read and prepare an image record as the service would.

    Returns:
        The prepared slice, and its gray picture, uint8 (height, width).
    """
    ct_slice = record.read().slices[0]
    return preprocessor(ct_slice), ct_slice.gray


def is_healthy(record: Record) -> bool:
    """Whether lesions may be drawn on the record: screening exams, normals, and the negatives of soares."""
    return record.label == 0 and record.dataset in {"luna", "chestct4", "soares"}


def teaches_map(record: Record) -> bool:
    """Whether the lesions of the record are known place by place: none, or drawn by people."""
    return is_healthy(record) or record.mask is not None


@dataclass(frozen=True)
class Drawn:
    """How many looks of a healthy slice get synthetic disease.

    Attributes:
        infiltrates: as COVID-19 pneumonia makes them.
        other: of other disease.
    """

    infiltrates: int = 2
    other: int = 1


def map_looks(
    records: Sequence[tuple[int, Record]], preprocessor: Preprocessor, *, drawn: Drawn, seed: int
) -> Iterator[Look]:
    """Looks with known lesions: healthy slices, the same with synthetic lesions, and slices with masks drawn by people.

    Args:
        records: (place in the catalog, record); those without a known mask are passed over.
        preprocessor: the model's.
        drawn: looks with synthetic disease.
        seed: the looks of a record depend on it and the record's place alone, not on the order.
    """
    for place, record in records:
        if is_healthy(record):
            yield from _healthy_looks(place, record, preprocessor, drawn=drawn, seed=seed)
        elif record.mask is not None:
            yield from _masked_looks(place, record, preprocessor, seed=seed)


def _healthy_looks(
    place: int, record: Record, preprocessor: Preprocessor, *, drawn: Drawn, seed: int
) -> Iterator[Look]:
    prepared, _ = prepare_record(record, preprocessor)
    if prepared.lung_share < LEAST_LUNG:
        return
    rng = _rng(seed, place)
    none = np.zeros(prepared.image.shape, np.float32)
    yield Look(prepared.image, none, 0, place, 0)
    yield _altered(prepared.image, prepared.lung, none, label=0, place=place, number=1, rng=rng)
    kinds = [(Synthesis(), 1)] * drawn.infiltrates + [(OtherDisease(), 0)] * drawn.other
    for number, (draw, label) in enumerate(kinds, start=2):
        image, mask = draw(prepared.image, prepared.lung, rng)
        yield _altered(image, prepared.lung, mask, label=label, place=place, number=number, rng=rng)


def _masked_looks(place: int, record: Record, preprocessor: Preprocessor, *, seed: int) -> Iterator[Look]:
    prepared, gray = prepare_record(record, preprocessor)
    mask = mask_in_box(record, prepared, gray.shape)
    yield Look(prepared.image, mask, record.label, place, 0)
    if record.part is Part.TRAIN:
        rng = _rng(seed, place)
        for number in (1, 2):
            yield _altered(prepared.image, prepared.lung, mask, label=record.label, place=place, number=number, rng=rng)


def mask_in_box(record: Record, prepared: Prepared, shape: tuple[int, ...]) -> np.ndarray:
    """The record's lesion mask where the prepared picture shows it, float32 (size, size), 0..1."""
    if record.mask is None:
        raise ValueError("the record has no mask")
    with Image.open(record.mask, formats=("PNG",)) as picture:
        whole = picture.convert("L").resize((shape[1], shape[0]), resample=Image.Resampling.NEAREST)
    top, left, bottom, right = prepared.box
    covered = Image.fromarray((np.asarray(whole) > 127).astype(np.float32))
    size = prepared.image.shape[0]
    edges = (left, top, right, bottom)
    return np.asarray(covered.resize((size, size), box=edges, resample=Image.Resampling.BILINEAR))


def labelled_looks(
    records: Sequence[tuple[int, Record]],
    preprocessor: Preprocessor,
    *,
    altered: int,
    altered_of: Mapping[str, int],
    seed: int,
) -> Iterator[Look]:
    """Every record as it will be served and, for training records, further looks.

    Args:
        records: (place in the catalog, record).
        preprocessor: the model's.
        altered: further looks of a training record.
        altered_of: the same for some data sets, by name.
        seed: as ``map_looks``.
    """
    for place, record in records:
        prepared, _ = prepare_record(record, preprocessor)
        yield Look(prepared.image, None, record.label, place, 0)
        if record.part is Part.TRAIN:
            rng = _rng(seed, place)
            for number in range(1, altered_of.get(record.dataset, altered) + 1):
                image, _ = Augmentation()(prepared.image, prepared.lung, None, rng)
                yield Look(image, None, record.label, place, number)


def _altered(
    image: np.ndarray,
    lung: np.ndarray,
    mask: np.ndarray,
    *,
    label: int,
    place: int,
    number: int,
    rng: np.random.Generator,
) -> Look:
    look, posed = Augmentation()(image, lung, mask, rng)
    return Look(look, posed, label, place, number)


def _rng(seed: int, place: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}/{place}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def coverage_on_grid(mask: np.ndarray, grid: int) -> np.ndarray:
    """Share of each place that is lesion: float32 (size, size) -> float32 (grid, grid)."""
    picture = Image.fromarray(np.asarray(mask, dtype=np.float32))
    return np.asarray(picture.resize((grid, grid), resample=Image.Resampling.BOX))
