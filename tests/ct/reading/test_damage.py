import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from app.ct.errors import ExamError, NoFiles, TooLarge, Unreadable, UnsupportedEncoding, UnsupportedType
from app.ct.reading import NamedFile, parsing, read_exam
from app.ct.reading.files import named
from tests.builders import a_dicom, a_dicom_exam, a_huge_png, a_jpeg, a_picture, a_png, a_zip, files

EXAM = a_dicom_exam()


def test_an_empty_slice_refuses_the_exam_by_its_number():
    with pytest.raises(Unreadable, match=r"^File 3 of 5 \(in the order sent\): empty\.$"):
        read_exam(files(*EXAM[:2], b"", *EXAM[2:]))


def test_every_bad_slice_is_named():
    with pytest.raises(Unreadable, match=r"File 2 of 6 .*: empty\. Files 4-5 of 6 .*: damaged"):
        read_exam(files(EXAM[0], b"", EXAM[1], EXAM[2][:-40], EXAM[3][:-2], a_dicom(z_mm=9)))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_slice_cut_off_anywhere_refuses_the_exam(share):
    cut = EXAM[1][: int(len(EXAM[1]) * share)]

    with pytest.raises(Unreadable, match="File 2 of 4"):
        read_exam(files(EXAM[0], cut, *EXAM[2:]))


@pytest.mark.parametrize("make", [a_jpeg, a_png])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_picture_cut_off_anywhere_refuses_the_exam(make: Callable[..., bytes], share):
    whole = make(a_picture(height=64, width=64))

    with pytest.raises(Unreadable, match="File 2 of 2"):
        read_exam(files(whole, whole[: int(len(whole) * share)]))


def test_a_damaged_compressed_slice_refuses_the_exam():
    whole = a_dicom(syntax=RLELossless)

    with pytest.raises(Unreadable, match="File 1 of 1"):
        read_exam(files(whole[:-30]))


@given(st.binary(max_size=600))
def test_bytes_of_any_kind_are_refused_as_an_exam_error(content):
    with pytest.raises(ExamError):
        read_exam(files(content))


@given(st.integers(0, len(EXAM[0]) - 1), st.binary(min_size=1, max_size=8))
def test_a_slice_with_altered_bytes_is_read_or_refused(at, altered):
    content = EXAM[0][:at] + altered + EXAM[0][at + len(altered) :]
    try:
        exam = read_exam(files(content))
    except ExamError:
        return

    assert len(exam.slices) == 1


def deflated(content: bytes) -> bytes:
    """A DICOM file of the deflated syntax whose data set is ``content``, deflated."""
    whole = a_dicom(syntax=DeflatedExplicitVRLittleEndian)
    meta_bytes = 144 + int.from_bytes(whole[140:144], "little")
    stream = zlib.compressobj(wbits=-15)
    return whole[:meta_bytes] + stream.compress(content) + stream.flush()


def test_a_deflated_slice_that_inflates_without_end_is_refused():
    with pytest.raises(TooLarge, match="inflates"):
        read_exam(files(deflated(bytes(parsing.MAX_INFLATED_BYTES + 10**6))))


def test_a_deflated_slice_inside_a_deflated_slice_is_refused():
    with pytest.raises(UnsupportedEncoding):
        read_exam(files(deflated(deflated(a_dicom())[132:])))


def test_a_deflated_slice_that_is_cut_off_is_refused():
    with pytest.raises(Unreadable):
        read_exam(files(a_dicom(syntax=DeflatedExplicitVRLittleEndian)[:-20]))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(TooLarge, match="File 2"):
        read_exam(files(a_png(), a_huge_png(width=8000, height=8000)))
    with pytest.raises(TooLarge):
        read_exam(files(a_huge_png(width=60_000, height=60_000)))


def test_a_slice_of_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(TooLarge):
        read_exam(files(a_dicom(Rows=8000, Columns=8000)))


@pytest.mark.parametrize(
    "contents",
    [
        [a_dicom(Rows=6000, Columns=6000, InstanceNumber=n) for n in range(30)],
        [a_huge_png(width=6000, height=6000)] * 30,
    ],
)
def test_an_exam_of_too_many_pixels_is_refused_before_it_is_decoded(contents):
    with pytest.raises(TooLarge, match="The exam holds"):
        read_exam(files(*contents))


def test_nothing_is_no_exam():
    with pytest.raises(NoFiles):
        read_exam([])


def test_what_file_managers_leave_behind_is_no_exam():
    with pytest.raises(NoFiles):
        read_exam([NamedFile(".DS_Store", b"\0\0\0\1Bud1"), NamedFile("__MACOSX/._a.dcm", b"\0\5\26\7")])


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"GIF89a...", b"BM......", a_zip([("a", b"b")]), b"hello, world"])
def test_other_kinds_of_files_are_refused(content):
    with pytest.raises(UnsupportedType):
        read_exam(files(content))


def test_a_kind_of_picture_that_is_not_read_is_never_left_out():
    with pytest.raises(UnsupportedType, match="File 2 of 3"):
        read_exam(files(a_jpeg(), b"II*\0....", a_jpeg()))


@pytest.mark.parametrize("name", ["DICOMDIR", "a/DICOMDIR", "x/._s.dcm", "Thumbs.db", "report.txt", "a\\viewer.exe"])
def test_junk_beside_slices_is_left_out_and_counted(name):
    exam = read_exam([*files(*EXAM), NamedFile(name, b"MZ\0\1junk"), NamedFile("readme", b"Open viewer.exe\n")])

    assert (len(exam.slices), exam.files) == (4, 6)
    assert exam.warnings == ("2 files that are not slices were left out.",)


def test_a_slice_counts_by_its_bytes_whatever_its_name():
    named_oddly = [NamedFile(f"{n}.txt", content) for n, content in enumerate(EXAM)]

    assert len(read_exam(named_oddly).slices) == 4


def test_no_message_holds_a_file_name_or_a_tag():
    bad = NamedFile("CANARY-7.dcm", a_dicom(SeriesDescription="CANARY")[:-9])

    with pytest.raises(Unreadable) as caught:
        read_exam([*files(*EXAM), bad])
    assert "CANARY" not in caught.value.message


def test_files_are_named_in_runs():
    assert named([9, 1, 2, 3, 7], 12) == "Files 1-3, 7, 9 of 12 (in the order sent)"


ODD = a_dicom(SpecificCharacterSet="ISO_IR 100", StudyInstanceUID="not-a-uid").replace(b"ISO_IR 100", b"CANARY^JOE")


def test_odd_values_do_not_stop_a_slice_from_being_read():
    assert len(read_exam(files(ODD)).slices) == 1


def test_what_pydicom_thinks_of_odd_values_is_neither_logged_nor_printed(tmp_path):
    (tmp_path / "slice").write_bytes(ODD)
    program = """
import logging, pathlib, sys
logging.basicConfig(level=logging.DEBUG)
from app.ct.reading import NamedFile, read_exam
assert len(read_exam([NamedFile("slice", pathlib.Path(sys.argv[1]))]).slices) == 1
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "slice"], capture_output=True, text=True, check=True
    )

    assert "CANARY" not in ran.stdout + ran.stderr
