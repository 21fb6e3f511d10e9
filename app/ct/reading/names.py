"""What slices are called, which tells whether a file of another kind is one that was lost."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# Of a slice as DICOM, if it has any of its own; some name files by identifiers, which end in digits after a point.
_DICOM_NAMED = r"dcm|dicom|dic|dc3|ima|img|acr|ct"
_DICOM_SUFFIX = re.compile(rf"\.({_DICOM_NAMED})", re.IGNORECASE)
_UNTOLD_SUFFIX = re.compile(r"|\.\d+")
# A program's version has fewer numbers.
_IDENTIFIER = re.compile(r"[0-9]+(\.[0-9]+){3,}")
# What packs a slice adds to its name.
_PACKED = re.compile(r"\.(gz|bz2|xz|zip|7z|rar)$", re.IGNORECASE)
# Identifiers of files may be hexadecimal ones, or made of such.
_NUMBER = re.compile(r"\b[0-9a-f]{4,}\b|\d+", re.IGNORECASE)
SLICE_SUFFIX = re.compile(rf"\.({_DICOM_NAMED}|jpe?g|png|nii|gz|mha)", re.IGNORECASE)


@dataclass(frozen=True)
class NamesOfSlices:
    """What the slices of an upload are called, DICOM files mostly, which tells whether another file is one that was lost.

    Attributes:
        suffixes: those they have, as far as these tell of slices: no pictures' ones, and no numbers.
        folders: those they lie in and all above these, with their numbers made alike.
        rows: their whole paths, likewise.
    """

    suffixes: frozenset[str]
    folders: frozenset[str]
    rows: frozenset[str]

    @classmethod
    def of(cls, paths: Sequence[PurePosixPath]) -> "NamesOfSlices":
        """The names of slices at ``paths``."""
        suffixes = {path.suffix for path in paths}
        folders = {_numberless(folder) for path in paths for folder in path.parents}
        told = {s for s in suffixes if not (_UNTOLD_SUFFIX.fullmatch(s) or SLICE_SUFFIX.fullmatch(s))}
        return cls(frozenset(told), frozenset(folders), frozenset(map(_numberless, paths)))

    def is_one(self, path: PurePosixPath) -> bool:
        """Whether a name is one that only slices have, packed or not."""
        bare = PurePosixPath(_PACKED.sub("", str(path)))
        is_identifier = bool(_IDENTIFIER.fullmatch(bare.name))
        return is_identifier or bare.suffix in self.suffixes or bool(_DICOM_SUFFIX.fullmatch(bare.suffix))

    def may_be_one(self, path: PurePosixPath) -> bool:
        """Whether it may be a slice's: by its name, or by its place where the name tells nothing.

        Slices without a suffix lie in folders of slices, or above them; what lies elsewhere belongs to a viewer.
        """
        by_place = bool(_UNTOLD_SUFFIX.fullmatch(path.suffix)) and _numberless(path.parent) in self.folders
        return by_place or self.is_one(path)

    def is_like_one(self, path: PurePosixPath) -> bool:
        """Whether it is a slice's by its name, or differs from one without a suffix in its numbers alone."""
        in_a_row = bool(_UNTOLD_SUFFIX.fullmatch(path.suffix)) and _numberless(path) in self.rows
        return in_a_row or self.is_one(path)


def _numberless(path: PurePosixPath) -> str:
    """The name of a folder or file that it shares with the other ones of a row, such as SE1, SE2."""
    return _NUMBER.sub("0", str(path))
