"""Slices of a phantom in every coding that the reader takes, as far as there is an encoder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import gdcm
import numpy as np
from PIL import Image
from pydicom import uid

from app.ct.phantom import Phantom
from app.ct.phantom.files import JPEG_QUALITY, dicom_files
from app.ct.reading.files import NamedFile
from app.ct.windowing import LUNG
from tests.proofs.recoding import LOSSLESS, LOSSY, recoded

RAW, JPEG_LOSSLESS, JPEG_2000 = "DICOM raw", "DICOM JPEG lossless", "DICOM JPEG 2000"
JPEG, JPEG_LARGE, PNG = "JPEG 512", "JPEG 1001 x 762", "PNG 512"
LARGE_WIDTH, LARGE_HEIGHT = 1001, 762
NO_ENCODER = MappingProxyType(
    {
        "DICOM HTJ2K": (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K),
    }
)
"""Codings that are read and not measured, with their syntaxes: nothing that is installed writes them."""

_Content = Callable[[Path], bytes]
_RECODED = {
    "DICOM raw, implicit": LOSSLESS["implicit little endian"],
    "DICOM raw, big endian": LOSSLESS["explicit big endian"],
    "DICOM deflated": LOSSLESS["deflated"],
    "DICOM RLE": LOSSLESS["RLE"],
    "DICOM JPEG baseline": LOSSY["JPEG baseline, quality 90"],
    "DICOM JPEG lossless, any predictor": LOSSLESS["JPEG lossless, any predictor"],
    "DICOM JPEG-LS": LOSSLESS["JPEG-LS"],
    "DICOM JPEG-LS near": LOSSY["JPEG-LS near, 5 values"],
    JPEG_2000: LOSSLESS["JPEG 2000"],
    "DICOM JPEG 2000 lossy": LOSSY["JPEG 2000 lossy, 1:10"],
}
_PICTURES: Mapping[str, Callable[[np.ndarray], bytes]] = {
    JPEG: lambda gray: _picture(gray, "JPEG", quality=JPEG_QUALITY),
    JPEG_LARGE: lambda gray: _picture(_enlarged(gray), "JPEG", quality=JPEG_QUALITY),
    PNG: lambda gray: _picture(gray, "PNG"),
}
CODINGS = (RAW, JPEG_LOSSLESS, *_RECODED, *_PICTURES)
"""All that are measured."""


@dataclass(frozen=True)
class Coded:
    """The files of one exam in one coding, on disk, head first."""

    coding: str
    files: tuple[NamedFile, ...]

    @property
    def is_dicom(self) -> bool:
        """Whether the files have headers."""
        return self.coding not in _PICTURES

    def thinned(self, slices: int) -> "Coded":
        """Every so many-th file, the middle one where one is wanted; all the pixels stay as they are."""
        if slices == 1:
            return Coded(self.coding, (self.files[len(self.files) // 2],))
        step = len(self.files) // slices
        return Coded(self.coding, self.files[: step * slices : step])


def coded(chest: Phantom, coding: str, folder: Path) -> Coded:
    """Write a phantom's slices into ``folder``, which is made."""
    folder.mkdir(parents=True)
    if coding in _PICTURES:
        for k, hu in enumerate(chest.hu, start=1):
            _written(folder / f"slice{k:04d}.{_suffix(coding)}", _PICTURES[coding](LUNG.gray(hu)))
    else:
        for file in dicom_files(chest):
            _recode(_written(folder / file.name, file.read()), coding)
    return found(folder, coding)


def found(folder: Path, coding: str) -> Coded:
    """What ``coded`` wrote into ``folder``."""
    return Coded(coding, tuple(NamedFile(path.name, path) for path in sorted(folder.iterdir())))


def _suffix(coding: str) -> str:
    return "png" if coding == PNG else "jpg"


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _recode(path: Path, coding: str) -> None:
    """Put the raw file in ``path`` into another coding."""
    if coding == RAW:
        return
    write_jpeg_lossless(path)
    if coding != JPEG_LOSSLESS:
        _written(path, recoded(path, _RECODED[coding]))


def write_jpeg_lossless(path: Path) -> None:
    """Recode a raw file in its place, with the first predictor (process 14 SV1)."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise ValueError(f"{path.name} is no picture.")
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise ValueError(f"{path.name} cannot be coded as JPEG lossless.")
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise ValueError(f"{path.name} cannot be written.")


def _enlarged(gray: np.ndarray) -> np.ndarray:
    """As figures of papers come: 762 rows, black on either side up to 1001 columns."""
    square = Image.fromarray(gray).resize((LARGE_HEIGHT, LARGE_HEIGHT), resample=Image.Resampling.BICUBIC)
    left = (LARGE_WIDTH - LARGE_HEIGHT) // 2
    return np.pad(np.asarray(square), ((0, 0), (left, LARGE_WIDTH - LARGE_HEIGHT - left)))


def _picture(gray: np.ndarray, form: str, **options: object) -> bytes:
    content = BytesIO()
    Image.fromarray(gray).save(content, form, **options)
    return content.getvalue()
