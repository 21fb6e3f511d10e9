import random

import numpy as np
import pydicom
import pytest

from app.ct.errors import ExamError, NoUsableSeries
from app.ct.exam import InputKind, Order
from app.ct.reading import NamedFile, read_exam
from tests.builders import SHARED, an_enhanced_dicom, files, shared_data
from tests.volumes import a_cut, a_nifti

ODDITIES = sorted(p.name for p in (SHARED / "oddities").glob("*.dcm")) or ["absent"]
REFUSED = {
    "enhanced_multiframe_2f_perfusion.dcm": NoUsableSeries,
    "localizer_chest_jpeglossless.dcm": NoUsableSeries,
    "nysbu_coronal_reformat.dcm": NoUsableSeries,
    "nysbu_sagittal_reformat.dcm": NoUsableSeries,
}


def shuffled(folder: str) -> list[NamedFile]:
    parts = [NamedFile(p.name, p) for p in sorted((shared_data() / "exams" / folder).iterdir())]
    random.Random(1).shuffle(parts)
    return parts


def test_a_real_dicom_exam_is_ordered_head_first():
    parts = shuffled("P002")
    exam = read_exam(parts)

    assert (len(exam.slices), exam.order, exam.kind) == (133, Order.POSITION, InputKind.DICOM)
    assert [parts[s.file_number - 1].name for s in exam.slices] == [f"IM{n:04d}.dcm" for n in range(1, 134)]
    assert np.allclose(np.diff([s.z_mm for s in exam.slices]), -2.0)
    assert exam.warnings == ()


@pytest.mark.parametrize(("folder", "slices"), [("normal002-jpeg", 167), ("cap002-jpeg", 131), ("lidc0001-jpeg", 133)])
def test_a_real_jpeg_exam_is_in_natural_order(folder, slices):
    parts = shuffled(folder)
    exam = read_exam(parts)
    numbers = [int("".join(filter(str.isdigit, parts[s.file_number - 1].name))) for s in exam.slices]

    assert len(exam.slices) == slices
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("name", ODDITIES)
def test_every_oddity_is_read_or_refused_with_its_reason(name):
    content = NamedFile(name, shared_data() / "oddities" / name)
    if name in REFUSED:
        with pytest.raises(REFUSED[name]):
            read_exam([content])
    else:
        assert len(read_exam([content]).slices) == 1


def test_one_slice_in_several_codings_gives_one_picture():
    lossless = ["wg04_CT1_RLE.dcm", "wg04_CT1_J2KR.dcm", "wg04_CT1_JLSL.dcm", "wg04_CT1_JPLL.dcm"]
    first, *others = (read_exam([NamedFile("a", shared_data() / "oddities" / n)]).slices[0].gray for n in lossless)

    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("name", ODDITIES)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.95])
def test_every_oddity_cut_off_is_refused(name, share):
    content = (shared_data() / "oddities" / name).read_bytes()

    with pytest.raises(ExamError):
        read_exam([NamedFile(name, content[: int(len(content) * share)])])


def test_a_real_exam_is_the_same_as_one_multi_frame_file_and_as_one_volume():
    paths = sorted((shared_data() / "exams" / "P002").iterdir())[40:60]
    single = read_exam([NamedFile(p.name, p) for p in paths])
    stored = [pydicom.dcmread(p).pixel_array for p in paths]
    z_mm = [float(pydicom.dcmread(p).ImagePositionPatient[2]) for p in paths]
    spacing = single.slices[0].pixel_spacing_mm
    tags = pydicom.dcmread(paths[0])
    hu = np.stack(stored) * float(tags.RescaleSlope) + float(tags.RescaleIntercept)
    frames = read_exam(files(an_enhanced_dicom(stored=[(s + 1024).astype(np.uint16) for s in hu], z_mm=z_mm)))
    volume = read_exam(files(a_nifti(a_cut(hu.astype(np.int16), spacing_mm=(2.0, *spacing)))))

    for exam in (frames, volume):
        assert all(np.array_equal(a.gray, b.gray) for a, b in zip(exam.slices, single.slices, strict=True))
        assert np.allclose(np.diff([s.z_mm for s in exam.slices]), -2.0)
