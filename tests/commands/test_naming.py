"""What the folders of several exams' results are called."""

from pathlib import Path

import pytest

from app.commands.given import GivenExam
from app.commands.naming import folder_names
from tests.builders import a_jpeg
from tests.commands.builders import a_zip_file, given


def folders(below: Path, *names: str) -> list[GivenExam]:
    for name in names:
        (below / name).mkdir(parents=True, exist_ok=True)
    return given(*(below / name for name in names))


def test_exams_of_different_names_have_their_own(tmp_path):
    assert folder_names(folders(tmp_path, "a/p1", "a/p2", "b/p3")) == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["p1/img", "p2/Img", "p3/other"], ["p1_img", "p2_Img", "other"]),
        (["x/p1/img", "y/p1/img", "y/p2/img"], ["x_p1_img", "y_p1_img", "p2_img"]),
        (["p1/s/img", "p2/s/img"], ["p1_s_img", "p2_s_img"]),
        (["z/b/c", "x/c", "y/b_c"], ["z_b_c", "x_c", "y_b_c"]),
    ],
)
def test_exams_of_one_name_are_told_apart_by_the_folders_above(tmp_path, places, names):
    assert folder_names(folders(tmp_path, *places)) == names


@pytest.mark.parametrize("name", ["..zip", "...zip", ".zip", "...nii", "....nii.gz"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / name).write_bytes(b"")

    (called,) = folder_names(given(tmp_path / name))

    assert (tmp_path / "out" / called).resolve().parent == tmp_path / "out"


def test_a_name_stays_with_its_exam_whatever_is_given_beside_it(tmp_path):
    exams = folders(tmp_path, *(f"p{number}/img" for number in range(5)))
    whose = dict(zip(folder_names(exams), exams, strict=True))

    for left_out in range(5):
        fewer = exams[:left_out] + exams[left_out + 1 :]
        assert [whose[name] for name in folder_names(fewer)] == fewer


def test_relative_paths_are_told_apart_by_what_they_stand_in(tmp_path, monkeypatch):
    folders(tmp_path, "p1/img", "p2/img")
    monkeypatch.chdir(tmp_path / "p1")

    assert folder_names(given(Path("img"), Path("../p2/img"))) == ["p1_img", "p2_img"]


def test_no_name_is_taken_for_a_formula(tmp_path):
    assert folder_names(folders(tmp_path, "==1", "ok;-2", "a-b=c")) == ["_=1", "ok;_2", "a-b=c"]


def test_names_that_are_alike_without_a_formula_are_told_apart(tmp_path):
    assert folder_names(folders(tmp_path, "a/=1", "b/_1")) == ["a_=1", "b__1"]


def test_what_lies_in_one_place_under_one_name_is_numbered(tmp_path):
    (tmp_path / "exam.nii.gz").write_bytes(a_jpeg())
    exams = folders(tmp_path, "exam", "exam", "exam-2")
    exams += given(a_zip_file(tmp_path / "exam.ZIP"), tmp_path / "exam.nii.gz")

    assert folder_names(exams) == ["exam", "exam-3", "exam-2", "exam-4", "exam-5"]


def test_names_that_are_too_long_for_a_file_system_together_are_numbered(tmp_path):
    exams = folders(tmp_path, f"{'a' * 200}/{'i' * 200}", f"{'b' * 200}/{'i' * 200}")

    assert folder_names(exams) == ["i" * 200, "i" * 200 + "-2"]


def test_the_folder_one_stands_in_has_its_own_name(tmp_path, monkeypatch):
    (inner := tmp_path / "study" / "inner").mkdir(parents=True)
    monkeypatch.chdir(inner)

    assert folder_names(given(Path(), Path(".."))) == ["inner", "study"]


def test_a_link_keeps_its_name(tmp_path):
    (tmp_path / "DOE_JANE").mkdir()
    (tmp_path / "study-7").symlink_to(tmp_path / "DOE_JANE")

    assert folder_names(given(tmp_path / "study-7")) == ["study-7"]


def test_loose_slices_have_a_folder_without_their_names(tmp_path):
    assert folder_names([GivenExam.of([tmp_path / "DOE_JANE_1", tmp_path / "DOE_JANE_2"])]) == ["slices"]
