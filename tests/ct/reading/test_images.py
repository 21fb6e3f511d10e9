import numpy as np
import pytest
from PIL import Image

from app.ct.errors import NoUsableSeries, UnevenExam
from app.ct.exam import InputKind
from app.ct.reading import read_exam
from tests.builders import a_jpeg, a_picture, a_png, files

GRAY = a_picture()


def gray(content: bytes) -> np.ndarray:
    return read_exam(files(content)).slices[0].gray


def test_a_png_is_read_as_it_is():
    assert np.array_equal(gray(a_png()), GRAY)


def test_a_jpeg_is_an_exam_of_one_slice_without_position():
    exam = read_exam(files(a_jpeg()))

    assert (exam.kind, len(exam.slices), exam.slices[0].z_mm) == (InputKind.IMAGES, 1, None)
    assert exam.series is None
    assert exam.warnings == ()


def test_colors_become_gray_by_luminance():
    assert np.array_equal(gray(a_png(np.dstack([GRAY] * 3))), GRAY)


def test_transparent_places_are_black():
    alpha = np.full_like(GRAY, 255)
    alpha[0] = 0

    assert np.array_equal(gray(a_png(np.dstack([GRAY, GRAY, GRAY, alpha])))[0], np.zeros(12))


def test_a_16_bit_png_uses_the_range_of_its_type():
    assert np.array_equal(gray(a_png(GRAY.astype(np.uint16) * 257)), GRAY)


@pytest.mark.parametrize(("orientation", "turned"), [(3, GRAY[::-1, ::-1]), (6, np.rot90(GRAY)), (2, GRAY[:, ::-1])])
def test_exif_orientation_is_applied(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert np.array_equal(gray(a_png(turned, exif=exif)), GRAY)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(UnevenExam):
        read_exam(files(a_png(), a_png(a_picture(height=20))))


def test_a_cmyk_jpeg_is_read():
    cmyk = Image.fromarray(np.dstack([GRAY] * 3)).convert("CMYK")

    assert gray(a_jpeg(cmyk)).shape == GRAY.shape


def test_a_series_cannot_be_asked_of_pictures():
    with pytest.raises(NoUsableSeries):
        read_exam(files(a_jpeg()), series_instance_uid="1.2.3")
