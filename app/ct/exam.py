"""The nouns that reading produces: slices in order, head to feet, without identity."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from app.ct.words import Sentence


class InputKind(StrEnum):
    """What the slices came as."""

    DICOM = "dicom"
    IMAGES = "images"
    VOLUME = "volume"


class Order(StrEnum):
    """What the slices were ordered by, best first."""

    POSITION = "position"
    SLICE_LOCATION = "slice-location"
    INSTANCE_NUMBER = "instance-number"
    FILE_NAME = "file-name"
    UPLOAD = "upload"


@dataclass(frozen=True, eq=False)
class Slice:
    """One axial image in the lung window.

    Attributes:
        gray: uint8 (height, width), lung window, 0 black; patient's right on the picture's left. Read-only.
        z_mm: position along the slice normal, growing towards the head; None where unknown.
        instance_number: DICOM InstanceNumber, None where unknown.
        pixel_spacing_mm: (between rows, between columns), None where unknown.
        file_number: 1-based number of the file in the upload.
        values: .npy file of the slice's Hounsfield units, int16 (height, width); None where it has none, or they are not kept.
    """

    gray: np.ndarray
    z_mm: float | None = None
    instance_number: int | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    file_number: int = 1
    values: Path | None = None

    def __post_init__(self) -> None:
        """Check the picture and make it read-only."""
        if self.gray.ndim != 2 or self.gray.dtype != np.uint8 or 0 in self.gray.shape:
            raise ValueError(f"gray must be uint8 (height, width), got {self.gray.dtype} {self.gray.shape}")
        self.gray.flags.writeable = False

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return int(self.gray.shape[0])

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return int(self.gray.shape[1])


@dataclass(frozen=True)
class RejectedSeries:
    """A series in the upload that was not diagnosed. ``series`` is a label such as "series 2", never a patient's data."""

    series: Sentence
    slices: int
    why: Sentence


@dataclass(frozen=True)
class SeriesChoice:
    """Which series of the upload is diagnosed, and why."""

    chosen: Sentence
    why: Sentence
    rejected: tuple[RejectedSeries, ...] = ()


@dataclass(frozen=True, eq=False)
class Exam:
    """What one upload holds after reading: slices head to feet.

    Attributes:
        slices: at least one, in order.
        kind: what the slices came as.
        order: what they were ordered by.
        files: how many files the upload held, slices or not.
        series: the series choice; None for images.
        warnings: what the reader of the report should know about the input, in whole sentences.
        other_part: the body part that every slice names, where it is surely not the chest; None otherwise.
        is_oriented: whether it is known which sides of the pictures are the patient's right and front.
        is_head_known: whether it is known that the first slice is the one nearest to the head.
    """

    slices: tuple[Slice, ...]
    kind: InputKind
    order: Order
    files: int
    series: SeriesChoice | None = None
    warnings: tuple[Sentence, ...] = field(default=())
    other_part: str | None = None
    is_oriented: bool = False
    is_head_known: bool = False

    def __post_init__(self) -> None:
        """An exam has at least one slice, and positions fall from head to feet."""
        if not self.slices:
            raise ValueError("an exam has at least one slice")
        z = [s.z_mm for s in self.slices]
        if self.order is Order.POSITION and any(a is None or b is None or a < b for a, b in pairwise(z)):
            raise ValueError("slices ordered by position must run head to feet")

    @classmethod
    def of(cls, slices: Sequence[Slice], *, kind: InputKind = InputKind.IMAGES, files: int | None = None) -> Self:
        """Order ``slices`` by position where every slice has one; otherwise keep the order they came in."""
        if slices and all(s.z_mm is not None for s in slices):
            ordered, order = sorted(slices, key=lambda s: -(s.z_mm or 0.0)), Order.POSITION
        else:
            ordered, order = list(slices), Order.UPLOAD
        return cls(tuple(ordered), kind=kind, order=order, files=len(slices) if files is None else files)
