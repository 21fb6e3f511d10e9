"""Small things to test with, all defaulted."""

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, JPEGLosslessSV1

from app.ct.exam import Exam, Slice
from app.ct.reading import NamedFile
from app.ct.windowing import LUNG
from app.store import Store

SHARED = Path(__file__).parents[2] / "shared" / "data"
STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"


def shared_data() -> Path:
    """The folder of real CT beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real CT of ../shared/data is not here")
    return SHARED


def swept(
    store: Store,
    now: datetime,
    *,
    tombstone: timedelta,
    keep: timedelta = timedelta(days=365),
    at_work: Collection[str] = (),
) -> int:
    """Have a store erase what has expired, as the desk does; how many exams that were."""
    ids = store.expire(now, keep=keep, tombstone=tombstone, at_work=at_work)
    store.erase_folders(ids)
    return len(ids)


def a_picture(*, height: int = 16, width: int = 12, seed: int = 0) -> np.ndarray:
    """uint8 (height, width) without any symmetry, bright in the upper left."""
    gray = np.random.default_rng(seed).integers(60, 120, (height, width), dtype=np.uint8)
    gray[: height // 2, : width // 3] = 230
    return gray


def a_slice(*, z_mm: float | None = None, gray: np.ndarray | None = None, instance_number: int | None = None) -> Slice:
    return Slice(a_picture() if gray is None else gray, z_mm=z_mm, instance_number=instance_number)


def an_exam(*, slices: int = 3, gray: np.ndarray | None = None) -> Exam:
    return Exam.of([a_slice(z_mm=-5.0 * i, gray=gray, instance_number=i + 1) for i in range(slices)])


def a_dicom(
    *,
    stored: np.ndarray | None = None,
    z_mm: float | None = 0.0,
    syntax: UID = ExplicitVRLittleEndian,
    preamble: bytes | None = b"\0" * 128,
    without: Sequence[str] = (),
    **tags: object,
) -> bytes:
    """A CT Image of 16 x 12 pixels; ``tags`` are set by their DICOM keywords, ``without`` are left away."""
    pixels = a_picture() if stored is None else stored
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.int16) + 300
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, UID("1.2.3.4")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set = FileDataset("", {}, file_meta=meta, preamble=preamble)
    plain: dict[str, object] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PatientName": "CANARY^PATIENT",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": None if z_mm is None else [0, 0, z_mm],
        "PixelSpacing": [0.7, 0.8],
        "SliceThickness": 5,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **tags,
    }
    for keyword, value in plain.items():
        if keyword not in without and value is not None:
            setattr(data_set, keyword, value)
    if "PixelData" not in without:
        data_set.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return _written(data_set, syntax)


def an_enhanced_dicom(
    *,
    stored: Sequence[np.ndarray] | None = None,
    z_mm: Sequence[float] | None = None,
    syntax: UID = ExplicitVRLittleEndian,
    sop_class: UID = EnhancedCTImageStorage,
    without: Sequence[str] = (),
    **tags: object,
) -> bytes:
    """A multi-frame CT of four pictures, head first, 5 mm apart; ``without`` names functional groups to leave away."""
    pictures = [a_picture(seed=i) for i in range(4)] if stored is None else stored
    pixels = np.stack([p.astype(np.uint16) + 300 if p.dtype == np.uint8 else p for p in pictures])
    places = [-5.0 * i for i in range(len(pixels))] if z_mm is None else z_mm
    data_set = pydicom.dcmread(BytesIO(a_dicom(stored=pixels[0], without=_GROUPED, SOPClassUID=sop_class)))
    list(data_set.iterall())  # Converts what was read; unconverted, it would be written little endian.
    data_set.file_meta.MediaStorageSOPClassUID, data_set.NumberOfFrames = sop_class, len(pixels)
    shared = {
        "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        "PixelMeasuresSequence": {"PixelSpacing": [0.7, 0.8], "SliceThickness": 5},
        "CTImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]},
        "PixelValueTransformationSequence": {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"},
    }
    data_set.SharedFunctionalGroupsSequence = [_groups(shared, without)]
    data_set.PerFrameFunctionalGroupsSequence = [
        _groups(
            {
                "PlanePositionSequence": {"ImagePositionPatient": [0, 0, z]},
                "FrameContentSequence": {"InStackPositionNumber": n, "FrameAcquisitionNumber": 1},
            },
            without,
        )
        for n, z in enumerate(places, start=1)
    ]
    data_set.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    for keyword, value in tags.items():
        setattr(data_set, keyword, value)
    return _written(data_set, syntax)


# What functional groups say in a multi-frame file.
_GROUPED = [
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "PixelSpacing",
    "SliceThickness",
    "ImageType",
    "RescaleSlope",
    "RescaleIntercept",
]


def _groups(macros: Mapping[str, Mapping[str, object]], without: Sequence[str]) -> Dataset:
    """One item of functional groups."""
    item = Dataset()
    for macro, tags in macros.items():
        if macro not in without:
            content = Dataset()
            for keyword, value in tags.items():
                setattr(content, keyword, value)
            setattr(item, macro, [content])
    return item


def _written(data_set: FileDataset, syntax: UID) -> bytes:
    content = BytesIO()
    if syntax == JPEGLosslessSV1:
        pixels = np.frombuffer(data_set.PixelData, "<u2").reshape(data_set.Rows, data_set.Columns)
        data_set.PixelData = encapsulate([a_lossless_stream(pixels)])
        data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
    elif syntax.is_encapsulated:
        data_set.compress(syntax, generate_instance_uid=False)
    elif not syntax.is_little_endian:
        data_set.PixelData = np.frombuffer(data_set.PixelData, "<u2").astype(">u2").tobytes()
        data_set["PixelData"].VR = "OW"
        data_set.set_original_encoding(False, False)
    data_set.file_meta.TransferSyntaxUID = syntax
    if data_set.preamble is None:
        del data_set.file_meta.TransferSyntaxUID
        data_set.save_as(content, implicit_vr=False, little_endian=True)
    else:
        data_set.save_as(content, enforce_file_format=True)
    return content.getvalue()


def rewritten(content: bytes, change: Callable[[FileDataset], object]) -> bytes:
    """A DICOM file with something changed in it."""
    data_set, written = pydicom.dcmread(BytesIO(content)), BytesIO()
    change(data_set)
    data_set.save_as(written, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return written.getvalue()


def a_lossless_stream(stored: np.ndarray) -> bytes:
    """uint16 (rows, columns) as JPEG lossless, predictor 1, every difference class coded by its number in five bits."""
    rows, columns = stored.shape
    values = stored.astype(int)
    predicted = np.empty_like(values)
    predicted[:, 1:], predicted[1:, 0], predicted[0, 0] = values[:, :-1], values[:-1, 0], 1 << 15
    bits = "".join(map(_difference_bits, (values - predicted).ravel().tolist()))
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    frame = struct.pack(">BHHBBBB", 16, rows, columns, 1, 1, 0x11, 0)
    parts = [(0xFE, b"a comment"), (0xC4, table), (0xC3, frame), (0xDA, bytes([1, 1, 0, 1, 0, 0]))]
    segments = (struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in parts)
    return b"\xff\xd8" + b"".join(segments) + coded + b"\xff\xd9"


def _difference_bits(difference: int) -> str:
    """ITU-T T.81, H.1.2.2: the class of a difference, then its low bits, one less for a negative one."""
    size = abs(difference).bit_length()
    low = difference if difference >= 0 else difference + (1 << size) - 1
    return f"{size:05b}" + (f"{low:0{size}b}" if size else "")


def a_dicom_exam(*, slices: int = 4, spacing_mm: float = 5.0, **tags: object) -> list[bytes]:
    """Slices head first, each with its own picture."""
    return [
        a_dicom(stored=a_picture(seed=i), z_mm=-spacing_mm * i, InstanceNumber=i + 1, **tags) for i in range(slices)
    ]


def a_gray(stored: np.ndarray, *, intercept: float = -1024) -> np.ndarray:
    """What the stored values look like in the lung window."""
    return LUNG.gray(np.maximum(stored.astype(np.float32) + intercept, -1024))


def a_jpeg(gray: np.ndarray | Image.Image | None = None, **options: object) -> bytes:
    return _image(a_picture() if gray is None else gray, "JPEG", {"quality": 95, **options})


def a_png(gray: np.ndarray | Image.Image | None = None, **options: object) -> bytes:
    return _image(a_picture() if gray is None else gray, "PNG", options)


def _image(pixels: np.ndarray | Image.Image, form: str, options: Mapping[str, object]) -> bytes:
    content = BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(content, form, **options)
    return content.getvalue()


def a_huge_png(*, width: int = 20_000, height: int = 20_000) -> bytes:
    """A PNG of a few bytes whose header promises a very large picture."""
    content = bytearray(a_png())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def written_on(
    gray: np.ndarray, text: str, *, at: tuple[int, int] = (6, 6), height: int = 14, level: int = 255
) -> np.ndarray:
    """A picture with letters of that height in pixels, from the upper left corner ``at`` (x, y) on."""
    image = Image.fromarray(gray)
    ImageDraw.Draw(image).text(at, text, fill=level, font=ImageFont.load_default(height))
    return np.asarray(image)


def a_zip(members: Iterable[tuple[str, bytes]], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def a_closed_folder_in(folder: Path) -> None:
    """A path longer than the system takes: its folder is there, and cannot be listed, whoever asks."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=place)
        place, above = os.open("d" * 250, os.O_RDONLY, dir_fd=place), place
        os.close(above)
    os.close(place)


def files(*contents: bytes, suffix: str = "") -> list[NamedFile]:
    """Named file1, file2 ... in the order given."""
    return [NamedFile(f"file{n}{suffix}", content) for n, content in enumerate(contents, start=1)]
