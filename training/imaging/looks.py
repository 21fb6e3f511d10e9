"""What the network is shown while training: prepared slices in several looks, some with synthetic disease."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from PIL import Image

from app.ct.preprocessing import Prepared, Preprocessor
from training.imaging.augmentation import Augmentation
from training.imaging.other_disease import OtherDisease
from training.imaging.synthesis import Synthesis
from training.records.catalog import Record
from training.records.masks import read_mask

LEAST_LUNG = 0.06
"""Share of a slice that must be lung before lesions are drawn on it; less is base or apex."""
HEALTHY = frozenset({"luna", "chestct4", "soares"})
"""Data sets whose negatives are taken for lungs without disease, so that lesions are drawn on them. Not all are:
some of soares, and one of luna with a nodule, do show some (looked at by laymen)."""


@dataclass(frozen=True)
class LookSettings:
    """How many looks of a slice there are.

    Attributes:
        altered: beside the slice as it will be served; ``altered_of`` overrides it for some data sets.
        infiltrates: of a healthy slice, with disease as COVID-19 pneumonia makes it.
        other: of a healthy slice, with other disease.
    """

    altered: int = 2
    altered_of: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    infiltrates: int = 2
    other: int = 1

    def told(self, dataset: str) -> tuple[int, int, int]:
        """Numbers of altered looks, of infiltrates and of other disease for a data set."""
        return self.altered_of.get(dataset, self.altered), self.infiltrates, self.other


@dataclass(frozen=True, eq=False)
class Look:
    """One picture to learn from.

    Attributes:
        image: uint8 (size, size).
        mask: float32 (size, size) coverage by lesions, 0..1; None where it is not known.
        label: 1 for COVID-19, or what is drawn like it; 0 for none, healthy or other disease.
        number: 0 for the slice as it will be served, 1, 2 ... for altered ones.
        drawn: whether its disease is synthetic.
    """

    image: np.ndarray
    mask: np.ndarray | None
    label: int
    number: int
    drawn: bool = False


def prepare_record(record: Record, preprocessor: Preprocessor) -> tuple[Prepared, np.ndarray]:
    """Read and prepare an image record as the service would.

    Returns:
        The prepared slice, and its gray picture, uint8 (height, width).
    """
    ct_slice = record.read().slices[0]
    return preprocessor(ct_slice), ct_slice.gray


def is_healthy(record: Record) -> bool:
    """Whether lesions may be drawn on the record: screening exams, normals, and the negatives of soares."""
    return record.label == 0 and record.dataset in HEALTHY


def looks_of(
    record: Record, preprocessor: Preprocessor, settings: LookSettings, rng: np.random.Generator
) -> Iterator[Look]:
    """All looks of a record.

    Args:
        record: an image.
        preprocessor: the model's.
        settings: how many.
        rng: the only source of chance.
    """
    altered, infiltrates, other = settings.told(record.dataset)
    prepared, gray = prepare_record(record, preprocessor)
    mask = _known_mask(record, prepared, gray.shape)
    yield Look(prepared.image, mask, record.label, 0)
    for number in range(1, altered + 1):
        image, posed = Augmentation()(prepared.image, prepared.lung, mask, rng)
        yield Look(image, posed, record.label, number)
    if not is_healthy(record) or prepared.lung_share < LEAST_LUNG:
        return
    kinds = [(Synthesis(), 1)] * infiltrates + [(OtherDisease(), 0)] * other
    for number, (draw, label) in enumerate(kinds, start=altered + 1):
        image, posed = Augmentation()(*_drawn(draw, prepared, rng), rng)
        yield Look(image, posed, label, number, drawn=True)


def _drawn(
    draw: Synthesis | OtherDisease, prepared: Prepared, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image, mask = draw(prepared.image, prepared.lung, rng)
    return image, prepared.lung, mask


def _known_mask(record: Record, prepared: Prepared, shape: tuple[int, ...]) -> np.ndarray | None:
    """None where nobody has said where the lesions are."""
    if record.mask is not None:
        return mask_in_box(record, prepared, shape)
    return np.zeros(prepared.image.shape, np.float32) if is_healthy(record) else None


def mask_in_box(record: Record, prepared: Prepared, shape: tuple[int, ...]) -> np.ndarray:
    """The record's lesion mask where the prepared picture shows it, float32 (size, size), 0..1.

    Raises:
        CatalogError: the mask has another ``shape`` than its slice, or cannot be read.
    """
    if record.mask is None:
        raise ValueError("the record has no mask")
    top, left, bottom, right = prepared.box
    covered = Image.fromarray(read_mask(record.mask, shape, of=record.file).astype(np.float32))
    size = prepared.image.shape[0]
    edges = (left, top, right, bottom)
    return np.asarray(covered.resize((size, size), box=edges, resample=Image.Resampling.BILINEAR))


def coverage_on_grid(mask: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Share of each place of a map that is lesion: float (size, size), 0..1 -> float32 (rows, columns) of ``grid``."""
    rows, columns = grid
    picture = Image.fromarray(np.asarray(mask, dtype=np.float32))
    return np.asarray(picture.resize((columns, rows), resample=Image.Resampling.BOX))
