"""What comes along with slices: viewers, logos, tables of contents, reports."""

import gzip
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from app.ct.errors import NoFiles, NoUsableSeries, TooLarge, Unreadable, UnsafeArchive, UnsupportedType, WrongModality
from app.ct.reading import NamedFile, read_exam
from app.uploads import Limits, unpack
from tests.builders import a_dicom, a_dicom_exam, a_jpeg, a_picture, a_png, a_zip, files

EXAM = [(f"DICOM/ST1/SE{n}/IM{n}", content) for n, content in enumerate(a_dicom_exam(), start=1)]
VIEWER = [
    ("VIEWER.EXE", b"MZ\x90\0" * 200),
    ("bin/codec.dll", b"MZ\x90\0" * 200),
    ("AUTORUN.INF", b"[autorun]\r\nopen=VIEWER.EXE\r\n"),
    ("help/index.html", b"<!DOCTYPE html><title>Viewer</title>"),
    ("help/style.css", b"body { margin: 0 }"),
    ("help/app.js", b"'use strict';\n"),
    ("viewer.ico", b"\0\0\1\0\1\0\x20\x20\0\0\1\0"),
    ("lib/viewer.jar", a_zip([("META-INF/MANIFEST.MF", b"Main-Class: Viewer")])),
    ("report.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"),
    ("font.ttf", b"\0\1\0\0\0\x10\1\0\0\4\0\0"),
    ("__MACOSX/DICOM/._IM1", b"\0\5\x16\7"),
]
LOGOS = [
    ("logo.jpg", a_jpeg()),
    ("logo.png", a_png()),
    ("logo.gif", b"GIF89a\1\0\1\0\0\0\0;"),
    ("splash.bmp", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"),
    ("sound.wav", b"RIFF\x24\0\0\0WAVEfmt "),
]


def a_directory() -> bytes:
    """A DICOMDIR, as pydicom brings one along."""
    path = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / "DICOMDIR"
    return path.read_bytes()


def sent(members: list[tuple[str, bytes]]) -> list[NamedFile]:
    return [NamedFile(name, content) for name, content in members]


def test_a_whole_cd_is_read_and_what_is_no_slice_is_counted(tmp_path):
    cd = [*VIEWER, ("DICOMDIR", a_directory()), *EXAM, *LOGOS]
    exam = read_exam(unpack(sent([("cd.zip", a_zip(cd))]), Limits(), spool=tmp_path))

    assert len(exam.slices) == 4
    assert exam.warnings == (
        "11 files that are not slices were left out.",
        "5 pictures and other files beside the DICOM files were left out.",
    )


LOST = [
    b"<!DOCTYPE html><title>503 Service Unavailable</title>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
]


@pytest.mark.parametrize("content", LOST)
def test_a_slice_that_was_lost_on_its_way_is_named_and_never_left_out(content):
    pictures = [(f"{k}.png", a_png(a_picture(seed=k))) for k in range(11)]
    for name, beside in (("11.png", pictures), ("IM5.dcm", EXAM)):
        with pytest.raises(Unreadable, match=f"File {len(beside) + 1} of {len(beside) + 1}"):
            read_exam(sent([*beside, (name, content)]))


ROWS = [
    "IM{:05d}",
    "DICOM/ST1/SE1/IM{:05d}",
    "{:06d}",
    "IM.{}",
    "1.2.840.113619.2.55.3.{}",
    "DICOM/1.2.840.113619.2.55.3.{}",
    "DICOM/{:08X}",
    "SLICE{}/CT",
    "3f2a{:04x}-77aa-4b1c-9d0e-{:012x}",
    "{}.scan",
    "IM{}.DCM;1",
]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("content", [*LOST, b'{"error":"upstream timed out"}', b"../../.git/annex/objects/Xk/3f/MD5E"])
def test_a_lost_slice_is_named_where_its_name_is_one_of_a_row_of_slices(name, content):
    slices = [(name.format(k, k), one) for k, one in enumerate(a_dicom_exam(slices=12), start=8)]
    slices[4] = (slices[4][0], content)

    with pytest.raises(Unreadable, match="File 5 of 12"):
        read_exam(sent([*slices]))


def test_a_lost_picture_is_named_where_its_name_is_one_of_a_row_of_pictures():
    pictures = [(f"exam/{k}", a_png(a_picture(seed=k))) for k in range(11)]

    with pytest.raises(Unreadable, match="File 12 of 12"):
        read_exam(sent([*pictures, ("exam/11", LOST[0])]))
    assert len(read_exam(sent([*pictures, ("README", LOST[0])])).slices) == 11


@pytest.mark.parametrize(
    "name",
    [
        "LIESMICH",
        "README",
        "DICOM/ST1/SE1/README",
        "DICOM/ST1/SE1/README2",
        "viewer/IM5",
        "IM5",
        "DICOM/ST1/SE1/IM5.txt",
        "DICOM/ST1/SE1/.IM5",
        "__MACOSX/DICOM/ST1/SE1/IM5",
        "DICOM/ST1/SE1/IM",
        "2.0",
    ],
)
def test_text_under_a_name_that_no_slice_has_is_left_out(name):
    exam = read_exam(sent([*EXAM, (name, LOST[0])]))

    assert (len(exam.slices), exam.warnings) == (4, ("1 file that is not a slice was left out.",))


def test_text_with_a_suffix_of_documents_is_left_out_though_a_slice_has_it_too():
    assert len(read_exam(sent([("slice.txt", EXAM[0][1]), *EXAM[1:], ("readme.txt", LOST[0])])).slices) == 4


@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.jpg", "1.2.840.113619.5"])
def test_text_alone_is_of_a_kind_that_is_not_read_whatever_its_name(name):
    with pytest.raises(UnsupportedType, match="is not DICOM, JPEG"):
        read_exam(sent([(name, LOST[0])]))


def test_a_slice_that_was_packed_is_named_and_never_left_out():
    with pytest.raises(Unreadable, match="File 5 of 5"):
        read_exam(sent([*EXAM, ("IM5.dcm", gzip.compress(a_dicom(z_mm=-20)))]))


@pytest.mark.parametrize(
    "name", ["VIEWER/lang/qt_zh_CN.qm", "config.dat", "jre/lib/tzdb.dat", "IM1.dcm@SynoEAStream", "x.mo", "x.lic"]
)
def test_what_viewers_bring_along_refuses_no_exam(name):
    content = b"\x00\x05\x16\x07\x00\x02" if "@" in name else bytes(range(256)) * 4

    exam = read_exam(sent([*EXAM, (name, content)]))

    assert (len(exam.slices), exam.warnings) == (4, ("1 file that is not a slice was left out.",))


def test_a_damaged_slice_of_a_suffix_that_the_others_have_refuses_its_exam():
    odd = [(f"{name}.DCM;1", content) for name, content in EXAM]

    with pytest.raises(Unreadable, match="File 5 of 5"):
        read_exam(sent([*odd, ("IM5.DCM;1", bytes(range(256)) * 4)]))


@pytest.mark.parametrize("name", ["IM5", "IM5.dcm", "1.2.840.113619.5", "IM5.IMA"])
def test_what_may_be_a_damaged_slice_by_its_name_refuses_its_exam(name):
    with pytest.raises(Unreadable, match="File 5 of 5"):
        read_exam(sent([*EXAM, (name, bytes(range(256)) * 4)]))


OF_VIEWERS = {
    "viewer/jre/lib/security/cacerts": b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\x5c" + bytes(range(256)),
    "viewer/jre/lib/security/blacklisted.certs/store": b"\xce\xce\xce\xce\0\0\0\2" + bytes(range(256)),
    "viewer/jre/lib/modules": b"\xda\xda\xfe\xca\0\0\1\0" + bytes(range(256)),
    "viewer/jre/lib/server/classes": b"\xca\xfe\xda\xda\0\1\0\0" + bytes(range(256)),
    "Viewer.app/Contents/MacOS/Viewer": b"\xcf\xfa\xed\xfe\7\0\0\1" + bytes(range(256)),
    "Viewer.app/Contents/MacOS/Old": b"\xfe\xed\xfa\xce\0\0\0\x12" + bytes(range(256)),
    "viewer/lib/libjpeg.so.8": b"\x7fELF\2\1\1\0" + bytes(range(256)),
    "DICOM/ST1/SE1/libjpeg.so.8": b"\x7fELF\2\1\1\0" + bytes(range(256)),
    "viewer/lib/libodd.so.8": bytes(range(256)),
    "viewer/data/cache": bytes(range(256)),
    "LIESMICH": "F\xfcr die Befundung \xf6ffnen Sie bitte den Betrachter.\r\n".encode("latin-1"),
    "\u8bf4\u660e": "\u8bf7\u7528 Viewer 2.0 \u6253\u5f00\u672c\u5149\u76d8\u3002\r\n".encode("gbk"),
    "viewer/lib/__init__.py": b"",
    "viewer/cache.lock": b"",
    "viewer/lib/empty": b"",
}


@pytest.mark.parametrize("name", OF_VIEWERS)
def test_what_a_viewer_on_a_whole_cd_brings_along_is_left_out_and_counted(name):
    exam = read_exam(sent([*EXAM, (name, OF_VIEWERS[name])]))

    assert len(exam.slices) == 4
    assert [said.split()[0] for said in exam.warnings] == ["1"]
    assert "left out" in exam.warnings[0]


@pytest.mark.parametrize(
    "name", ["cacerts", "store", "modules", "classes", "Viewer", "Old", "libjpeg.so.8", "LIESMICH"]
)
def test_what_a_viewer_brings_along_is_told_by_its_bytes_where_names_come_without_folders(name):
    (content,) = {content for path, content in OF_VIEWERS.items() if path.split("/")[-1] == name}

    assert len(read_exam(sent([*EXAM, (name, content)])).slices) == 4


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (name, content)
        for content in (b"", bytes(range(256)) * 4)
        for name in (
            "DICOM/ST1/SE1/IM9",
            "DICOM/ST1/SE9/IM1",
            "DICOM/IM9",
            "IM9",
            "odd/1.2.840.113619.9",
            "odd/IM9.dcm",
        )
    ],
)
def test_a_slice_that_was_lost_beside_a_viewer_still_refuses_its_exam(name, content):
    viewer = [(f"viewer/{name}", content) for name, content in VIEWER]

    with pytest.raises(Unreadable, match="File 17 of 17"):
        read_exam(sent([*EXAM, *viewer, ("viewer/data/cache", bytes(range(256))), (name, content)]))


PACKED = gzip.compress(a_dicom(z_mm=-20))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("IM0006.dcm", a_jpeg()),
        ("IM0006.IMA", a_png()),
        ("1.2.840.113619.6", a_jpeg()),
        ("1.2.840.113619.6", PACKED),
        ("11.dcm.gz", PACKED),
        ("11.DCM.GZ", PACKED),
        ("1.2.840.113619.6.gz", PACKED),
        ("IM6.dcm", b"GIF89a\1\0\1\0\0\0\0;"),
    ],
)
def test_anything_else_under_the_name_of_a_slice_is_named_and_never_left_out(name, content):
    with pytest.raises(Unreadable, match=r"^File 5 of 5 \(in the order sent\): of another kind than its name says\.$"):
        read_exam(sent([*EXAM, (name, content)]))


def test_what_is_under_a_suffix_of_their_own_that_slices_have_is_named_too():
    odd = [(f"{name}.scan", content) for name, content in EXAM]

    with pytest.raises(Unreadable, match="File 5 of 5"):
        read_exam(sent([*odd, ("IM5.scan", a_jpeg())]))


@pytest.mark.parametrize("name", ["logo.jpg", "preview.jpg.gz", "odd/logo", "scan.nii.gz"])
def test_a_picture_under_its_own_name_is_left_out_though_a_slice_has_it_too(name):
    content = gzip.compress(b"picture") if name.endswith("gz") else a_jpeg()
    exam = read_exam(sent([("odd.jpg", EXAM[0][1]), ("odd.gz", EXAM[1][1]), *EXAM[2:], (name, content)]))

    assert (len(exam.slices), len(exam.warnings)) == (4, 1)


def test_the_same_files_sent_loose_are_the_same_exam(tmp_path):
    exam = read_exam(unpack(sent([*VIEWER, *EXAM, *LOGOS]), Limits(), spool=tmp_path))

    assert len(exam.slices) == 4
    assert [w.split()[0] for w in exam.warnings] == ["11", "5"]


@pytest.mark.parametrize("name", ["DICOMDIR", "contents", "IM0001.dcm"])
def test_a_table_of_contents_is_no_slice_whatever_its_name(name):
    exam = read_exam(sent([(name, a_directory()), *EXAM]))

    assert exam.warnings == ("1 file that is not a slice was left out.",)
    assert exam.series.rejected == ()


def test_a_table_of_contents_alone_says_what_is_missing():
    with pytest.raises(NoFiles, match="DICOMDIR"):
        read_exam(sent([("DICOMDIR", a_directory()), ("readme.txt", b"hello")]))


@pytest.mark.parametrize(
    ("tags", "error"), [({"Modality": "MR"}, WrongModality), ({"ImageType": ["A", "B", "LOCALIZER"]}, NoUsableSeries)]
)
def test_pictures_are_never_taken_instead_of_dicom_files_that_are_no_exam(tags, error):
    with pytest.raises(error, match="The 2 pictures and other files beside the DICOM files were not read"):
        read_exam(files(a_dicom(**tags), a_jpeg(), a_jpeg()))


def test_a_damaged_slice_beside_pictures_still_refuses_the_exam():
    with pytest.raises(Unreadable, match=r"File 2 of 6 .*no known kind"):
        read_exam([NamedFile("logo.jpg", a_jpeg()), NamedFile("IM9", b"\x07\xff\x80" * 300), *sent(EXAM)])


@pytest.mark.parametrize("content", [b"GIF89a...", b"II*\0....", b"NRRD0004\n# a volume"])
def test_without_dicom_files_another_kind_of_picture_is_named(content):
    with pytest.raises(UnsupportedType, match="File 3 of 3"):
        read_exam(files(a_jpeg(), a_jpeg(), content))


def test_an_archive_in_an_archive_is_refused_under_any_name_a_slice_may_have(tmp_path):
    with pytest.raises(UnsafeArchive, match="another archive"):
        unpack(sent([("cd.zip", a_zip([*EXAM, ("DICOM/IM9", a_zip(EXAM))]))]), Limits(), spool=tmp_path)


def test_a_file_of_one_picture_is_never_read_whole_when_it_is_absurdly_large(tmp_path):
    path = tmp_path / "slice"
    path.write_bytes(a_dicom())
    with path.open("r+b") as slice_file:
        slice_file.truncate(257 * 2**20)

    with pytest.raises(TooLarge, match=r"File 1 .*larger than 256 MB"):
        read_exam([NamedFile("slice", path)])


@pytest.mark.parametrize("name", ["viewer/help.zip", "src.tar.GZ", "lang.7z", "old.rar"])
def test_an_archive_beside_slices_is_left_out_unopened_and_counted(tmp_path, name):
    begin = {"zip": b"PK\3\4", "GZ": b"\x1f\x8b\x08", "7z": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a"}[
        name.split(".")[-1]
    ]
    cd = [(name, begin + b"never to be opened"), *EXAM]
    exam = read_exam(unpack(sent([("cd.zip", a_zip(cd))]), Limits(), spool=tmp_path))

    assert len(exam.slices) == 4
    assert exam.warnings == ("1 picture or other file beside the DICOM files was left out.",)


def test_an_archive_beside_anything_but_slices_is_refused(tmp_path):
    with pytest.raises(UnsafeArchive, match="another archive"):
        unpack(sent([("cd.zip", a_zip([("a.jpg", a_jpeg()), ("b.zip", a_zip(EXAM))]))]), Limits(), spool=tmp_path)


@pytest.mark.parametrize("name", ["CT.db", "exam.com", "chest.zip"])
def test_an_archive_is_opened_whatever_its_name(tmp_path, name):
    assert len(read_exam(unpack(sent([(name, a_zip(EXAM))]), Limits(), spool=tmp_path)).slices) == 4


@pytest.mark.parametrize("name", ["version", "LOCKFILE", "DICOMDIR", "thumbs.db", "a/Desktop.ini"])
def test_a_slice_is_one_whatever_its_name(name):
    exam = read_exam(sent([(name, EXAM[0][1]), *EXAM[1:]]))

    assert (len(exam.slices), exam.warnings) == (4, ())
