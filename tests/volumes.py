"""Volumes in one file, written as other programs write them, to be read as the slices they were made of."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

# Rows that turn DICOM's axes (left, back, head) into NIfTI's (right, front, head).
_TO_NIFTI = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Cut:
    """A volume as it lies in memory: ``values`` by first, second and third index; ``steps`` and ``origin`` in DICOM's axes."""

    values: np.ndarray
    steps: np.ndarray
    origin: np.ndarray


def a_cut(hu: np.ndarray, *, spacing_mm: tuple[float, float, float] = (5.0, 0.8, 0.7), axes: str = "LPS") -> Cut:
    """Slices, head first, as a volume.

    Args:
        hu: (slices, rows, columns), radiological.
        spacing_mm: between slices, rows, columns.
        axes: where each index runs to: L or R, P or A, S or I, in any order.
    """
    directions = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
    volume = hu.transpose(2, 1, 0)
    steps = np.diag([spacing_mm[2], spacing_mm[1], -spacing_mm[0]])
    origin = np.array([-10.0, 20.0, 300.0])
    order = [directions[axis][0] for axis in axes]
    volume, steps = volume.transpose(order), steps[:, order]
    for index, axis in enumerate(axes):
        row, sign = directions[axis]
        if np.sign(steps[row, index]) != sign:
            origin = origin + steps[:, index] * (volume.shape[index] - 1)
            steps = steps * np.where(np.arange(3) == index, -1, 1)
            volume = np.flip(volume, index)
    return Cut(volume, steps, origin)


def a_nifti(
    cut: Cut,
    *,
    version: int = 1,
    form: str = "sform",
    byte_order: str = "<",
    fields: Mapping[str, object] | None = None,
) -> bytes:
    """An uncompressed .nii; ``fields`` of the header are set last."""
    header = Nifti1Header() if version == 1 else Nifti2Header()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = _TO_NIFTI @ cut.steps, _TO_NIFTI @ cut.origin
    header.set_data_dtype(cut.values.dtype)
    header.set_data_shape(cut.values.shape)
    (header.set_sform if form == "sform" else header.set_qform)(affine, code=1)
    header["magic"] = b"n+1" if version == 1 else header["magic"]
    header["vox_offset"] = len(header.binaryblock) + 4
    for field, value in (fields or {}).items():
        header[field] = value
    values = cut.values.astype(cut.values.dtype.newbyteorder(byte_order))
    return header.as_byteswapped(byte_order).binaryblock + b"\0\0\0\0" + values.tobytes(order="F")


def a_metaimage(
    cut: Cut, *, compressed: bool = False, byte_order: str = "<", data_file: str = "LOCAL", **lines: object
) -> tuple[bytes, bytes]:
    """The header of a .mhd, and its values; one after the other they are a .mha. ``lines`` replace those of the header."""
    types = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "i4": "INT", "f4": "FLOAT", "f8": "DOUBLE"}
    spacing = np.linalg.norm(cut.steps, axis=0)
    values = cut.values.astype(cut.values.dtype.newbyteorder(byte_order)).tobytes(order="F")
    stored = zlib.compress(values) if compressed else values
    said = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": byte_order == ">",
        "CompressedData": compressed,
        "TransformMatrix": _joined((cut.steps / spacing).T.ravel()),
        "Offset": _joined(cut.origin),
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": _joined(spacing),
        "DimSize": _joined(cut.values.shape),
        "ElementType": f"MET_{types[cut.values.dtype.str[1:]]}",
        **lines,
        "ElementDataFile": data_file,
    }
    return "".join(f"{key} = {value}\n" for key, value in said.items() if value is not None).encode(), stored


def _joined(numbers: np.ndarray | tuple[int, ...]) -> str:
    return " ".join(str(number) for number in numbers)
