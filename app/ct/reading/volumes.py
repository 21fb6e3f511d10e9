"""A volume in one file (NIfTI, MetaImage) -> Exam."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from app.ct.errors import NoUsableSeries, TooLarge, UnevenExam, Unreadable, WrongModality
from app.ct.exam import Exam, InputKind, Order, Slice
from app.ct.reading.files import Damaged, NumberedFile, named, refuse
from app.ct.reading.geometry import along, is_axial, is_transposed, normal_of, upright
from app.ct.reading.headers import MAX_FRAMES
from app.ct.reading.images import MAX_EXAM_PIXELS
from app.ct.reading.inflating import Values
from app.ct.reading.kinds import HEAD_BYTES, Kind, KnownFile
from app.ct.reading.layout import Layout, Opened
from app.ct.reading.metaimage import is_metaimage, open_metaimage
from app.ct.reading.nifti import open_nifti
from app.ct.reading.pictures import MAX_PIXELS
from app.ct.reading.scale import is_chest, missing_offset, some_of
from app.ct.reading.values import AIR_HU, keep_values, untold_padding, whole_units
from app.ct.windowing import LUNG
from app.ct.words import Sentence, sentence

MAX_VOLUME_BYTES = 2**31
# A chest is a quarter air and lung; pictures of anything else, masks and scaled values hold nothing in that range.
_AIR_TO_LUNG, MIN_AIR_SHARE = (-1100.0, -200.0), 0.01
# A volume of sagittal or coronal slices has fine pixels along one side of its axial planes and slices along the other.
MAX_STRETCH = 2.0
_WHOLE = "whole"
# The index that grows from plane to plane of the file.
_PLANE = 2
_NO_DIRECTIONS = sentence(
    "The volume does not say how it lies in the patient: it was taken to run to the left, the back and the head."
)
_DOUBTFUL = sentence(
    "The values of the volume do not look like Hounsfield units of a chest, which hold air and soft tissue."
)


def read_volume(
    files: Sequence[KnownFile],
    *,
    total: int,
    values_in: Path | None = None,
    on_read: Callable[[], None] = lambda: None,
) -> Exam:
    """Read one volume of Hounsfield units; its axial slices become the exam.

    Args:
        files: the volume, its values where they are a file of their own, and files of no known kind.
        total: how many files the upload holds.
        values_in, on_read: as ``read_exam``.

    Raises:
        ExamError: as ``read_exam``.
    """
    volumes = [f for f in files if f.kind is Kind.VOLUME]
    if len(volumes) > 1:
        raise UnevenExam(
            sentence(
                "{files}: more than one volume; which is the exam cannot be known.",
                files=named([f.number for f in volumes], total),
            )
        )
    (volume,) = volumes
    others = [f for f in files if f is not volume]
    try:
        with opened(volume, others) as (layout, values, file):
            unknown = {f.number: Damaged(sentence("empty, or of no known kind")) for f in others if f.file is not file}
            refuse(unknown, total=total)
            check_size(layout, volume)
            with nullcontext() if values_in is None else (values_in / _WHOLE).open("wb") as kept:
                grays, said = _grays(layout, values, kept, on_read)
    except Damaged as error:
        raise Unreadable(
            sentence("{files}: {reason}.", files=named([volume.number], total), reason=error.reason)
        ) from error
    slices = _slices(grays, layout, volume)
    if values_in is not None:
        slices = _with_values(slices, layout, values_in)
    ordered = tuple(sorted(slices, key=lambda s: -(s.z_mm or 0.0)))
    warnings = said if layout.has_directions else (*said, _NO_DIRECTIONS)
    return Exam(
        ordered,
        kind=InputKind.VOLUME,
        order=Order.POSITION,
        files=total,
        warnings=warnings,
        is_oriented=layout.has_directions,
        is_head_known=layout.has_directions,
    )


def opened(volume: NumberedFile, others: Sequence[NumberedFile]) -> AbstractContextManager[Opened]:
    """A volume's layout and values, to be used with ``with``.

    Args:
        volume: NIfTI, or the header of a MetaImage with or without its values.
        others: among which the values may lie.

    Raises:
        Damaged, UnsupportedType, NoUsableSeries: as ``open_nifti`` and ``open_metaimage``.
    """
    with volume.file.open() as file:
        head = file.read(HEAD_BYTES)
    return open_metaimage(volume, others) if is_metaimage(head) else open_nifti(volume)


def check_size(layout: Layout, volume: NumberedFile) -> None:
    """Refuse what is too large before any of it is read.

    Raises:
        TooLarge: it is.
    """
    columns, rows, depth = layout.shape
    if max(columns * rows, rows * depth, columns * depth) > MAX_PIXELS:
        raise TooLarge(
            sentence(
                "File {number} (in the order sent): more than {most} megapixels a slice.",
                number=volume.number,
                most=MAX_PIXELS // 10**6,
            )
        )
    voxels = columns * rows * depth
    if voxels > MAX_EXAM_PIXELS or voxels * layout.dtype.itemsize > MAX_VOLUME_BYTES:
        raise TooLarge(sentence("The exam holds more than {most} megapixels.", most=MAX_EXAM_PIXELS // 10**6))
    if layout.shape[layout.slice_axis] > MAX_FRAMES:
        raise TooLarge(sentence("The exam holds more than {most} slices.", most=MAX_FRAMES))


def _grays(
    layout: Layout, values: Values, kept: BinaryIO | None, on_read: Callable[[], None]
) -> tuple[np.ndarray, tuple[Sentence, ...]]:
    """All voxels in the lung window, one plane of the file in memory at a time.

    Args:
        layout, values: of the volume.
        kept: takes the Hounsfield units, int16 plane by plane, where they are kept.
        on_read: called with every plane.

    Returns:
        uint8, indexed by the voxel's third, second and first index; and what is doubtful, in whole sentences.

    Raises:
        Damaged: fewer values than the header says.
        WrongModality: the values are no Hounsfield units.
    """
    columns, rows, depth = layout.shape
    grays = np.empty((depth, rows, columns), np.uint8)
    plane_bytes, air, some = columns * rows * layout.dtype.itemsize, 0, []
    for k in range(depth):
        on_read()
        content = values.read(plane_bytes)
        if len(content) < plane_bytes:
            raise Damaged(sentence("cut off, it holds fewer values than it says"))
        hu = _hounsfield(np.frombuffer(content, layout.dtype), layout)
        air += int(np.count_nonzero((hu >= _AIR_TO_LUNG[0]) & (hu < _AIR_TO_LUNG[1])))
        some.append(some_of(hu.reshape(rows, columns)))
        hu = np.maximum(hu, np.float32(AIR_HU)).reshape(rows, columns)
        if layout.slice_axis == _PLANE and (padding := untold_padding(hu, hu)) is not None:
            hu[padding] = AIR_HU
        grays[k] = LUNG.gray(hu)
        if kept is not None:
            kept.write(whole_units(hu).tobytes())
    values.read(1)  # A compressed stream proves itself at its end only.
    doubts = _doubts(np.concatenate(some))
    if air < MIN_AIR_SHARE * grays.size:
        raise WrongModality(
            sentence("The values of the volume are no Hounsfield units of a chest: hardly any is that of air or lung.")
        )
    return grays, doubts


def _doubts(hu: np.ndarray) -> tuple[Sentence, ...]:
    """What is to say of values that are not those of a chest.

    Raises:
        WrongModality: they would be, were they not shifted.
    """
    if is_chest(hu):
        return ()
    if (offset := missing_offset(hu)) is not None:
        raise WrongModality(
            sentence(
                "The values of the volume are no Hounsfield units: they are {offset:g} too high."
                " Write them with the rescale slope and intercept of the slices applied.",
                offset=-offset,
            )
        )
    return (_DOUBTFUL,)


def _hounsfield(stored: np.ndarray, layout: Layout) -> np.ndarray:
    """float32 HU; what is no number is air."""
    with np.errstate(all="ignore"):
        hu = stored.astype(np.float32)
        hu *= np.float32(layout.slope)
        hu += np.float32(layout.intercept)
    return np.nan_to_num(hu, copy=False, nan=AIR_HU, posinf=AIR_HU, neginf=AIR_HU)


def _slices(grays: np.ndarray, layout: Layout, volume: KnownFile) -> list[Slice]:
    """The axial slices in the order of the file, in the radiological orientation."""
    across, down = _within_slices(layout)
    orientation = _orientation(layout)
    spacing = layout.spacing_mm[down], layout.spacing_mm[across]
    if not is_axial(orientation) or max(spacing) > MAX_STRETCH * min(spacing):
        raise NoUsableSeries(sentence("The volume is not made of axial slices."))
    return [
        Slice(
            picture,
            z_mm=z_mm,
            pixel_spacing_mm=spacing[::-1] if is_transposed(orientation) else spacing,
            file_number=volume.number,
        )
        for z_mm, picture in placed(grays, layout)
    ]


def placed(voxels: np.ndarray, layout: Layout) -> Iterator[tuple[float, np.ndarray]]:
    """The slices of a volume in the order of the file: position in mm, and the voxels in the radiological orientation.

    Args:
        voxels: indexed by third, second and first index.
        layout: of the volume.
    """
    orientation = _orientation(layout)
    normal = normal_of(orientation)
    for n, picture in enumerate(_planes(voxels, layout)):
        yield along(normal, layout.origin + n * layout.steps[:, layout.slice_axis]), upright(picture, orientation)


def _with_values(slices: Sequence[Slice], layout: Layout, folder: Path) -> list[Slice]:
    """The slices with their Hounsfield units in files of their own, and without the file of all of them."""
    planes = _planes(np.memmap(folder / _WHOLE, np.int16, mode="r", shape=layout.shape[::-1]), layout)
    paths = [folder / f"{n:04}.npy" for n in range(len(slices))]
    for path, plane in zip(paths, planes, strict=True):
        keep_values(upright(plane, _orientation(layout)), path)
    (folder / _WHOLE).unlink()
    return [replace(one, values=path) for one, path in zip(slices, paths, strict=True)]


def _planes(voxels: np.ndarray, layout: Layout) -> np.ndarray:
    """Voxels by slice, row and column of the slices, as they lie in the file."""
    across, down = _within_slices(layout)
    return voxels.transpose(2 - layout.slice_axis, 2 - down, 2 - across)


def _within_slices(layout: Layout) -> tuple[int, int]:
    """Axes of the volume along a row and down a column of its slices."""
    across, down = (other for other in range(3) if other != layout.slice_axis)
    return across, down


def _orientation(layout: Layout) -> tuple[float, ...]:
    across, down = _within_slices(layout)
    return (*layout.direction(across), *layout.direction(down))
