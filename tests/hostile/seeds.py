"""Small sound files of every kind that is read, and of some that are not: what harm is made of."""

import gzip
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid

from tests.builders import a_dicom, a_jpeg, a_lossless_stream, a_picture, a_png, a_zip, an_enhanced_dicom
from tests.volumes import a_cut, a_metaimage, a_nifti

_LARGEST = 150_000
_WRITTEN_HERE = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
)


@cache
def seeds() -> dict[str, bytes]:
    """Files by a name of their own."""
    made = dict(_made())
    return made | {f"pydicom {path.name}": path.read_bytes() for path in _of_pydicom()}


def _made() -> Iterator[tuple[str, bytes]]:
    for syntax in _WRITTEN_HERE:
        yield f"dicom {syntax.name}", a_dicom(syntax=syntax)
    yield "dicom frames", an_enhanced_dicom()
    yield "jpeg lossless", a_lossless_stream(np.arange(256, dtype=np.uint16).reshape(16, 16))
    picture = a_picture(height=64, width=48)
    yield "jpeg", a_jpeg(picture)
    yield "jpeg progressive", a_jpeg(picture, progressive=True)
    yield "png", a_png(picture)
    yield "png 16", a_png(picture.astype(np.uint16) * 257)
    cut = a_cut(np.random.default_rng(0).integers(-1000, 200, (6, 16, 16)).astype(np.int16))
    yield "nifti", a_nifti(cut)
    yield "nifti 2", a_nifti(cut, version=2)
    yield "nifti gz", gzip.compress(a_nifti(cut), mtime=0)
    yield "metaimage", b"".join(a_metaimage(cut))
    yield "metaimage zlib", b"".join(a_metaimage(cut, compressed=True))
    members = [(f"IM{n}", a_dicom(z_mm=5.0 * n)) for n in range(3)]
    yield "zip", a_zip(members)
    yield "zip stored", a_zip(members, compression=zipfile.ZIP_STORED)


def _of_pydicom() -> list[Path]:
    """What the package of pydicom brings along for tests: every transfer syntax, and files that are known to be broken."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if 0 < path.stat().st_size <= _LARGEST]
