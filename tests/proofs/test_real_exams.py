"""Real exams, sent in other ways than they came: the same verdict, and the same probability.

For other codings and for one file of everything, every fourth slice of P002 is taken: 8 mm apart instead of 2, which is no
gap, and a quarter of the time. Whole exams are sent in every other way.
"""

import hashlib
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from app.ct.exam import InputKind
from app.ct.reading import NamedFile
from app.service import Diagnosed
from tests.builders import a_jpeg, a_picture, a_zip, an_enhanced_dicom, files, rewritten, shared_data
from tests.proofs.recoding import LOSSLESS, LOSSY, Recode, recoded
from tests.proofs.served import PRECISIONS_DIFFER_BY, diagnosed
from tests.volumes import Cut, a_cut, a_metaimage, a_nifti

EXAMS = ["P002", "cap002-jpeg", "lidc0001-jpeg", "normal002-jpeg"]
PICTURES = EXAMS[1:]
EVERY, APART_MM = 4, 8.0
LOSSY_CHANGE = 0.05


def paths(exam: str) -> list[Path]:
    """In order, head first."""
    folder = shared_data() / "exams" / exam
    return sorted(folder.iterdir(), key=lambda path: int("".join(filter(str.isdigit, path.stem))))


README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("exam", EXAMS)
def test_readme_says_what_comes_of_it(exam: str) -> None:
    found = as_it_came(exam).diagnosis
    (row,) = (
        line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `exams/{exam}` |")
    )
    *_, probability, verdict, _ = (cell.strip(" `") for cell in row.split("|"))

    assert float(probability) == pytest.approx(found.probability, abs=PRECISIONS_DIFFER_BY)
    # Nearer to an end of the band, another precision may come to another verdict.
    if min(abs(found.probability - end) for end in found.band) > PRECISIONS_DIFFER_BY:
        assert verdict == found.verdict


def few() -> list[Path]:
    return paths("P002")[::EVERY]


@cache
def as_it_came(exam: str) -> Diagnosed:
    return diagnosed([NamedFile(path.name, path) for path in paths(exam)])


@cache
def few_as_they_came() -> Diagnosed:
    return diagnosed([NamedFile(path.name, path) for path in few()])


def check_the_same(found: Diagnosed, reference: Diagnosed) -> None:
    """To the last digit: the pictures are the same."""
    assert len(found.exam.slices) == len(reference.exam.slices)
    assert found.diagnosis == reference.diagnosis


def few_in(recode: Recode) -> Diagnosed:
    return diagnosed([NamedFile(path.name, recoded(path, recode)) for path in few()])


@pytest.mark.parametrize("coding", LOSSLESS)
def test_another_lossless_coding_changes_nothing(coding: str) -> None:
    found = few_in(LOSSLESS[coding])

    check_the_same(found, few_as_they_came())
    assert found.warnings == few_as_they_came().warnings


@pytest.mark.parametrize("coding", LOSSY)
def test_a_lossy_coding_changes_little(coding: str) -> None:
    found, reference = few_in(LOSSY[coding]).diagnosis, few_as_they_came().diagnosis

    assert found.verdict == reference.verdict
    assert found.probability == pytest.approx(reference.probability, abs=LOSSY_CHANGE)


@cache
def hounsfield() -> np.ndarray:
    """int16 (slices, rows, columns), head first."""
    slices = [pydicom.dcmread(path) for path in few()]
    hu = [s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices]
    return np.stack(hu).astype(np.int16)


def cut() -> Cut:
    rows_mm, columns_mm = (float(mm) for mm in pydicom.dcmread(few()[0]).PixelSpacing)
    return a_cut(hounsfield(), spacing_mm=(APART_MM, rows_mm, columns_mm))


def as_frames() -> bytes:
    stored = [(hu + 1024).astype(np.uint16) for hu in hounsfield()]
    return an_enhanced_dicom(stored=stored, z_mm=[-APART_MM * n for n in range(len(stored))])


ONE_FILE: dict[str, tuple[InputKind, Callable[[], bytes]]] = {
    "enhanced multi-frame": (InputKind.DICOM, as_frames),
    "NIfTI": (InputKind.VOLUME, lambda: a_nifti(cut())),
    "MHA": (InputKind.VOLUME, lambda: b"".join(a_metaimage(cut(), compressed=True))),
}


@pytest.mark.parametrize("form", ONE_FILE)
def test_an_exam_in_one_file_is_the_same_exam(form: str) -> None:
    kind, written = ONE_FILE[form]

    found = diagnosed(files(written()))

    assert found.exam.kind is kind
    check_the_same(found, few_as_they_came())


def zipped(exam: str) -> list[NamedFile]:
    slices = [(f"disk/CT/{n // 50}/{path.name}", path.read_bytes()) for n, path in enumerate(paths(exam))]
    beside = [(f"__MACOSX/disk/._{path.name}", b"\0\5\x16\7") for path in paths(exam)]
    junk = [("disk/Thumbs.db", b"\xd0\xcf\x11\xe0"), ("disk/.DS_Store", b"\0\0\0\1Bud1"), ("autorun.inf", b"[autorun]")]
    return files(a_zip([*beside, *slices[::-1], *junk], compression=zipfile.ZIP_STORED))


def renamed_in_folders(exam: str) -> list[NamedFile]:
    """Without suffix, in folders of twenty, the last one sent first. Pictures keep their order by name, DICOM files do not."""
    in_order = list(enumerate(paths(exam)))
    if exam in PICTURES:
        return [NamedFile(f"part{n // 20}/scan {n}", path) for n, path in in_order][::-1]
    names = {path: hashlib.sha256(path.name.encode()).hexdigest() for _, path in in_order}
    return [
        NamedFile(f"{names[path][0]}/{names[path]}", path)
        for _, path in sorted(in_order, key=lambda one: names[one[1]])
    ]


@pytest.mark.parametrize("sent", [zipped, renamed_in_folders])
@pytest.mark.parametrize("exam", EXAMS)
def test_an_exam_sent_in_another_way_is_the_same_exam(exam: str, sent: Callable[[str], list[NamedFile]]) -> None:
    check_the_same(diagnosed(sent(exam)), as_it_came(exam))


def test_a_localizer_and_a_thick_series_are_left_out_and_said() -> None:
    study = pydicom.dcmread(paths("P002")[0]).StudyInstanceUID
    localizer = (shared_data() / "oddities" / "localizer_chest_jpeglossless.dcm").read_bytes()
    thick = {"SeriesInstanceUID": "1.2.3.4", "SeriesNumber": 9, "SliceThickness": 6, "ConvolutionKernel": "B30s"}
    mixed = [
        *(NamedFile(f"thick/{path.name}", recoded(path, lambda data_set: data_set.update(thick))) for path in few()),
        *(NamedFile(path.name, path) for path in paths("P002")),
        NamedFile("scout", rewritten(localizer, lambda data_set: setattr(data_set, "StudyInstanceUID", study))),
    ]

    found = diagnosed(mixed)

    check_the_same(found, as_it_came("P002"))
    assert found.exam.series is not None
    assert {(s.slices, s.why) for s in found.exam.series.rejected} == {(1, "localizer"), (len(few()), "thick slices")}


@pytest.mark.parametrize("exam", PICTURES)
def test_a_localizer_among_pictures_is_left_out_and_said(exam: str) -> None:
    localizer = NamedFile("000 scout.jpg", a_jpeg(a_picture(height=180, width=300)))
    slices = [NamedFile(path.name, path) for path in paths(exam)]

    found = diagnosed([localizer, *slices])

    check_the_same(found, as_it_came(exam))
    said = f"File 1 of {len(slices) + 1} (in the order sent): left out, because all other pictures are of another size."
    assert found.warnings == (said, *as_it_came(exam).warnings)
