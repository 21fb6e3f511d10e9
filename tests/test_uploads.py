import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from app.ct.errors import ExamError, NoFiles, TooLarge, TooManyFiles, UnsafeArchive, UnsupportedType
from app.ct.reading import NamedFile, read_exam
from app.uploads import MEGABYTE, Limits, unpack
from tests.builders import a_dicom_exam, a_jpeg, a_zip, files

EXAM = [(f"exam/IM{n}.dcm", content) for n, content in enumerate(a_dicom_exam())]


def opened(archive: bytes, spool: Path, **limits: int) -> list[NamedFile]:
    return unpack([NamedFile("exam.zip", archive)], Limits(**limits), spool=spool)


def with_bytes(archive: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """``archive`` with ``value`` written ``offset`` bytes after the first ``signature``."""
    at = archive.index(signature) + offset
    return archive[:at] + value + archive[at + len(value) :]


def test_files_that_are_no_archive_stay_as_they_are(tmp_path):
    sent = files(a_jpeg(), a_jpeg())

    assert unpack(sent, Limits(), spool=tmp_path) == sent
    assert list(tmp_path.iterdir()) == []


def test_an_archive_gives_its_files_in_order_from_the_spool_folder(tmp_path):
    unpacked = opened(a_zip(EXAM), tmp_path)

    assert [(f.name, f.read()) for f in unpacked] == EXAM
    assert [f.content for f in unpacked] == [tmp_path / f"000{n}" for n in (1, 2, 3, 4)]
    assert len(read_exam(unpacked).slices) == 4


def test_an_archive_that_lies_on_disk_is_opened_there(tmp_path):
    path, spool = tmp_path / "upload", tmp_path / "spool"
    path.write_bytes(a_zip(EXAM))
    spool.mkdir()

    assert len(unpack([NamedFile("a", path)], Limits(), spool=spool)) == 4


def test_folders_and_what_macos_adds_are_left_out(tmp_path):
    junk = [("exam/", b""), ("exam\\", b""), ("__MACOSX/exam/._IM1.dcm", b"x"), ("exam/._IM2.dcm", b"x")]

    assert len(opened(a_zip(junk + EXAM), tmp_path)) == 4


def test_a_file_with_bytes_is_no_folder_whatever_its_name(tmp_path):
    assert len(opened(a_zip([*EXAM, ("odd\\", EXAM[0][1])]), tmp_path)) == len(EXAM) + 1


@pytest.mark.parametrize("hidden", [".part2/IM3.dcm", ".IM3.dcm", "exam/.hidden/.IM3", "._part2/IM3.dcm"])
def test_a_slice_in_a_hidden_place_of_an_archive_is_read(tmp_path, hidden):
    exam = read_exam(opened(a_zip([*EXAM[:3], (hidden, EXAM[3][1])]), tmp_path))

    assert len(exam.slices) == 4
    assert exam.warnings == ()


def test_hidden_files_of_an_archive_that_are_no_slices_are_counted(tmp_path):
    junk = [("exam/.DS_Store", b"\0\0\0\1Bud1"), (".git/config", b"x"), ("exam/Thumbs.db", b"\xd0\xcf\x11\xe0")]
    exam = read_exam(opened(a_zip(junk + EXAM), tmp_path))

    assert len(exam.slices) == 4
    assert exam.warnings == ("3 files that are not slices were left out.",)


def test_names_are_never_paths(tmp_path):
    spool = tmp_path / "in" / "spool"
    spool.mkdir(parents=True)
    opened(a_zip([("up/../../../escaped", b"a"), ("/etc/escaped", b"b"), ("C:\\escaped", b"c")]), spool)

    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["0001", "0002", "0003"]
    assert len(list(spool.iterdir())) == 3


def test_a_file_without_a_name_is_a_file(tmp_path):
    archive = a_zip([("aIM", EXAM[0][1]), *EXAM[1:]]).replace(b"aIM", b"\0IM")

    assert [f.name for f in opened(archive, tmp_path)] == ["", *(name for name, _ in EXAM[1:])]


def test_nothing_sent_is_refused(tmp_path):
    with pytest.raises(NoFiles):
        unpack([], Limits(), spool=tmp_path)


@pytest.mark.parametrize("members", [[], [("__MACOSX/._a", b"x")], [("a/", b"")]])
def test_an_archive_without_files_is_refused(tmp_path, members):
    with pytest.raises(NoFiles):
        opened(a_zip(members), tmp_path)


def test_too_many_files_are_refused_sent_or_in_an_archive(tmp_path):
    with pytest.raises(TooManyFiles):
        unpack(files(*[b"x"] * 4), Limits(max_files=3), spool=tmp_path)
    with pytest.raises(TooManyFiles):
        opened(a_zip(EXAM), tmp_path, max_files=3)


def test_a_list_of_files_too_long_to_read_is_refused_unread(tmp_path):
    archive = with_bytes(a_zip(EXAM), b"PK\5\6", 12, struct.pack("<I", 2**31))

    with pytest.raises(TooManyFiles, match="lists too many"):
        opened(archive, tmp_path)


def test_a_zip64_list_of_files_too_long_to_read_is_refused_unread(tmp_path):
    plain = a_zip(EXAM)
    end = plain.index(b"PK\5\6")
    end64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 4, 4, 2**40, 0)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)

    with pytest.raises(TooManyFiles, match="lists too many"):
        opened(plain[:end] + end64 + locator + plain[end:], tmp_path)


def test_an_upload_that_is_too_large_is_refused(tmp_path):
    with pytest.raises(TooLarge, match="upload"):
        unpack(files(*[bytes(MEGABYTE)] * 3), Limits(max_upload_mb=2), spool=tmp_path)


def test_a_file_that_is_too_large_is_refused_by_its_number(tmp_path):
    with pytest.raises(TooLarge, match="File 2 of 2"):
        unpack(files(b"x", bytes(2 * MEGABYTE)), Limits(max_file_mb=1), spool=tmp_path)


def test_an_archive_may_be_larger_than_one_file_of_it(tmp_path):
    members = [(str(n), bytes(MEGABYTE)) for n in range(3)]

    assert len(opened(a_zip(members, compression=zipfile.ZIP_STORED), tmp_path, max_file_mb=2)) == 3


def test_a_file_that_inflates_too_far_is_refused_whatever_its_header_says(tmp_path):
    archive = a_zip([("a", bytes(3 * MEGABYTE))])
    lying = with_bytes(with_bytes(archive, b"PK\1\2", 24, b"\1\0\0\0"), b"PK\3\4", 22, b"\1\0\0\0")

    with pytest.raises(TooLarge):
        opened(archive, tmp_path / ".", max_file_mb=2)
    (tmp_path / "0001").unlink()
    with pytest.raises(ExamError):
        opened(lying, tmp_path, max_file_mb=2)
    assert (tmp_path / "0001").stat().st_size <= 2 * MEGABYTE


def test_an_absurd_ratio_is_refused(tmp_path):
    with pytest.raises(UnsafeArchive, match="inflates"):
        opened(a_zip([(str(n), bytes(MEGABYTE)) for n in range(3)]), tmp_path, ratio_floor_mb=1, max_ratio=10)


def test_all_files_together_are_bounded(tmp_path):
    archive = a_zip([(str(n), bytes(MEGABYTE)) for n in range(3)], compression=zipfile.ZIP_STORED)

    with pytest.raises(UnsafeArchive, match="inflates"):
        opened(archive, tmp_path, max_unpacked_mb=2)


def test_blank_slices_that_compress_well_are_no_bomb(tmp_path):
    assert len(opened(a_zip([(str(n), bytes(MEGABYTE)) for n in range(8)]), tmp_path)) == 8


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = with_bytes(a_zip(EXAM), b"PK\1\2", 8, b"\1\0")

    with pytest.raises(UnsafeArchive, match="encrypted"):
        opened(archive, tmp_path)


@pytest.mark.parametrize("inner", [a_zip(EXAM), b"\x1f\x8b\x08", b"Rar!\x1a", b"7z\xbc\xaf\x27\x1c"])
def test_an_archive_in_an_archive_is_refused(tmp_path, inner):
    with pytest.raises(UnsafeArchive, match="another archive"):
        opened(a_zip([("a.dcm", inner)]), tmp_path)


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("a.dcm")
    link.external_attr = 0o120777 << 16
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(UnsafeArchive, match="links"):
        opened(content.getvalue(), tmp_path)


def test_unusual_compression_is_refused(tmp_path):
    with pytest.raises(UnsafeArchive, match="unusual"):
        opened(a_zip(EXAM, compression=zipfile.ZIP_LZMA), tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_an_archive_cut_off_anywhere_is_refused(tmp_path, share):
    archive = a_zip(EXAM)

    with pytest.raises(UnsafeArchive, match="damaged"):
        opened(archive[: int(len(archive) * share)], tmp_path)


def test_an_archive_with_altered_content_is_refused(tmp_path):
    archive = bytearray(a_zip(EXAM, compression=zipfile.ZIP_STORED))
    archive[400] ^= 0xFF

    with pytest.raises(UnsafeArchive, match="damaged"):
        opened(bytes(archive), tmp_path)


def test_an_archive_among_slices_is_refused(tmp_path):
    with pytest.raises(UnsupportedType, match="File 2 of 2"):
        unpack(files(a_jpeg(), a_zip(EXAM)), Limits(), spool=tmp_path)
    with pytest.raises(UnsupportedType, match="Files 1-2 of 2"):
        unpack(files(a_zip(EXAM), a_zip(EXAM)), Limits(), spool=tmp_path)


def test_an_archive_beside_junk_is_opened(tmp_path):
    sent = [NamedFile(".DS_Store", b"Bud1"), NamedFile("exam.zip", a_zip(EXAM))]

    # What lay beside it stays, so that the reader counts it among what was left out.
    assert len(unpack(sent, Limits(), spool=tmp_path)) == 5


def test_a_full_disk_is_not_the_archives_fault(tmp_path):
    (tmp_path / "0002").write_bytes(b"in the way")

    with pytest.raises(FileExistsError):
        opened(a_zip(EXAM), tmp_path)
