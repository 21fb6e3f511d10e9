from io import BytesIO

import numpy as np
import pydicom
import pytest

from app.ct.exam import InputKind, Order
from app.ct.lungs import find_lungs
from app.ct.phantom import Phantom, phantom
from app.ct.phantom.files import dicom_files, jpeg_files, write
from app.ct.reading import read_exam


@pytest.fixture(scope="module")
def ill() -> Phantom:
    return phantom(slices=12, lesions="many", seed=3, size=128)


@pytest.fixture(scope="module")
def healthy() -> Phantom:
    return phantom(slices=12, lesions="none", seed=3, size=128)


def test_a_phantom_is_hounsfield_units_of_a_chest(healthy):
    assert (healthy.hu.dtype, healthy.hu.shape) == (np.int16, (12, 128, 128))
    assert -1024 <= healthy.hu.min() < -950
    assert 300 < healthy.hu.max() <= 3071
    assert healthy.spacing_mm == pytest.approx((300 / 11, 360 / 128, 360 / 128))


def test_the_same_seed_gives_the_same_phantom_and_another_seed_another(ill):
    assert np.array_equal(phantom(slices=12, lesions="many", seed=3, size=128).hu, ill.hu)
    assert not np.array_equal(phantom(slices=12, lesions="many", seed=4, size=128).hu, ill.hu)


def test_lesions_are_on_demand_and_the_chest_stays_the_same(ill, healthy):
    assert not healthy.lesions.any()
    assert ill.lesions.mean() > phantom(slices=12, lesions="few", seed=3, size=128).lesions.mean() > 0
    assert np.array_equal(ill.hu[0], healthy.hu[0])


def test_lesions_lie_in_the_lungs_and_never_darken_them(ill, healthy):
    changed = ill.hu.astype(int) - healthy.hu

    assert changed.min() >= -1
    assert np.median(healthy.hu[ill.lesions]) < -700
    assert np.median(ill.hu[ill.lesions]) > -700


@pytest.mark.parametrize("seed", range(5))
def test_both_lungs_are_found_where_they_are(seed):
    chest = phantom(slices=12, seed=seed, size=256).exam()
    shares = [lungs.area_share if (lungs := find_lungs(s.gray)) else 0.0 for s in chest.slices]

    assert shares[0] == shares[-1] == 0.0
    assert min(shares[3:8]) > 0.08
    assert max(shares) == max(shares[4:7])


def test_the_dicom_files_are_read_as_the_same_exam(ill):
    read, drawn = read_exam(list(dicom_files(ill))), ill.exam()

    assert read.warnings == ()
    assert (read.order, read.kind) == (Order.POSITION, InputKind.DICOM)
    assert all(np.array_equal(a.gray, b.gray) for a, b in zip(read.slices, drawn.slices, strict=True))
    assert [s.z_mm for s in read.slices] == pytest.approx([s.z_mm for s in drawn.slices], abs=0.001)


def test_the_dicom_files_are_valid_ct_and_plainly_nobodys(ill):
    for file in dicom_files(ill):
        data_set = pydicom.dcmread(BytesIO(file.read()))

        assert data_set.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert data_set.SOPClassUID == pydicom.uid.CTImageStorage
        assert all(data_set[k].value.is_valid for k in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"))
        assert data_set.SOPInstanceUID.startswith(pydicom.uid.PYDICOM_ROOT_UID)
        assert data_set.PatientName == "PHANTOM^SYNTHETIC"


def test_the_dicom_files_are_the_same_every_time(ill):
    assert [f.read() for f in dicom_files(ill)] == [f.read() for f in dicom_files(ill)]
    assert len({pydicom.dcmread(BytesIO(f.read())).SOPInstanceUID for f in dicom_files(ill)}) == 12


def test_the_jpeg_files_look_like_the_dicom_files(ill):
    pictures = read_exam(list(jpeg_files(ill)))
    differences = [
        np.abs(a.gray.astype(int) - b.gray).mean() for a, b in zip(pictures.slices, ill.exam().slices, strict=True)
    ]

    assert max(differences) < 4


def test_files_are_written_into_a_folder(ill, tmp_path):
    written = write(jpeg_files(ill), tmp_path / "exam")

    assert [p.name for p in written][:2] == ["slice1.jpg", "slice2.jpg"]
    assert len(list((tmp_path / "exam").iterdir())) == 12


def test_one_slice_shows_the_middle_of_the_lungs():
    (only,) = phantom(slices=1, size=256).exam().slices

    assert find_lungs(only.gray) is not None
