"""Lesions that people marked in a volume of its own (NIfTI, MetaImage), for the slices of an exam."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from app.ct.errors import ExamError
from app.ct.reading.files import Damaged, NamedFile, NumberedFile
from app.ct.reading.volumes import check_size, opened, placed
from training.records.catalog import CatalogError
from training.records.files import beside_header


@dataclass(frozen=True, eq=False)
class MaskVolume:
    """Where lesions are, slice by slice.

    Slices are found by where they lie along the body; within one only its size is compared with the exam's.

    Attributes:
        z_mm: float64 (slices,), where the slices lie, in the patient's coordinates.
        lesions: bool (height, width) each, in the radiological orientation.
    """

    z_mm: np.ndarray
    lesions: tuple[np.ndarray, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """All voxels above zero are lesion.

        Raises:
            CatalogError: it cannot be read as a volume.
        """
        volume, *others = (NumberedFile(n, NamedFile(p.name, p)) for n, p in enumerate(beside_header(path), start=1))
        try:
            with opened(volume, others) as (layout, values, _):
                check_size(layout, volume)
                columns, rows, depth = layout.shape
                marked = np.empty((depth, rows, columns), np.bool_)
                for plane in marked:
                    content = values.read(plane.size * layout.dtype.itemsize)
                    if len(content) < plane.size * layout.dtype.itemsize:
                        raise CatalogError("A mask is cut off: it holds fewer values than it says.")
                    stored = np.frombuffer(content, layout.dtype).reshape(plane.shape)
                    plane[:] = layout.slope * stored + layout.intercept > 0
        except (Damaged, ExamError, OSError) as error:
            raise CatalogError("A mask cannot be read as a volume.") from error
        z_mm, lesions = zip(*placed(marked, layout), strict=True)
        return cls(np.array(z_mm), tuple(map(np.ascontiguousarray, lesions)))

    def at(self, z_mm: float | None, shape: tuple[int, int]) -> np.ndarray:
        """The lesions of an exam's slice: bool of ``shape``.

        Raises:
            CatalogError: no slice of the mask lies there, or it has another size.
        """
        near = None if z_mm is None else int(np.abs(self.z_mm - z_mm).argmin())
        if near is None or abs(self.z_mm[near] - z_mm) > self._within_mm:
            raise CatalogError("A mask has no slice where the exam has one: they do not lie alike in the patient.")
        if self.lesions[near].shape != shape:
            raise CatalogError("A mask has another size than its image.")
        return self.lesions[near]

    @property
    def _within_mm(self) -> float:
        """Half of the distance between its slices."""
        return float(np.abs(np.diff(self.z_mm)).min()) / 2 if len(self.z_mm) > 1 else 0.5
