"""Which transfer syntaxes are read here, by which decoder, and what the others are called."""

from collections.abc import Sequence

from pydicom import uid

from app.ct.errors import UnsupportedEncoding
from app.ct.reading.files import named
from app.ct.words import Sentence, in_a_row, sentence

# One decoder for each syntax; what is not listed is refused. On damaged data gdcm's JPEG 2000 and JPEG-LS end the whole
# process and pylibjpeg's RLE panics past every ``except Exception``; gdcm has only what no other decoder takes, once its
# stream was checked.
DECODERS = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.DeflatedExplicitVRLittleEndian: "",
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: "pydicom",
}


def refuse_unsupported(syntaxes: Sequence[tuple[int, str]], *, total: int) -> None:
    """Refuse slices that no decoder here takes, before any is decoded.

    Args:
        syntaxes: number of the file and transfer syntax UID, for each file.
        total: how many files the upload holds.

    Raises:
        UnsupportedEncoding: names every such file by its number, and its coding in words.
    """
    numbers: dict[Sentence, list[int]] = {}
    for number, syntax in syntaxes:
        if syntax not in DECODERS:
            numbers.setdefault(_in_words(syntax), []).append(number)
    if numbers:
        sentences = [
            sentence("{files}: {coding}, which no decoder here takes.", files=named(files, total), coding=coding)
            for coding, files in numbers.items()
        ]
        raise UnsupportedEncoding(in_a_row(sentences))


def _in_words(syntax: str) -> Sentence:
    """What a coding is called; never the UID itself, which may name who made it."""
    known = uid.UID(syntax)
    if known == uid.JPEGExtended12Bit:
        return sentence("JPEG extended with 12 bits")
    if known.is_valid and not known.is_private and known.is_transfer_syntax:
        return sentence("{name} coding", name=known.name)
    return sentence("an image coding of its maker's own") if known.is_private else sentence("an unknown image coding")
