"""README's table of oddities: what the service answers to each of them.

Run as ``python -m tests.proofs.oddities``; the table goes between README's two markers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from app.ct.errors import ExamError
from app.ct.reading import NamedFile
from app.service import Diagnosed
from tests.builders import shared_data
from tests.proofs.served import diagnosed

BEGIN, END = "<!-- oddities -->", "<!-- /oddities -->"
WHAT: Mapping[str, str] = MappingProxyType(
    {
        "enhanced_multiframe_2f_perfusion.dcm": "enhanced multi-frame CT, two frames of a perfusion map",
        "headless_no_preamble_retired.dcm": "lumbar spine; no preamble, no meta group, retired tags",
        "j2k_iop_y_flipped_vr_un.dcm": "pancreas; JPEG 2000, rows run to the front, elements of unknown type",
        "j2k_tilted_gantry_head.dcm": "head; JPEG 2000, gantry tilted",
        "localizer_chest_jpeglossless.dcm": "localizer of a chest; JPEG lossless",
        "nysbu_axial_FFS_pad-2000.dcm": "chest, feet first, padded with -2000",
        "nysbu_axial_rescale0_pad-2048.dcm": "upper abdomen with lung bases; rescale intercept 0, padded with -2048",
        "nysbu_coronal_reformat.dcm": "coronal reformat of a chest",
        "nysbu_sagittal_reformat.dcm": "sagittal reformat of a chest",
        "wg04_CT1_J2KI.dcm": "chest; JPEG 2000, lossy (1:37)",
        "wg04_CT1_J2KR.dcm": "the same slice, JPEG 2000, lossless",
        "wg04_CT1_JLSL.dcm": "the same slice, JPEG-LS, lossless",
        "wg04_CT1_JLSN.dcm": "the same slice, JPEG-LS, near lossless",
        "wg04_CT1_JPLL.dcm": "the same slice, JPEG lossless",
        "wg04_CT1_RLE.dcm": "the same slice, RLE",
    }
)


def table() -> str:
    """All oddities, one a line, as Markdown."""
    head = ("| file | what it is | answer |", "|---|---|---|")
    return "\n".join([*head, *_lines(shared_data() / "oddities")])


def _lines(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.dcm"), key=lambda path: path.name.casefold()):
        yield f"| `{path.name}` | {WHAT[path.name]} | {_answer(path)} |"


def _answer(path: Path) -> str:
    try:
        return _read(diagnosed([NamedFile(path.name, path)]))
    except ExamError as error:
        return f"refused, `{error.code}`: {error.message}"


def _read(found: Diagnosed) -> str:
    said = "".join(f" {sentence}" for sentence in found.warnings)
    return f"read: `{found.diagnosis.verdict}`, {found.diagnosis.probability:.2f}.{said}"


if __name__ == "__main__":
    print(table())
