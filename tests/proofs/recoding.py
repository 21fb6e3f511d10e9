"""The slices of a real exam, JPEG lossless, in other codings.

Not here, for want of an encoder: High-Throughput JPEG 2000, and JPEG lossless with another predictor than the first.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate

from app.ct.windowing import LUNG

Recode = Callable[[FileDataset], None]
"""Puts the pixels of a data set, JPEG lossless with the first predictor, into another coding."""


def recoded(path: Path, recode: Recode) -> bytes:
    """The slice in ``path``, in another coding; all that is no pixel stays as it is."""
    data_set, content = pydicom.dcmread(path), BytesIO()
    recode(data_set)
    data_set.save_as(content, enforce_file_format=False)
    return content.getvalue()


def _decode(data_set: FileDataset) -> None:
    data_set.decompress(decoding_plugin="gdcm", generate_instance_uid=False)


def _raw(syntax: uid.UID) -> Recode:
    def recode(data_set: FileDataset) -> None:
        _decode(data_set)
        list(data_set.iterall())  # Converts what was read; unconverted, it would be written little endian.
        if not syntax.is_little_endian:
            data_set.PixelData = data_set.pixel_array.astype(">u2").tobytes()
            data_set["PixelData"].VR = "OW"
        data_set.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
        data_set.file_meta.TransferSyntaxUID = syntax

    return recode


def _compressed(syntax: uid.UID, plugin: str, **options: object) -> Recode:
    def recode(data_set: FileDataset) -> None:
        _decode(data_set)
        data_set.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False, **options)

    return recode


def _any_predictor(data_set: FileDataset) -> None:
    """JPEG lossless of any predictor (process 14), which the first predictor, that of process 14 SV1, is one of."""
    data_set.file_meta.TransferSyntaxUID = uid.JPEGLossless


def _jpeg_baseline(data_set: FileDataset) -> None:
    """The lung window in 8 bits, as viewers export it; its rescale gives Hounsfield units again."""
    _decode(data_set)
    hu = data_set.pixel_array * float(data_set.RescaleSlope) + float(data_set.RescaleIntercept)
    content = BytesIO()
    Image.fromarray(LUNG.gray(hu.astype(np.float32))).save(content, "JPEG", quality=90)
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 8, 8, 7
    data_set.RescaleSlope, data_set.RescaleIntercept = LUNG.width / 255, LUNG.center - LUNG.width / 2
    data_set.PixelData = encapsulate([content.getvalue()])
    data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
    data_set.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit


LOSSLESS: Mapping[str, Recode] = MappingProxyType(
    {
        "implicit little endian": _raw(uid.ImplicitVRLittleEndian),
        "explicit little endian": _raw(uid.ExplicitVRLittleEndian),
        "explicit big endian": _raw(uid.ExplicitVRBigEndian),
        "deflated": _raw(uid.DeflatedExplicitVRLittleEndian),
        "RLE": _compressed(uid.RLELossless, "pylibjpeg"),
        "JPEG-LS": _compressed(uid.JPEGLSLossless, "pyjpegls"),
        "JPEG 2000": _compressed(uid.JPEG2000Lossless, "pylibjpeg"),
        "JPEG lossless, any predictor": _any_predictor,
    }
)
LOSSY: Mapping[str, Recode] = MappingProxyType(
    {
        "JPEG-LS near, 5 values": _compressed(uid.JPEGLSNearLossless, "pyjpegls", jls_error=5),
        "JPEG 2000 lossy, 1:10": _compressed(uid.JPEG2000, "pylibjpeg", j2k_cr=[10]),
        "JPEG baseline, quality 90": _jpeg_baseline,
    }
)
