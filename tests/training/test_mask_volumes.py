"""Lesions marked in a volume, for exams of many slices."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.ct.reading import NamedFile, read_exam
from tests.training.builders import a_data_set
from tests.training.test_evaluate import GrayScorer, run
from tests.training.test_prepare import MANY
from tests.volumes import Cut, a_cut, a_metaimage, a_nifti
from training.measuring.scoring import By, score
from training.records.catalog import Catalog, CatalogError
from training.records.mask_volumes import MaskVolume
from training.records.prepare import prepare

CHEST = phantom(slices=12, lesions="many", size=128)
FIRST_MM = np.array([-(127 / 2) * CHEST.spacing_mm[2], -(127 / 2) * CHEST.spacing_mm[1], 0.0])
"""Where the first voxel of the phantom's DICOM files lies."""
SHOWN = sum(bool(lesion.any()) for lesion in CHEST.lesions)


def cut(voxels: np.ndarray, axes: str = "LPS", *, off_mm: float = 0.0) -> Cut:
    """Voxels that lie as the phantom's DICOM files do, moved towards the head."""
    made = a_cut(voxels, spacing_mm=CHEST.spacing_mm, axes=axes)
    return replace(made, origin=made.origin - (-10.0, 20.0, 300.0) + FIRST_MM + (0.0, 0.0, off_mm))


def marked(axes: str = "LPS", *, off_mm: float = 0.0, most: int = 1) -> Cut:
    return cut(CHEST.lesions.astype(np.uint8) * np.uint8(most), axes, off_mm=off_mm)


def an_exam(folder: Path, mask: bytes, *, name: str = "mask.nii", dicom: bool = False) -> Path:
    """A data set of one exam and its mask."""
    folder.mkdir()
    if dicom:
        (folder / "exam").mkdir()
        for file in dicom_files(CHEST):
            (folder / "exam" / file.name).write_bytes(file.read())
    else:
        (folder / "exam.nii.gz").write_bytes(gzip.compress(a_nifti(cut(CHEST.hu, "RAS"))))
    (folder / name).write_bytes(mask)
    (folder / "manifest.csv").write_text(f"file,label,mask\n{'exam' if dicom else 'exam.nii.gz'},1,{name}\n")
    return folder


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LAI", "SPR", "ASL"])
@pytest.mark.parametrize("dicom", [False, True])
def test_each_slice_of_an_exam_has_its_own_lesions_however_the_mask_lies(tmp_path, axes, dicom):
    (tmp_path / "mask.nii.gz").write_bytes(gzip.compress(a_nifti(marked(axes))))
    files = list(dicom_files(CHEST)) if dicom else [NamedFile("exam.nii", a_nifti(cut(CHEST.hu, "RAS")))]
    slices = read_exam(files).slices

    volume = MaskVolume.read(tmp_path / "mask.nii.gz")
    found = np.stack([volume.at(one.z_mm, (one.height, one.width)) for one in slices])

    assert CHEST.lesions.any()
    np.testing.assert_array_equal(found, CHEST.lesions)


def test_a_mask_may_be_of_two_files_and_of_floats_above_zero(tmp_path):
    voxels = np.where(CHEST.lesions, 0.25, -0.5).astype(np.float32)
    voxels[0, 0, 0] = np.nan
    header, values = a_metaimage(cut(voxels), data_file="mask.raw")
    (tmp_path / "mask.mhd").write_bytes(header)
    (tmp_path / "mask.raw").write_bytes(values)

    volume = MaskVolume.read(tmp_path / "mask.mhd")

    assert sum(int(lesion.sum()) for lesion in volume.lesions) == CHEST.lesions.sum()


@pytest.mark.parametrize("dicom", [False, True])
def test_the_maps_of_an_exams_slices_are_measured_by_a_volume_of_masks(tmp_path, dicom):
    data = an_exam(tmp_path / "data", a_nifti(marked("ASL")), dicom=dicom)
    (scored,) = score(Catalog.read(data).records, GrayScorer(), by=By.EXAM)

    report = run(data, tmp_path / "out", by=By.EXAM)

    found = report["localization"]
    assert (found["n"], found["without_lesion"]) == (
        sum(one.heat is not None for one in scored.located),
        sum(one.heat is None for one in scored.located),
    )
    assert 0 < found["n"] <= SHOWN
    assert len(scored.located) == len(scored.logits)
    assert (found["masks_not_used"], found["groups"]) == (0, 1)
    # The phantom's lesions are bright, and so is GrayScorer's map there.
    assert found["energy_in_lesion"]["value"] > 0.9 * found["lesion_share"]["value"] > 0


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (a_nifti(marked(off_mm=900.0)), "A mask has no slice where the exam has one"),
        (a_nifti(cut(CHEST.lesions[:, :100].astype(np.uint8))), "A mask has another size than its image."),
        (a_nifti(marked())[:-9], "A mask cannot be read as a volume."),
        (gzip.compress(a_nifti(marked()))[:-900], "A mask cannot be read as a volume."),
        (b"nothing", "A mask cannot be read as a volume."),
    ],
)
def test_a_volume_of_masks_that_cannot_be_used_is_told_once_and_the_exam_scored(tmp_path, mask, why):
    data = an_exam(tmp_path / "data", mask)

    report = run(data, tmp_path / "out", by=By.EXAM)

    assert report["n"] == 1
    (told,) = report["masks_not_used"]
    assert told["why"].startswith(why)
    assert ("So on" in told["why"]) == ("volume" not in why)
    assert report["localization"]["n"] == 0


def test_a_slice_whose_place_nobody_knows_has_no_mask():
    volume = MaskVolume(np.array([0.0, 5.0]), (np.ones((2, 2), bool),) * 2)

    assert volume.at(7.5, (2, 2)).all()
    for z_mm in (7.6, None):
        with pytest.raises(CatalogError, match="no slice where"):
            volume.at(z_mm, (2, 2))


@pytest.mark.parametrize(("mask", "kept"), [(a_nifti(marked()), True), (b"nothing", False)])
def test_prepare_keeps_the_masks_of_exams_that_can_be_read(tmp_path, mask, kept):
    exam = an_exam(tmp_path / "exams", mask)
    data = a_data_set(tmp_path / "data", [*MANY])

    report = prepare([data, exam], tmp_path / "work")

    catalog = Catalog.read(tmp_path / "work")
    assert [r.mask is not None for r in catalog.records if r.is_exam] == [kept]
    assert any("masks cannot be read" in remark for remark in report["remarks"]) != kept


def test_a_volume_is_no_mask_of_a_picture(tmp_path):
    data = a_data_set(tmp_path / "data", [*MANY, {"dataset": "medseg48", "mask": "mask.nii"}])
    (data / "mask.nii").write_bytes(a_nifti(cut(np.ones((12, 48, 64), np.uint8))))

    prepare([data], tmp_path / "work")

    assert all(record.mask is None for record in Catalog.read(tmp_path / "work").records)
