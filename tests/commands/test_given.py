"""Which exams the paths of a call are."""

import os
from pathlib import Path

import pytest

from app.commands import Misuse
from app.commands.given import Given, GivenExam, exam_files, exams_inside, given_exams
from app.ct.errors import Unreadable
from app.ct.reading import read_exam
from app.ct.workers.pool import WorkerPool
from tests.builders import a_closed_folder_in, a_jpeg, a_zip
from tests.commands.builders import a_folder, a_zip_file, given


def a_file(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or a_jpeg())
    return path


def names(exams: list[GivenExam], below: Path) -> list[str]:
    return [exam.name.removeprefix(f"{below}/") for exam in exams]


def test_each_folder_zip_and_volume_is_an_exam(tmp_path):
    folder, archive = a_folder(tmp_path / "a"), a_zip_file(tmp_path / "b")
    volumes = [a_file(tmp_path / f"c{suffix}", b"x") for suffix in (".nii", ".nii.gz", ".MHA")]

    assert given_exams([folder, archive, *volumes]) == given(folder, archive, *volumes)


def test_slices_given_as_files_are_together_one_exam(tmp_path):
    first, second, third = (a_file(tmp_path / name) for name in "123")
    folder = a_folder(tmp_path / "f")

    exams = given_exams([first, folder, second, third])

    assert [exam.paths for exam in exams] == [(first, second, third), (folder,)]
    assert names(exams, tmp_path) == ["1 and 2 more", "f"]


def test_an_exam_given_twice_is_two_exams(tmp_path):
    folder = a_folder(tmp_path / "a")

    assert given_exams([folder, folder]) == given(folder, folder)


def test_a_path_that_does_not_exist_is_a_wrong_call(tmp_path):
    with pytest.raises(Misuse, match="nowhere does not exist"):
        given_exams([tmp_path / "nowhere"])


def test_a_path_longer_than_the_system_takes_is_a_wrong_call():
    with pytest.raises(Misuse, match="cannot be looked at"):
        given_exams([Path("n" * 300)])


def test_a_pipe_is_a_wrong_call_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")

    with pytest.raises(Misuse, match="neither a file nor a folder"):
        given_exams([tmp_path / "pipe.nii"])
    with pytest.raises(Misuse, match="neither a file nor a folder"):
        exams_inside([Path("/dev/zero")], tell=pytest.fail)


def test_pipes_beside_the_exams_are_not_waited_for(tmp_path):
    a_folder(tmp_path / "exam", slices=1)
    for name in ("pipe", "pipe.nii"):
        os.mkfifo(tmp_path / name)

    assert names(exams_inside([tmp_path], tell=pytest.fail), tmp_path) == ["exam"]


def test_one_exam_is_one_of_several_only_after_each(tmp_path):
    exam = a_folder(tmp_path / "exam", slices=1)

    assert Given.of([exam]).is_one
    assert not Given.of([exam, exam]).is_one
    assert not Given.each([tmp_path], tell=pytest.fail).is_one


def test_what_is_given_or_lies_inside_would_be_read_the_next_time(tmp_path):
    exam = a_folder(tmp_path / "x" / "exam", slices=1)
    inside = [exam, exam / "out", exam / "new" / "out", tmp_path / "out" / ".." / "x" / "exam"]
    outside = [tmp_path, tmp_path / "x", tmp_path / "x" / "exam2", tmp_path / "new" / "out"]
    (tmp_path / "out").mkdir()

    assert Given.of([exam]).would_read([*inside, *outside]) == inside


def test_what_an_exam_leads_to_by_a_link_would_be_read_too(tmp_path):
    exam, elsewhere = a_folder(tmp_path / "exam", slices=1), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (exam / "more").symlink_to(elsewhere)
    (tmp_path / "link").symlink_to(exam)

    inside = [elsewhere, elsewhere / "out", tmp_path / "link" / "out"]
    assert Given.of([exam]).would_read([*inside, tmp_path / "other"]) == inside


def test_the_folder_of_loose_slices_would_be_read_but_not_that_of_an_archive(tmp_path):
    loose, archive = a_file(tmp_path / "a" / "1"), a_zip_file(tmp_path / "b.zip")

    assert Given.of([loose]).would_read([tmp_path / "a", tmp_path]) == [tmp_path / "a"]
    assert Given.of([archive]).would_read([tmp_path]) == []


def test_each_finds_what_lies_directly_inside_in_natural_order(tmp_path):
    for name in ("p10", "p2", "deep/p3"):
        a_folder(tmp_path / name, slices=1)
    a_zip_file(tmp_path / "p1.zip")
    a_file(tmp_path / "p4.nii.gz", b"x")

    assert names(exams_inside([tmp_path], tell=pytest.fail), tmp_path) == ["deep", "p1.zip", "p2", "p4.nii.gz", "p10"]


def test_each_tells_of_slices_that_lie_beside_the_exams(tmp_path):
    a_folder(tmp_path / "exam", slices=1)
    a_file(tmp_path / "stray.jpg")
    (tmp_path / "stray").symlink_to(tmp_path / "gone")
    a_file(tmp_path / ".DS_Store", b"\0\0\0\1Bud1")
    a_file(tmp_path / "list.csv", b"a,b")
    told: list[str] = []

    exams = exams_inside([tmp_path], tell=told.append)

    assert names(exams, tmp_path) == ["exam"]
    assert told == ["2 files lie beside the exams, belong to none of them and are left out."]


def test_each_takes_exams_that_are_named_themselves(tmp_path):
    folders, archive = tmp_path / "folders", a_zip_file(tmp_path / "b.zip")
    a_folder(folders / "a", slices=1)

    assert names(exams_inside([archive, folders], tell=pytest.fail), tmp_path) == ["folders/a", "b.zip"]


def test_each_without_any_exam_is_a_wrong_call(tmp_path):
    with pytest.raises(Misuse, match="without --each"):
        exams_inside([a_folder(tmp_path / "slices")], tell=pytest.fail)


def test_what_macos_adds_is_no_exam(tmp_path):
    a_folder(tmp_path / "exam", slices=1)
    a_folder(tmp_path / "__MACOSX", slices=1)

    assert names(exams_inside([tmp_path], tell=pytest.fail), tmp_path) == ["exam"]


def test_files_behind_links_belong_to_the_exam(tmp_path):
    exam, elsewhere = a_folder(tmp_path / "exam", slices=2), a_folder(tmp_path / "elsewhere", slices=3)
    (exam / "more").symlink_to(elsewhere)

    assert len(exam_files([exam])) == 5


def test_a_slice_that_leads_to_itself_refuses_its_exam(tmp_path):
    exam = a_folder(tmp_path / "exam", slices=2)
    (exam / "round").symlink_to(exam / "round")

    with pytest.raises(Unreadable):
        read_exam(exam_files([exam]))


def test_a_link_in_a_circle_ends(tmp_path):
    exam = a_folder(tmp_path / "exam", slices=2)
    (exam / "again").symlink_to(exam)

    assert len(exam_files([exam])) == 2


def test_a_file_that_cannot_be_opened_refuses_its_exam(tmp_path):
    exam = a_folder(tmp_path / "exam", slices=2)
    (exam / "slice3.jpg").symlink_to(tmp_path / "gone")

    with pytest.raises(Unreadable, match="File 3 of 3"):
        exam_files([exam])


def test_a_folder_that_cannot_be_opened_refuses_its_exam(tmp_path):
    a_closed_folder_in(tmp_path)

    with pytest.raises(Unreadable, match="A folder of the exam cannot be opened"):
        exam_files([tmp_path])


def test_what_is_neither_file_nor_folder_is_no_slice(tmp_path):
    exam = a_folder(tmp_path / "exam", slices=2)
    os.mkfifo(exam / "pipe")

    assert len(exam_files([exam])) == 2


def test_a_name_cannot_steer_the_terminal(tmp_path):
    exam = GivenExam.of([tmp_path / "a\x1b[2J\r\nb", tmp_path / "c"])

    assert exam.name == f"{tmp_path}/a\ufffd[2J\ufffd\ufffdb and 1 more"


def test_a_name_that_is_no_text_can_be_printed(tmp_path):
    assert GivenExam.of([Path(os.fsdecode(b"caf\xe9"))]).name == "caf\ufffd"


def test_a_zip_is_known_by_its_bytes(tmp_path):
    archive = a_file(tmp_path / "IM0001.dcm", a_zip([("a.jpg", a_jpeg())]))
    other = a_file(tmp_path / "named.zip")

    assert [exam.paths for exam in given_exams([archive, other])] == [(archive,), (other,)]
    assert len(given_exams([other, a_file(tmp_path / "2")])) == 1


@pytest.mark.parametrize("is_folder", [True, False])
def test_slices_behind_links_are_read_by_workers_too(tmp_path, is_folder):
    real, links = a_folder(tmp_path / "real", slices=3), tmp_path / "links"
    links.mkdir()
    for path in real.iterdir():
        (links / path.name).symlink_to(path)

    sent = exam_files([links] if is_folder else sorted(links.iterdir()))
    with WorkerPool(1) as workers:
        assert len(read_exam(sent, workers=workers).slices) == 3
