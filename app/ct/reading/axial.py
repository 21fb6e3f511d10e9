"""Which files are axial CT slices, and what the others are."""

import re
from collections.abc import Callable

from app.ct.reading.files import Damaged
from app.ct.reading.geometry import is_axial
from app.ct.reading.headers import CT_CLASSES, IMAGE_CLASS, SECONDARY_CAPTURE, Header
from app.ct.words import Sentence, sentence

# Words of ImageType (DICOM PS3.3 C.7.6.1.1.2, C.8.15 and C.8.16, and what scanners write there).
_LOCALIZER = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"}
_PROJECTION = {"MIP", "MINIP", "PROJECTION", "MAX", "MIN", "MAXIMUM", "MINIMUM", "VRT"}
_CAPTURE = {"SCREEN SAVE", "SCREENSHOT", "DOSE_INFO", "DOSE REPORT"}
_REFORMAT = {"MPR", "REFORMATTED", "CURVED"}
_MAPS = {"PERFUSION", "RCBF", "RCBV", "RMTT", "TTP", "SUBTRACTION", "STD_DEVIATION", "DIVISION", "MULTIPLICATION"}
# Of scans at several energies (PS3.3 C.8.15.2.1.1): amounts of a material, atomic numbers, densities.
_MAPS |= {
    "MAT_SPECIFIC",
    "MAT_FRACTIONAL",
    "MAT_VALUE_BASED",
    "EFF_ATOMIC_NUM",
    "ELECTRON_DENSITY",
    "IODINE",
    "ZEFF",
    "Z_EFF",
}
# RescaleType (PS3.3 C.11.1.1.2): electron densities, effective atomic numbers, material fractions.
_NOT_HU = {"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"}
_LOCALIZER_WORDS = re.compile(r"scout|topogram|scanogram|localizer|surview", re.IGNORECASE)
# A low dose chest is none.
_DOSE_WORDS = re.compile(
    r"dose[ _-]?(report|info|summary|sheet|page|record)|^\W*(radiation )?dose\W*$|patient protocol|exam protocol",
    re.IGNORECASE,
)


def is_ct(header: Header) -> bool:
    """Whether a file is of a CT; without a modality, whether its class is one of CT. Pictures of other classes are computed."""
    known = IMAGE_CLASS.match(header.sop_class) and not header.sop_class.startswith(SECONDARY_CAPTURE)
    is_of_class = header.sop_class in CT_CLASSES
    return (header.modality == "CT" and (is_of_class or not known)) or (not header.modality and is_of_class)


def check_pixels(header: Header) -> Header:
    """``header`` as it is.

    Raises:
        Damaged: it belongs to a picture whose pixels are not there.
    """
    if (header.has_pixels and header.rows and header.columns) or _holds_no_picture(header):
        return header
    raise Damaged(sentence("cut off, without pixels"))


def why_no_slice(header: Header) -> Sentence | None:
    """Why a file is no slice of a chest exam, None if it may be one."""
    return next((why for why, holds in _REASONS.items() if holds(header)), None)


def is_reformat(header: Header) -> bool:
    """Whether a slice was cut from others, or computed of several, and says so."""
    return bool(_words(header) & _REFORMAT)


def _holds_no_picture(header: Header) -> bool:
    """Dose reports, presentation states, directories: a class of its own that is not one for images."""
    return bool(header.sop_class) and not IMAGE_CLASS.match(header.sop_class)


def _is_localizer(header: Header) -> bool:
    if _words(header) & _LOCALIZER:
        return True
    return header.orientation is None and bool(_LOCALIZER_WORDS.search(header.description))


def _is_capture(header: Header) -> bool:
    return header.sop_class.startswith(SECONDARY_CAPTURE) or header.samples != 1 or bool(header.image_type & _CAPTURE)


def _is_colored(header: Header) -> bool:
    """Whether its values are colors, or places in a table of colors (PS3.3 C.7.6.3.1.2)."""
    return bool(header.photometric) and not header.photometric.startswith("MONOCHROME")


def _is_dose_sheet(header: Header) -> bool:
    """A page of figures that was sent as CT: it lies nowhere in the patient."""
    return header.position is None and header.orientation is None and bool(_DOSE_WORDS.search(header.description))


def _is_not_axial(header: Header) -> bool:
    return not is_axial(header.orientation) if header.orientation is not None else is_reformat(header)


def _words(header: Header) -> frozenset[str]:
    """The values of ImageType and the words in them: scanners write CT_SOM5 MIP, or MIN_IP."""
    return header.image_type.union(*(re.split(r"[\s_]+", value) for value in header.image_type))


def _holds_several(header: Header) -> bool:
    """Whether it is not said where each of its pictures lies."""
    return header.frames != 1 and not header.grouped


_REASONS: dict[Sentence, Callable[[Header], bool]] = {
    sentence("holds no picture"): lambda h: not (h.has_pixels and h.rows and h.columns),
    sentence("not CT"): lambda h: not is_ct(h),
    sentence("localizer"): _is_localizer,
    sentence("dose sheet"): _is_dose_sheet,
    sentence("secondary capture"): _is_capture,
    sentence("colors, not gray"): _is_colored,
    sentence("projection"): lambda h: bool(_words(h) & _PROJECTION),
    sentence("computed map"): lambda h: bool(_words(h) & _MAPS) or h.rescale_type in _NOT_HU,
    sentence("several pictures in one file that are not described one by one"): _holds_several,
    sentence("computed, without a place in the patient"): lambda h: not h.placed,
    sentence("not axial"): _is_not_axial,
}
