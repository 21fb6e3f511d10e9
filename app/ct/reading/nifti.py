"""NIfTI volumes (.nii, .nii.gz): nibabel reads the header; values are read here, as many as there may be."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from app.ct.errors import NoUsableSeries, UnsupportedType
from app.ct.reading.files import Damaged, NumberedFile
from app.ct.reading.inflating import GZIP, Inflated, Values
from app.ct.reading.layout import Layout, Opened, dtype_of, shape_of
from app.ct.words import sentence

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

# A NIfTI file begins with the size of its own header, in either byte order; a magic word tells whether values follow it.
_SIZES = {1: 348, 2: 540}
_MAGIC = {1: (b"n+1\0", b"ni1\0"), 2: (b"n+2\0", b"ni2\0")}
HEADER_BYTES = max(_SIZES.values())
_MOST_EXTENSION_BYTES = 16 * 2**20
# NIfTI's axes run to the patient's right, front and head; DICOM's to the left, back and head.
_TO_DICOM = np.diag([-1.0, -1.0, 1.0])
_UNIT_MM = {"meter": 1000.0, "micron": 0.001}


def version_of(head: bytes) -> int | None:
    """Which NIfTI a file is, 1 or 2; None if it is none.

    Args:
        head: its first bytes, also as compressed by gzip: some hundred.
    """
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(head, HEADER_BYTES)
        except zlib.error:
            return None
    for version, size in _SIZES.items():
        magic = head[344:348] if version == 1 else head[4:8]
        if size in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")) and magic in _MAGIC[version]:
            return version
    return None


@contextmanager
def open_nifti(volume: NumberedFile) -> Iterator[Opened]:
    """A volume's layout and its values, inflated as they are read.

    Raises:
        Damaged: the header or the compressed stream is not sound.
        UnsupportedType: values or dimensions that are no CT's, or a volume in two files.
        NoUsableSeries: it does not say how it lies in the patient.
    """
    with volume.file.open() as opened:
        zipped = opened.read(len(GZIP)) == GZIP
        opened.seek(0)
        values: Values = Inflated(opened) if zipped else opened
        layout, begin = _read_header(values)
        if not zipped and volume.file.size < begin + layout.size_bytes:
            raise Damaged(sentence("cut off, it holds fewer values than it says"))
        yield Opened(layout, values, volume.file)


def _read_header(values: Values) -> tuple[Layout, int]:
    """The layout, and at which byte the values begin; ``values`` is left standing there."""
    head = values.read(_SIZES[1])
    version = version_of(head)
    if version == 2:
        head += values.read(_SIZES[2] - _SIZES[1])
    if version is None or len(head) < _SIZES[version]:
        raise Damaged(sentence("damaged or cut off"))
    if head[344:348] == _MAGIC[1][1] or head[4:8] == _MAGIC[2][1]:
        raise UnsupportedType(sentence("The volume is in two files (.hdr and .img), which are not read here."))
    try:
        layout, begin = _parsed(head, version)
    except (Damaged, UnsupportedType, NoUsableSeries):
        raise
    except Exception as error:
        raise Damaged(sentence("damaged, its header cannot be read")) from error
    if not len(head) <= begin <= _MOST_EXTENSION_BYTES:
        raise Damaged(sentence("damaged, it does not say where its values begin"))
    values.read(begin - len(head))
    return layout, begin


def _parsed(head: bytes, version: int) -> tuple[Layout, int]:
    """The layout, and at which byte the values begin."""
    # nibabel takes a third of a second to load and is needed for nothing else.
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    header = (Nifti1Header if version == 1 else Nifti2Header)(head, check=False)
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1  # By the standard, 0 means 1.
    sizes = [int(size) for size in header["dim"][1 : 1 + min(7, int(header["dim"][0]))]]
    slope, intercept = header.get_slope_inter()
    affine = _affine(header)
    affine *= _UNIT_MM.get(header.get_xyzt_units()[0], 1.0)
    layout = Layout(
        shape=shape_of(sizes),
        dtype=dtype_of(header.get_data_dtype()),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        steps=_TO_DICOM @ affine[:3, :3],
        origin=_TO_DICOM @ affine[:3, 3],
    )
    return layout, int(header["vox_offset"])


def _affine(header: "Nifti1Header") -> np.ndarray:
    """From indices to mm, float64 (4, 4): sform or qform, in the order the standard recommends, the first that spans a space.

    Raises:
        NoUsableSeries: neither is there.
    """
    coded: list[np.ndarray] = []
    for form in (header.get_sform, header.get_qform):
        affine, code = form(coded=True)
        if affine is None or code <= 0:
            continue
        coded.append(np.array(affine, dtype=np.float64))
        with np.errstate(all="ignore"):  # Numbers too large for a space are refused where its voxels are judged.
            if np.all(np.isfinite(affine)) and np.linalg.det(affine[:3, :3]) != 0:
                return coded[-1]
    if not coded:
        raise NoUsableSeries(sentence("The volume does not say how it lies in the patient."))
    return coded[0]
