"""One small exam in every way it may be sent: the files, and what they must be read as.

Everything here is drawn from one phantom of ten slices, 5 mm apart. Bytes are written once for each variant of a slice.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

import numpy as np
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from app.ct.phantom import phantom
from app.ct.reading import NamedFile
from tests.builders import a_dicom, a_png

SLICES, STEP_MM = 10, 5.0
ROW_MM, COLUMN_MM = 0.8, 0.7
CODINGS: tuple[UID | None, ...] = (  # None: explicit, without preamble and meta group.
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    None,
)
# In the order in which people sort them, whatever their folder, suffix, case and script.
ANY_NAMES = [
    *("1.2.840.9", "1.2.840.31", "2", "07.ima", "10", "CT/A", "CT/B.jpg", "ct/C 2.pdf", "CT/c 11", "Disk/Slice", "hidden/.d"),
    *("IMG_3.txt", "IMG_20.txt", "no suffix", "x 3/y", "x 20/a", "z.zip", "ü", "層3", "層12", "層12b", "層12c", "層13", "層100"),
]  # fmt: skip


@cache
def stored() -> np.ndarray:
    """uint16 (slices, rows, columns), HU + 1024, head first; neither square nor symmetrical."""
    hu = phantom(slices=SLICES, lesions="many", size=64).hu[:, :, 4:60]
    return (hu.astype(np.int32) + 1024).astype(np.uint16)


@dataclass(frozen=True)
class Pose:
    """How the picture lies in the patient, and how far the gantry leans; tags and pixels agree.

    Attributes:
        mirrored: columns run to the patient's right, as feet first or prone.
        upended: rows run to the front, as prone.
        turned: rows and columns are swapped, as on the side.
        tilt: degrees.
    """

    mirrored: bool = False
    upended: bool = False
    turned: bool = False
    tilt: float = 0.0

    def lay(self, index: int) -> tuple[np.ndarray, dict[str, list[float]]]:
        """Pixels and tags of a slice. The table moves along the body, so that a leaning stack is sheared."""
        lean = math.radians(self.tilt)
        across, down = np.array([1.0, 0, 0]), np.array([0, math.cos(lean), math.sin(lean)])
        pixels, spacing = stored()[index], [ROW_MM, COLUMN_MM]
        rows, columns = pixels.shape
        corner = np.array([-20.0, -25.0, 40.0 - index * STEP_MM / math.cos(lean)])
        if self.mirrored:
            pixels, corner, across = pixels[:, ::-1], corner + (columns - 1) * COLUMN_MM * across, -across
        if self.upended:
            pixels, corner, down = pixels[::-1], corner + (rows - 1) * ROW_MM * down, -down
        if self.turned:
            pixels, across, down, spacing = pixels.T, down, across, spacing[::-1]
        lies = [round(float(cosine), 6) for cosine in (*across, *down)]
        place = [round(float(mm), 4) for mm in corner]
        tags = {"ImageOrientationPatient": lies, "ImagePositionPatient": place, "PixelSpacing": spacing}
        return np.ascontiguousarray(pixels), tags


POSES = tuple(
    Pose(mirrored=bool(n & 1), upended=bool(n & 2), turned=bool(n & 4), tilt=tilt)
    for n, tilt in [(0, 0.0), (0, 12.0), (1, 0.0), (2, -27.0), (3, 12.0), (4, 0.0), (5, 12.0), (6, 0.0), (7, -27.0)]
)


class Identifiers(Enum):
    """What SOPInstanceUID, SeriesInstanceUID and StudyInstanceUID hold."""

    VALID = auto()
    EMPTY = auto()
    WORDS = auto()  # The same words for all: no UID, and nothing that tells slices apart.
    ONE_SERIES_EACH = auto()

    def tags(self, series: int, index: int) -> dict[str, str]:
        """Of a slice of a series."""
        if self is Identifiers.EMPTY:
            return dict.fromkeys(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"), "")
        if self is Identifiers.WORDS:
            return {"SOPInstanceUID": "IMAGE", "SeriesInstanceUID": f"SERIES {series}", "StudyInstanceUID": "STUDY 1"}
        own = f".{index + 1}" if self is Identifiers.ONE_SERIES_EACH else ""
        return {"SOPInstanceUID": f"1.2.3.1.{series}.{index + 1}", "SeriesInstanceUID": f"1.2.3.1.{series}{own}"}


@dataclass(frozen=True)
class Written:
    """How every slice is written."""

    pose: Pose = Pose()
    identifiers: Identifiers = Identifiers.VALID
    without: tuple[str, ...] = ()


@cache
def slice_file(index: int, coding: UID | None, written: Written) -> bytes:
    """One slice of the chest, thin and sharp."""
    pixels, tags = written.pose.lay(index)
    return a_dicom(
        stored=pixels,
        syntax=coding or ExplicitVRLittleEndian,
        preamble=None if coding is None else b"\0" * 128,
        without=written.without,
        InstanceNumber=index + 1,
        SeriesNumber=2,
        ConvolutionKernel="LUNG",
        **tags,
        **written.identifiers.tags(2, index),
    )


class Beside(Enum):
    """What else is sent, with why it is left out (of DICOM files) or what is said of it."""

    LOCALIZER = "localizer"
    SOFT_SERIES = "no lung kernel"
    DOSE_SHEET = "dose sheet"
    CAPTURE = "secondary capture"
    PICTURE = "1 picture or other file beside the DICOM files was left out."
    THUMBNAILS = "1 file that is not a slice was left out."


SOFT_SLICES = SLICES


@cache
def beside_files(beside: Beside, written: Written) -> tuple[bytes, ...]:
    """The files of something that is no slice of the exam."""
    said = written.identifiers.tags
    match beside:
        case Beside.LOCALIZER:
            front = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
            return (a_dicom(z_mm=0.0, SeriesNumber=1, **front, **said(1, 0)),)
        case Beside.SOFT_SERIES:
            soft = {"ConvolutionKernel": "STANDARD", "SliceThickness": 7.5, "SeriesNumber": 3}
            return tuple(
                a_dicom(stored=pixels, **{**tags, **soft}, **said(3, index))
                for index in range(SOFT_SLICES)
                for pixels, tags in [written.pose.lay(index)]
            )
        case Beside.DOSE_SHEET:
            lost = ["ImageOrientationPatient"]
            sheet = {"SeriesDescription": "Dose Report", "SeriesNumber": 999, **said(999, 0)}
            return (a_dicom(z_mm=None, without=lost, **sheet),)
        case Beside.CAPTURE:
            return (a_dicom(SOPClassUID=SecondaryCaptureImageStorage, SeriesNumber=1000, **said(1000, 0)),)
        case Beside.PICTURE:
            return (a_png(),)
        case Beside.THUMBNAILS:
            return (b"\xd0\xcf\x11\xe0 thumbnails",)


class Naming(Enum):
    """What files are called."""

    NUMBERED = auto()
    IN_FOLDERS = auto()
    ANY = auto()
    ALIKE = auto()


@dataclass(frozen=True)
class Sent:
    """A file of the upload.

    Attributes:
        index: which slice it holds, None for none.
        rank: where its name sorts.
    """

    file: NamedFile
    rank: int
    index: int | None


@dataclass(frozen=True)
class Sending:
    """One way to send the exam.

    Attributes:
        written: how every slice is written.
        codings: of the slices, in turn.
        copies: slices that are sent again.
        recoded: the copies are the same slices in another coding, not the same bytes.
        naming: of the files; ``Naming.ANY`` in the order ``seed`` gives.
        turned_round: the files are sent last first.
        seed: what they are shuffled by, None for head first.
        beside: what else is sent.
    """

    written: Written = Written()
    codings: tuple[UID | None, ...] = CODINGS[:1]
    copies: tuple[int, ...] = ()
    recoded: bool = False
    naming: Naming = Naming.NUMBERED
    turned_round: bool = False
    seed: int | None = None
    beside: frozenset[Beside] = frozenset()

    def sent(self) -> list[Sent]:
        """The upload, in the order of sending."""
        upload = [*self._slices(), *self._others()]
        if self.seed is not None:
            random.Random(self.seed).shuffle(upload)
        return upload[::-1] if self.turned_round else upload

    def _slices(self) -> list[Sent]:
        indices = [*range(SLICES), *self.copies]
        ranks = list(range(len(indices)))
        if self.naming is Naming.ANY:
            random.Random(self.seed or 0).shuffle(ranks)
        elif self.naming is Naming.ALIKE:
            ranks = [0] * len(indices)
        else:
            in_order = sorted(ranks, key=lambda place: (indices[place], place))
            ranks = [in_order.index(place) for place in ranks]
        contents = [
            slice_file(index, self._coding(index, is_copy=place >= SLICES), self.written)
            for place, index in enumerate(indices)
        ]
        return [
            Sent(NamedFile(self._name(rank), content), rank, index)
            for rank, content, index in zip(ranks, contents, indices, strict=True)
        ]

    def _coding(self, index: int, *, is_copy: bool) -> UID | None:
        """Copies in another coding take the next one, whichever that of the slice is."""
        coding = self.codings[index % len(self.codings)]
        return CODINGS[(CODINGS.index(coding) + 1) % len(CODINGS)] if is_copy and self.recoded else coding

    def _name(self, rank: int) -> str:
        names = {
            Naming.NUMBERED: f"IM{rank}.dcm",
            Naming.IN_FOLDERS: f"exam/part{rank // 5}/{rank}",
            Naming.ANY: ANY_NAMES[rank],
            Naming.ALIKE: "slice.dcm",
        }
        return names[self.naming]

    def _others(self) -> list[Sent]:
        return [
            Sent(NamedFile("Thumbs.db" if other is Beside.THUMBNAILS else f"other/{other.name}{n}", content), 0, None)
            for other in sorted(self.beside, key=lambda other: other.name)
            for n, content in enumerate(beside_files(other, self.written))
        ]


def indices_of(sent: Sequence[Sent]) -> tuple[int, ...]:
    """The slices of ``sent``, in its order."""
    return tuple(one.index for one in sent if one.index is not None)
