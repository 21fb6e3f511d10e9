from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.ct.errors import NoUsableSeries, UnevenExam, UnsupportedEncoding
from app.ct.exam import InputKind, Order
from app.ct.reading import NamedFile, read_exam
from app.ct.windowing import LUNG
from app.uploads import Limits, unpack
from tests.builders import a_jpeg, a_picture, a_png, a_zip, files

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


def a_chest() -> np.ndarray:
    """HU of half lung, half tissue, with a little bone, in the corner of some air."""
    hu = np.repeat(np.linspace(-900, 60, 64)[np.newaxis], 64, axis=0).round()
    hu[0, :8] = 1500
    return hu


def test_a_16_bit_png_that_uses_the_range_of_its_type_is_taken_so():
    exam = read_exam(files(a_png(GRAY.astype(np.uint16) * 257)))

    assert np.array_equal(exam.slices[0].gray, GRAY)
    assert exam.warnings == ()


@pytest.mark.parametrize("offset", [1024, 32768])
def test_a_16_bit_png_may_hold_hounsfield_units_and_then_says_so(offset):
    exam = read_exam(files(a_png((a_chest() + offset).astype(np.uint16))))

    assert np.array_equal(exam.slices[0].gray, LUNG.gray(a_chest()))
    assert any(f"Hounsfield units plus {offset}" in w for w in exam.warnings)


@pytest.mark.parametrize("odd", [-1025, -2000, -3024])
@pytest.mark.parametrize("share", [1, 900])
def test_padding_below_the_least_level_turns_no_exam_to_garbage(odd, share):
    hu = np.maximum(a_chest(), -1000)
    hu.flat[100 : 100 + share] = odd
    exam = read_exam(
        files(a_png((a_chest() + 1024).astype(np.uint16)), a_png((hu + 1024).astype(int).astype(np.uint16)))
    )

    assert np.array_equal(exam.slices[1].gray, LUNG.gray(np.maximum(hu, -1024)))
    assert np.array_equal(exam.slices[0].gray, LUNG.gray(a_chest()))
    assert any("units plus 1024, the highest levels as negative numbers" in w for w in exam.warnings)


@pytest.mark.parametrize("bone", [1500, 300])
def test_hounsfield_units_written_without_their_sign_are_read_and_said(bone):
    hu = np.minimum(a_chest(), bone)
    exam = read_exam(files(a_png(hu.astype(int).astype(np.uint16))))

    assert np.array_equal(exam.slices[0].gray, LUNG.gray(hu))
    assert any("as Hounsfield units, the highest levels as negative ones" in w for w in exam.warnings)


@pytest.mark.parametrize("levels", [[0, 65535], [0, 20000, 65535], [0, 900, 65535]])
def test_white_is_no_negative_number_in_gray_pictures(levels):
    gray = np.repeat(np.array(levels, np.uint16), 200).reshape(-1, 20)
    exam = read_exam(files(a_png(gray)))

    assert exam.slices[0].gray.max() == 255
    assert not any("16-bit" in w for w in exam.warnings)


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095), (14, 16383)])
def test_a_16_bit_png_in_fewer_bits_is_stretched_and_says_so(bits, white):
    shown = LUNG(a_chest())
    exam = read_exam(files(a_png(np.rint(shown * white).astype(np.uint16))))

    assert np.abs(exam.slices[0].gray - shown * 255).max() <= 1
    assert any(f"above {white}" in w for w in exam.warnings)


def test_16_bit_levels_mean_the_same_in_the_whole_exam():
    apex, base = np.full((64, 64), 200, np.uint16), (a_chest() + 1024).astype(np.uint16)
    exam = read_exam(files(a_png(apex), a_png(base)))

    assert np.array_equal(exam.slices[0].gray, LUNG.gray(apex.astype(float) - 1024))


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGB", "RGBA", "L"])
def test_every_mode_of_png_is_read(mode):
    black_and_white = np.where(GRAY > 100, 255, 0).astype(np.uint8)
    picture = Image.fromarray(black_and_white).convert(mode)

    assert np.array_equal(gray(a_png(picture)), black_and_white)


def test_a_progressive_jpeg_is_read():
    assert np.abs(gray(a_jpeg(GRAY, progressive=True)).astype(int) - GRAY).max() < 40


def test_a_photo_with_more_pictures_behind_it_is_read_as_the_first():
    content, flat = BytesIO(), Image.fromarray(np.full((16, 12), 90, np.uint8))
    flat.save(content, "MPO", save_all=True, append_images=[Image.fromarray(GRAY)])

    assert np.array_equal(gray(content.getvalue()), np.full((16, 12), 90))


def test_several_pictures_in_one_png_are_refused_and_none_is_dropped():
    several = a_png(GRAY, save_all=True, append_images=[Image.fromarray(255 - GRAY)])

    with pytest.raises(UnsupportedEncoding, match=r"File 2 of 2 .*: several pictures in one PNG"):
        read_exam(files(a_png(), several))


@pytest.mark.parametrize("frame", [b"\xff\xc3\x00\x0b\x08", b"\xff\xc1\x00\x0b\x0c", b"\xff\xc3\x00\x0b\x10"])
def test_rare_processes_of_jpeg_are_refused_by_name_and_number(frame):
    rare = a_jpeg(GRAY).replace(b"\xff\xc0\x00\x0b\x08", frame)

    with pytest.raises(UnsupportedEncoding, match=r"Files 2-3 of 3 .*: a JPEG of another process"):
        read_exam(files(a_jpeg(), rare, rare))


@pytest.mark.parametrize(("orientation", "turned"), [(3, GRAY[::-1, ::-1]), (6, np.rot90(GRAY)), (2, GRAY[:, ::-1])])
def test_exif_orientation_is_applied(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert np.array_equal(gray(a_png(turned, exif=exif)), GRAY)


def test_pictures_of_two_sizes_are_refused_and_named():
    with pytest.raises(UnevenExam, match="File 2 of 3 "):
        read_exam(files(a_png(), a_png(a_picture(height=20)), a_png()))


@pytest.mark.parametrize("odd", [1, 2])
def test_one_or_two_odd_pictures_beside_ten_alike_are_left_out_and_said(odd):
    exam = read_exam(files(*[a_png(a_picture(height=20))] * odd, *[a_png(a_picture(seed=n)) for n in range(10)]))

    assert len(exam.slices) == 10
    assert exam.warnings[0].startswith("File 1 of 11" if odd == 1 else "Files 1-2 of 12")


@pytest.mark.parametrize(("odd", "alike"), [(1, 9), (3, 30)])
def test_anything_more_mixed_is_refused(odd, alike):
    with pytest.raises(UnevenExam):
        read_exam(files(*[a_png(a_picture(height=20))] * odd, *[a_png()] * alike))


def test_pictures_that_were_sent_twice_are_read_once():
    """As two folders of one export: every finding would count double."""
    once = [(f"{k}.png", a_png(a_picture(seed=k))) for k in range(6)]
    air = [(f"{k}.png", a_png(np.zeros((16, 12), np.uint8))) for k in (6, 7)]
    sent = [*once, *air, *((f"again/{name}", content) for name, content in once)]

    exam = read_exam([NamedFile(name, content) for name, content in sent])

    assert (len(exam.slices), exam.files) == (8, 14)
    assert "6 files that are copies of other slices were left out." in exam.warnings


def test_pictures_sent_twice_by_one_name_are_in_the_order_of_their_names():
    once = [(f"{k}.png", a_png(a_picture(seed=k))) for k in (1, 10, 11, 2, 3)]

    exam = read_exam([NamedFile(name, content) for name, content in once * 2])

    assert exam.order is Order.FILE_NAME
    assert [one.file_number for one in exam.slices] == [1, 4, 5, 2, 3]
    assert not any("repeat" in said for said in exam.warnings)


def test_one_picture_on_its_side_beside_ten_is_left_out_too():
    exam = read_exam(files(*(a_png(a_picture(seed=k)) for k in range(10)), a_png(GRAY.T)))

    assert (len(exam.slices), exam.files) == (10, 11)
    assert exam.warnings[0].startswith("File 11 of 11")


@pytest.mark.parametrize("transform", [b"\x00", b"\x02"])
def test_a_cmyk_jpeg_is_read_by_its_adobe_marker(transform):
    even = np.repeat(np.repeat(np.array([[40, 220]], np.uint8), 16, axis=0), 16, axis=1)
    cmyk = a_jpeg(Image.fromarray(np.dstack([even] * 3)).convert("CMYK"), quality=100)
    marker = cmyk.index(b"Adobe") + 11

    assert cmyk[marker : marker + 1] == b"\x00"
    seen = gray(cmyk[:marker] + transform + cmyk[marker + 1 :])
    assert np.abs(seen.astype(int) - even).max() < 4 if transform == b"\x00" else seen.shape == even.shape


def test_a_series_cannot_be_asked_of_pictures():
    with pytest.raises(NoUsableSeries):
        read_exam(files(a_jpeg()), series_instance_uid="1.2.3")


def of_folders(*folders: str, names: str = "slice{}.jpg", repeating: bool = True) -> list[NamedFile]:
    """Six pictures in each folder, named alike or counted on."""
    return [
        NamedFile(
            f"{folder}/{names.format(k + 1 + (0 if repeating else 6 * place))}", a_jpeg(a_picture(seed=6 * place + k))
        )
        for place, folder in enumerate(folders)
        for k in range(6)
    ]


@pytest.mark.parametrize(
    "parts",
    [
        of_folders("CANARY1", "CANARY2"),
        of_folders("cd/CANARY/1", "cd/CANARY/2"),
        of_folders("cd\\CANARY\\1", "cd\\CANARY\\2"),
        [*of_folders("CANARY1"), *of_folders("", "CANARY2", names="Slice0{}.png")[6:]],
    ],
    ids=["side by side", "below others", "on Windows", "with other suffixes and zeros"],
)
def test_pictures_of_several_folders_whose_names_repeat_are_refused(parts):
    with pytest.raises(UnevenExam, match="from 2 folders, and file names repeat") as refusal:
        read_exam(parts)
    assert "CANARY" not in refusal.value.message


def test_pictures_of_several_folders_in_an_archive_are_refused_too(tmp_path):
    archive = a_zip([(file.name, file.read()) for file in of_folders("CANARY1", "CANARY2")])

    with pytest.raises(UnevenExam, match="from 2 folders"):
        read_exam(unpack([NamedFile("exam.zip", archive)], Limits(), spool=tmp_path))


def test_pictures_of_several_folders_that_count_on_are_one_exam_and_that_is_said():
    exam = read_exam(of_folders("cd/CANARY/1", "cd/CANARY/2", "cd/CANARY", repeating=False))

    assert len(exam.slices) == 18
    (said,) = (warning for warning in exam.warnings if "folders" in warning)
    assert said.startswith("The pictures come from 3 folders and were read as one exam")
    assert "CANARY" not in said


@pytest.mark.parametrize("folder", ["exam", "cd/patient/series", "."])
def test_pictures_of_one_folder_are_one_exam_wherever_it_lies(folder):
    beside = NamedFile("cd/readme/readme.txt", b"hello")

    assert not any("folder" in said for said in read_exam([*of_folders(folder), beside]).warnings)
