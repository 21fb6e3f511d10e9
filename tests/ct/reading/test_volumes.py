import contextlib
import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ct.errors import (
    ExamError,
    NoUsableSeries,
    TooLarge,
    UnevenExam,
    Unreadable,
    UnsupportedType,
    WrongModality,
)
from app.ct.exam import Exam, InputKind, Order
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files
from app.ct.reading import NamedFile, read_exam
from app.ct.reading.kinds import HEAD_BYTES, Kind, kind_told
from app.ct.windowing import LUNG
from app.uploads import Limits, unpack
from tests.builders import a_dicom_exam, a_jpeg, a_zip, files
from tests.volumes import Cut, a_cut, a_metaimage, a_nifti

PHANTOM = phantom(slices=7, size=48, seed=2)
HU = PHANTOM.hu
AXES = ["LPI", "LPS", "RAS", "RPI", "PLS", "ASR", "SLP", "IAL"]


@pytest.fixture(scope="module")
def as_dicom() -> Exam:
    return read_exam(list(dicom_files(PHANTOM)))


def cut(axes: str = "LPS", dtype: str = "i2") -> Cut:
    return a_cut(HU.astype(dtype), spacing_mm=PHANTOM.spacing_mm, axes=axes)


def a_mha(volume: Cut, **lines: object) -> bytes:
    return b"".join(a_metaimage(volume, **lines))


def assert_same(read: Exam, expected: Exam) -> None:
    """The same pictures in the same order, as far apart."""
    assert (read.kind, read.order, len(read.slices)) == (InputKind.VOLUME, Order.POSITION, len(expected.slices))
    assert read.is_oriented
    assert read.is_head_known
    for a, b in zip(read.slices, expected.slices, strict=True):
        assert np.array_equal(a.gray, b.gray)
        assert a.pixel_spacing_mm == pytest.approx(b.pixel_spacing_mm, rel=1e-4)
    z_mm = [np.array([s.z_mm for s in exam.slices]) for exam in (read, expected)]
    assert np.allclose(np.diff(z_mm[0]), np.diff(z_mm[1]), atol=0.01)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SLP", "IAL"])
def test_hounsfield_units_of_a_volume_are_kept_upright(tmp_path, axes):
    exam = read_exam(files(a_nifti(cut(axes))), values_in=tmp_path)

    kept = [np.load(s.values) for s in exam.slices]
    assert all(np.array_equal(LUNG.gray(hu), s.gray) for hu, s in zip(kept, exam.slices, strict=True))
    assert {hu.dtype for hu in kept} == {np.dtype("i2")}
    assert len(list(tmp_path.iterdir())) == len(exam.slices)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_a_nifti_in_any_orientation_is_the_exam_its_slices_are(as_dicom, axes, form):
    assert_same(read_exam(files(a_nifti(cut(axes), form=form))), as_dicom)


@pytest.mark.parametrize("axes", AXES)
def test_a_metaimage_in_any_orientation_is_the_exam_its_slices_are(as_dicom, axes):
    assert_same(read_exam(files(a_mha(cut(axes)))), as_dicom)


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_values_of_every_type_and_byte_order_are_read(as_dicom, dtype, byte_order):
    assert_same(read_exam(files(a_nifti(cut(dtype=dtype), byte_order=byte_order))), as_dicom)
    assert_same(read_exam(files(a_mha(cut(dtype=dtype), byte_order=byte_order))), as_dicom)


def test_a_volume_may_be_compressed(as_dicom):
    half = len(a_nifti(cut())) // 2
    members = gzip.compress(a_nifti(cut())[:half]) + gzip.compress(a_nifti(cut())[half:])

    assert_same(read_exam(files(gzip.compress(a_nifti(cut(), version=2)))), as_dicom)
    assert_same(read_exam(files(members)), as_dicom)
    assert_same(read_exam(files(a_mha(cut(), compressed=True))), as_dicom)


CONTENT = a_nifti(cut())


def padded(member: bytes, *, size: int) -> bytes:
    """A gzip member made ``size`` bytes long by a comment."""
    return member[:3] + b"\x10" + member[4:10] + b"-" * (size - len(member) - 1) + b"\0" + member[10:]


@pytest.mark.parametrize("end", [2**16 - 1, 2**16, 2**16 + 1])
def test_a_part_of_a_volume_may_end_anywhere(as_dicom, end):
    first, second, third = (gzip.compress(part) for part in (CONTENT[:400], CONTENT[400:900], CONTENT[900:]))

    assert_same(read_exam(files(first + padded(second, size=end - len(first)) + third)), as_dicom)


@pytest.mark.parametrize("row", [[0] * 4, [np.nan] * 4])
def test_a_place_that_means_nothing_gives_way_to_the_other_one(as_dicom, row):
    volume = a_nifti(cut(), form="qform", fields={"sform_code": 1, "srow_x": row})

    assert_same(read_exam(files(volume)), as_dicom)


def test_a_handedness_of_zero_means_one(as_dicom):
    spacing = [PHANTOM.spacing_mm[n] for n in (2, 1, 0)]
    volume = a_nifti(cut("RAS"), form="qform", fields={"pixdim": [0, *spacing, 1, 1, 1, 1]})

    assert_same(read_exam(files(volume)), as_dicom)


def test_a_qform_that_cannot_be_is_not_asked_where_the_sform_is_sound(as_dicom):
    assert_same(read_exam(files(a_nifti(cut(), fields={"qform_code": 1, "quatern_b": 9}))), as_dicom)


def test_blanks_in_a_header_are_given_up_after_one_look():
    with pytest.raises(Unreadable, match="header"):
        read_exam(files(b"ObjectType = Image\nNDims = 3\nDimSize =" + b" " * 60_000 + b"\0"))


def test_slope_and_intercept_give_hounsfield_units(as_dicom):
    stored = a_cut((HU.astype("i4") + 1024).astype("u2"), spacing_mm=PHANTOM.spacing_mm)
    fields = {"scl_slope": 1.0, "scl_inter": -1024.0}

    assert_same(read_exam(files(a_nifti(stored, fields=fields))), as_dicom)
    assert_same(read_exam(files(a_nifti(cut(), fields={"scl_slope": np.nan, "scl_inter": np.nan}))), as_dicom)


def test_a_volume_in_meters_is_as_large_as_one_in_millimeters(as_dicom):
    whole = cut()
    meters = Cut(whole.values, whole.steps / 1000, whole.origin / 1000)

    assert_same(read_exam(files(a_nifti(meters, fields={"xyzt_units": 1}))), as_dicom)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_and_its_values_in_two_files_are_one_volume(as_dicom, compressed):
    header, values = a_metaimage(cut(), compressed=compressed, data_file="chest.raw")
    parts = [NamedFile("a/CHEST.RAW", values), NamedFile("a/chest.mhd", header), NamedFile("notes.txt", b"hello")]

    assert_same(read_exam(parts), as_dicom)
    assert_same(read_exam([NamedFile("renamed.raw", values), NamedFile("chest.mhd", header)]), as_dicom)


@pytest.mark.parametrize("name", ["chest.raw", "renamed.raw", "chest.img"])
@pytest.mark.parametrize("padding", [-2000, -3024])
def test_values_that_read_as_text_are_still_values(padding, name):
    hu = HU.astype("i2")
    hu[-1, :12] = padding  # The feet come first in the file.
    header, values = a_metaimage(a_cut(hu), data_file="CHEST.img" if name == "chest.img" else "chest.raw")
    assert kind_told(name, values[:HEAD_BYTES]) in (Kind.JUNK, Kind.LOST)

    assert len(read_exam([NamedFile("chest.mhd", header), NamedFile(name, values)]).slices) == len(hu)


def test_text_beside_a_volume_that_holds_its_own_values_stays_what_it_is():
    exam = read_exam([NamedFile("chest.mha", a_mha(cut())), NamedFile("notes.raw", b"hello")])

    assert exam.warnings == ("1 file that is not a slice was left out.",)


def test_a_header_without_its_values_is_refused():
    header, _ = a_metaimage(cut(), data_file="chest.raw")

    with pytest.raises(Unreadable, match="did not come along"):
        read_exam(files(header))


def test_what_lies_beside_a_volume_and_is_no_part_of_it_is_named():
    with pytest.raises(Unreadable, match=r"File 2 of 2 .*no known kind"):
        read_exam(files(a_nifti(cut()), b"\0\1\2\3" * 200))


def test_slices_beside_a_volume_are_the_exam_when_they_are_dicom():
    exam = read_exam(files(*a_dicom_exam(), a_nifti(cut())))

    assert exam.kind is InputKind.DICOM
    assert exam.warnings == ("1 picture or other file beside the DICOM files was left out.",)


def turned(volume: Cut, *turns: tuple[int, int, float]) -> Cut:
    """``volume`` turned by degrees within planes of two of the patient's axes."""
    steps = volume.steps
    for first, second, degrees in turns:
        turn = np.eye(3)
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn[[first, second, first, second], [first, second, second, first]] = cosine, cosine, -sine, sine
        steps = turn @ steps
    return Cut(volume.values, steps, volume.origin)


def test_a_tilted_volume_is_read_and_lies_as_its_normal_runs():
    slices = read_exam(files(a_nifti(turned(cut(), (1, 2, 25.0))))).slices

    assert len(slices) == 7
    assert np.diff([s.z_mm for s in slices]) == pytest.approx(-PHANTOM.spacing_mm[0], rel=1e-3)


@pytest.mark.parametrize(
    "volume",
    [turned(cut(), (1, 2, 45.0), (0, 2, 35.0)), a_cut(HU, spacing_mm=(0.7, 0.7, 5.0)), a_cut(HU, spacing_mm=(1, 3, 1))],
)
def test_a_volume_without_axial_slices_is_refused(volume):
    with pytest.raises(NoUsableSeries, match="not made of axial slices"):
        read_exam(files(a_nifti(volume)))


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (a_nifti(Cut(np.stack([cut().values] * 2, axis=-1), cut().steps, cut().origin)), UnsupportedType, "dimensions"),
        (
            a_nifti(cut(), version=2, fields={"srow_x": [1e200] * 4, "srow_y": [1, 1e200, 1, 1]}),
            Unreadable,
            "no size or place",
        ),
        (a_nifti(cut(), fields={"datatype": 128, "bitpix": 24}), UnsupportedType, "colors"),
        (a_nifti(cut(), fields={"datatype": 32, "bitpix": 64}), UnsupportedType, "colors"),
        (a_nifti(cut(), fields={"sform_code": 0}), NoUsableSeries, "how it lies"),
        (a_nifti(cut(), fields={"magic": b"ni1"}), UnsupportedType, "two files"),
        (a_nifti(cut(), fields={"vox_offset": 9e8}), Unreadable, "where its values begin"),
        (a_nifti(cut(), fields={"srow_x": [0, 0, 0, 0]}), Unreadable, "no size"),
        (a_nifti(cut(), fields={"srow_x": [np.nan] * 4}), Unreadable, "no size"),
        (a_nifti(cut(), fields={"dim": [3, 30000, 30000, 9, 1, 1, 1, 1]}), Unreadable, "fewer values"),
        (gzip.compress(a_nifti(cut(), fields={"dim": [3, 30000, 30000, 9, 1, 1, 1, 1]})), TooLarge, "megapixels"),
        (gzip.compress(a_nifti(cut(), fields={"dim": [3, 9, 9, 30000, 1, 1, 1, 1]})), TooLarge, "slices"),
        (
            gzip.compress(a_nifti(cut(dtype="f8"), fields={"dim": [3, 999, 999, 999, 1, 1, 1, 1]})),
            TooLarge,
            "megapixels",
        ),
        (a_nifti(cut(), fields={"datatype": 1536, "bitpix": 128}), UnsupportedType, "another type"),
        (a_nifti(cut(), fields={"srow_x": [1, 1, 0, 0], "srow_y": [1, 1, 0, 0]}), Unreadable, "do not span a space"),
        (a_nifti(cut(), fields={"srow_x": [1, 0, 0, 1e30]}), Unreadable, "no size or place"),
        (a_mha(cut(), ElementNumberOfChannels=3), UnsupportedType, "colors"),
        (a_mha(cut(), ElementType="MET_LONG"), UnsupportedType, "another type"),
        (a_mha(cut(), BinaryData="False"), UnsupportedType, "written in a way"),
        (a_mha(cut(), HeaderSize=-1), UnsupportedType, "written in a way"),
        (
            gzip.compress(a_nifti(cut(), fields={"dim": [3, 8000, 8000, 2, 1, 1, 1, 1]})),
            TooLarge,
            "megapixels a slice",
        ),
        (a_mha(cut(), DimSize="8 8 8 8"), UnsupportedType, "dimensions"),
        (a_mha(cut(), DimSize="many"), Unreadable, "header"),
        (a_mha(cut(), ElementSpacing=None), Unreadable, "header"),
        (a_mha(cut(), ElementSpacing="0 1 1"), Unreadable, "no size"),
        (a_mha(cut(), data_file="LIST"), UnsupportedType, "several files"),
        (a_mha(a_cut((HU > 0).astype("u1"))), WrongModality, "no Hounsfield units"),
        (a_mha(a_cut(HU.astype("f4") / 4096 + 0.25)), WrongModality, "no Hounsfield units"),
        (a_mha(a_cut((HU.astype("i4") + 1024).astype("u2"))), WrongModality, "no Hounsfield units"),
    ],
)
def test_what_is_no_volume_of_a_ct_is_refused_with_its_reason(content, error, words):
    with pytest.raises(error, match=words):
        read_exam(files(content))


def test_more_than_one_volume_is_refused():
    with pytest.raises(UnevenExam, match=r"Files 1-2 of 2 .*more than one volume"):
        read_exam(files(a_nifti(cut()), a_mha(cut())))


def test_a_volume_among_pictures_is_refused():
    with pytest.raises(UnevenExam, match="both pictures and a volume"):
        read_exam(files(a_nifti(cut()), *[a_jpeg()] * 3))


def test_the_preview_of_a_volume_is_left_out_and_counted(as_dicom):
    exam = read_exam(files(a_jpeg(), a_nifti(cut())))

    assert_same(exam, as_dicom)
    assert exam.warnings == ("1 picture or other file beside the volume was left out.",)


def test_a_volume_has_no_series_to_ask_for():
    with pytest.raises(NoUsableSeries):
        read_exam(files(a_nifti(cut())), series_instance_uid="1.2.3")


@pytest.mark.parametrize("share", [0.001, 0.05, 0.3, 0.7, 0.99, 0.9999])
@pytest.mark.parametrize(
    "make", [lambda: a_nifti(cut()), lambda: gzip.compress(a_nifti(cut())), lambda: a_mha(cut(), compressed=True)]
)
def test_a_volume_cut_off_anywhere_is_refused(make, share):
    content = make()

    with pytest.raises(ExamError):
        read_exam(files(content[: int(len(content) * share)]))


def test_a_compressed_volume_with_one_flipped_bit_is_refused():
    content = bytearray(gzip.compress(a_nifti(cut()), compresslevel=0))
    content[-2000] ^= 1

    with pytest.raises(Unreadable):
        read_exam(files(bytes(content)))


def test_a_volume_that_promises_more_than_it_holds_is_read_one_slice_at_a_time():
    bomb = gzip.compress(a_nifti(cut(), fields={"dim": [3, 1000, 1000, 1000, 1, 1, 1, 1]}) + bytes(30 * 2**20))
    tracemalloc.start()
    with pytest.raises(Unreadable):
        read_exam(files(bomb))

    # Promised memory is counted though nothing is ever written into it; what was read is a slice at a time.
    assert tracemalloc.get_traced_memory()[1] < 1000**3 + 40 * 2**20
    tracemalloc.stop()


def test_a_compressed_volume_of_absurdly_many_parts_is_refused():
    with pytest.raises(Unreadable):
        read_exam(
            files(
                gzip.compress(a_nifti(cut())[:400]) + gzip.compress(b"") * 2**16 + gzip.compress(a_nifti(cut())[400:])
            )
        )


FUZZED = [
    a_nifti(cut()),
    gzip.compress(a_nifti(cut())),
    a_mha(cut()),
    a_mha(cut(), compressed=True),
    a_nifti(cut(), version=2),
]


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_damage_anywhere_in_a_volume_is_at_most_an_exam_error(choices):
    content = bytearray(choices.draw(st.sampled_from(FUZZED)))
    end = choices.draw(st.sampled_from([60, 400, len(content)]))
    for at in choices.draw(st.lists(st.integers(0, end - 1), min_size=1, max_size=8)):
        content[at] = choices.draw(st.integers(0, 255))
    with contextlib.suppress(ExamError):
        assert read_exam(files(bytes(content))).slices


def test_a_compressed_volume_may_lie_in_an_archive(as_dicom, tmp_path: Path):
    archive = NamedFile("a.zip", a_zip([("chest/ct.nii.gz", gzip.compress(a_nifti(cut())))]))

    assert_same(read_exam(unpack([archive], Limits(), spool=tmp_path)), as_dicom)


@pytest.mark.parametrize("fill", [24, -1000])
def test_a_volume_without_its_rescale_is_refused_with_advice(fill):
    stored = HU.astype("i2") + 1024
    stored[:, :8] = fill

    with pytest.raises(WrongModality, match=r"1024 too high.*Write them with the rescale"):
        read_exam(files(a_nifti(a_cut(stored, spacing_mm=PHANTOM.spacing_mm))))


def test_a_volume_with_air_but_without_soft_tissue_is_doubted():
    stored = np.where(HU > -200, HU + 5000, HU).astype("i2")

    (warning,) = read_exam(files(a_nifti(a_cut(stored, spacing_mm=PHANTOM.spacing_mm)))).warnings
    assert warning.startswith("The values of the volume do not look like Hounsfield units")


def test_a_metaimage_with_the_tags_that_itk_keeps_is_read(as_dicom):
    header, values = a_metaimage(cut())
    first, rest = header.split(b"BinaryData =", 1)
    tags = b"".join(b"0008|%04x = CT Thorax\xe9 %d=x\n" % (k, k) for k in range(300))

    assert_same(read_exam(files(first + tags + b"BinaryData =" + rest + values)), as_dicom)


def test_a_metaimage_that_does_not_say_how_it_lies_is_not_oriented():
    exam = read_exam(files(a_mha(cut(), TransformMatrix=None)))

    assert not exam.is_oriented
    assert not exam.is_head_known
    assert any("does not say how it lies in the patient" in said for said in exam.warnings)


@pytest.mark.parametrize("make", [a_nifti, a_mha])
def test_corners_filled_with_a_value_that_is_no_air_become_air(make):
    y, x = np.mgrid[:48, :48] - 23.5
    outside = y**2 + x**2 > 24**2
    filled = np.where(outside, 0, HU).astype("i2")

    exam = read_exam(files(make(a_cut(filled, spacing_mm=PHANTOM.spacing_mm))))

    assert all((one.gray[outside] == LUNG.gray(np.array([-1024.0]))[0]).all() for one in exam.slices)
