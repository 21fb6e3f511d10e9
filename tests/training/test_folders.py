from pathlib import Path

import pytest
from PIL import Image

from app.ct.errors import Unreadable
from app.ct.phantom import phantom
from tests.builders import a_closed_folder_in, a_dicom_exam, a_zip, an_enhanced_dicom
from tests.training.builders import a_gray
from tests.volumes import a_cut, a_metaimage
from training.records.catalog import Catalog, CatalogError, Part, Record
from training.records.folders import Unlabeled, label_of
from training.records.prepare import prepare
from training.records.prepared import without_patients
from training.records.split import split


def a_picture_at(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(a_gray(seed)).save(path)
    return path


def an_exam_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, content in enumerate(a_dicom_exam()):
        (folder / f"{number}.dcm").write_bytes(content)
    return folder


def records_of(folder: Path) -> dict[str, Record]:
    return {r.file.relative_to(folder).as_posix(): r for r in Catalog.read(folder).records}


@pytest.mark.parametrize("name", ["COVID", "covid-19", "CT_COVID", "Covid positive", "SARS-CoV-2"])
def test_a_folder_of_covid_is_known_in_many_spellings(name: str) -> None:
    assert label_of(name) == 1


@pytest.mark.parametrize("name", ["non-COVID", "CT_NonCOVID", "NONCOVID", "no covid", "normal", "CAP", "negative"])
def test_a_folder_of_others_is_known_in_many_spellings(name: str) -> None:
    assert label_of(name) == 0


@pytest.mark.parametrize("name", ["P002", "covid-ct", "1", "exam", ""])
def test_any_other_word_is_no_class(name: str) -> None:
    assert label_of(name) is None


def test_class_folders_give_exams_archives_and_pictures_their_label(tmp_path: Path) -> None:
    an_exam_at(tmp_path / "covid/exam1/series2")
    a_picture_at(tmp_path / "Non-COVID/a.png")
    (tmp_path / "Non-COVID/exam2.zip").write_bytes(a_zip([("1.dcm", a_dicom_exam()[0])]))
    (tmp_path / "Non-COVID/notes.txt").write_text("no slice")

    found = records_of(tmp_path)

    assert {name: (r.label, r.is_exam) for name, r in found.items()} == {
        "covid/exam1": (1, True),
        "Non-COVID/a.png": (0, False),
        "Non-COVID/exam2.zip": (0, True),
    }
    assert len({r.group for r in found.values()}) == 3
    assert {r.dataset for r in found.values()} == {tmp_path.name}


def test_a_folder_of_one_class_may_be_given_by_itself(tmp_path: Path) -> None:
    a_picture_at(tmp_path / "mine/covid/a.png")
    a_picture_at(tmp_path / "mine/noncovid/a.png")

    records = Catalog.read(tmp_path / "mine/covid", tmp_path / "mine/noncovid").records

    assert [(r.label, r.dataset) for r in records] == [(1, "mine"), (0, "mine")]
    assert len({r.group for r in records}) == 2


def test_parts_above_a_class_are_official_and_other_folders_are_patients(tmp_path: Path) -> None:
    for name in ("train/p1/covid/1.png", "train/p1/covid/2.png", "test/normal/3.png"):
        a_picture_at(tmp_path / name)

    first, second, third = records_of(tmp_path).values()

    assert (first.split, second.split, third.split) == ("test", "train", "train")
    assert second.group == third.group != first.group
    assert third.patient == "p1"


WRAPPED = {
    "one folder around both classes": ["images/covid/1.png", "images/covid/2.png", "images/normal/3.png"],
    "a folder for each hospital": ["a/covid/1.png", "a/normal/2.png", "b/covid/3.png", "b/normal/4.png"],
    "one folder around all of one class": ["train/images/covid/1.png", "test/images/covid/2.png"],
}


@pytest.mark.parametrize("files", WRAPPED.values(), ids=WRAPPED.keys())
def test_a_folder_around_whole_classes_is_no_patient(tmp_path: Path, files: list[str]) -> None:
    for number, name in enumerate(files):
        a_picture_at(tmp_path / "mine" / name, number)

    records = Catalog.read(tmp_path / "mine").records

    assert {r.patient for r in records} == {""}
    assert len({r.group for r in records}) == len(files)
    assert without_patients(records) == ["mine"]


def test_a_patient_of_two_parts_stays_one_where_each_holds_another_class(tmp_path: Path) -> None:
    for name in ("train/p1/covid/1.png", "test/p1/normal/2.png", "test/p2/normal/3.png"):
        a_picture_at(tmp_path / name)

    assert [r.patient for r in records_of(tmp_path).values()] == ["p1", "p2", "p1"]


def test_patients_within_a_folder_around_all_are_told_apart_by_their_whole_path(tmp_path: Path) -> None:
    for name in ("a/p1/covid/1.png", "a/p2/normal/2.png", "b/p1/normal/3.png"):
        a_picture_at(tmp_path / name)

    assert [r.patient for r in records_of(tmp_path).values()] == ["a/p1", "a/p2", "b/p1"]


def test_the_groups_do_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    groups = []
    for place in ("here", "there/and/there"):
        a_picture_at(tmp_path / place / "mine/covid/a.png")
        groups += [r.group for r in Catalog.read(tmp_path / place / "mine").records]

    assert groups[0] == groups[1]


def test_labels_csv_labels_exams_that_lie_anywhere(tmp_path: Path) -> None:
    an_exam_at(tmp_path / "P1")
    (tmp_path / "P2.zip").write_bytes(a_zip([("1.dcm", a_dicom_exam()[0])]))
    (tmp_path / "labels.csv").write_text("exam,label,patient\nP1,covid,x\nP2,0,y\n")

    found = records_of(tmp_path)

    assert {name: (r.label, r.patient) for name, r in found.items()} == {"P1": (1, "x"), "P2.zip": (0, "y")}


WRONG = {
    "no class and no labels": ({"a/1.png": 0}, None, "1 of 1 files lie in no folder"),
    "an exam that is not listed": ({"a/1.png": 0, "b/1.png": 1}, "exam,label\na,1\n", "1 files belong to no exam"),
    "an exam that is not there": ({"a/1.png": 0}, "exam,label\nb,1\n", "Line 2 of labels.csv"),
    "an exam outside": ({"a/1.png": 0}, "exam,label\n../x,1\n", "Line 2 of labels.csv"),
    "an unknown label": ({"a/1.png": 0}, "exam,label\na,maybe\n", "Line 2 of labels.csv"),
    "no such column": ({"a/1.png": 0}, "name,label\na,1\n", "lacks the columns"),
    "an exam listed twice": ({"a/1.png": 0}, "exam,label\na,1\na,0\n", "more than once"),
    "both classes": ({"covid/normal/1.png": 0}, None, "both classes"),
    "loose DICOM files": ({"covid/1.dcm": 0}, None, "a folder of its own"),
    "nothing at all": ({}, None, "no exam and no picture"),
}


@pytest.mark.parametrize(("pictures", "labels", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_labeled_is_refused_in_words(
    tmp_path: Path, pictures: dict[str, int], labels: str | None, words: str
) -> None:
    for name, seed in pictures.items():
        a_picture_at(tmp_path / f"{name}.png", seed).rename(tmp_path / name)
    if labels is not None:
        (tmp_path / "labels.csv").write_text(labels)

    with pytest.raises(CatalogError, match=words):
        Catalog.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1.dcm", a_dicom_exam()[0], "DICOM files lie in the folder of a class itself"),
        ("1.tif", b"II*\0 and more", "of a kind that is not read"),
        ("1.jfif", b"\xff\xd8\xff and more", "no picture, archive or volume by their names"),
    ],
)
def test_a_loose_file_is_told_by_what_it_is(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / "covid").mkdir()
    (tmp_path / "covid" / name).write_bytes(content)

    with pytest.raises(CatalogError, match=words):
        Catalog.read(tmp_path)


def test_missing_labels_are_answered_with_what_to_write(tmp_path: Path) -> None:
    a_picture_at(tmp_path / "Jane Doe/1.png")

    with pytest.raises(Unlabeled) as raised:
        Catalog.read(tmp_path)

    assert "labels.csv" in raised.value.advice
    assert "exam,label" in raised.value.advice
    assert "Jane" not in str(raised.value) + raised.value.message


def test_pictures_of_class_folders_train_and_exams_are_measured(tmp_path: Path) -> None:
    for number in range(40):
        a_picture_at(tmp_path / "mine" / ("covid" if number % 2 else "noncovid") / f"{number}.png", seed=number)
    an_exam_at(tmp_path / "mine/covid/exam")

    report = prepare([tmp_path / "mine"], tmp_path / "work")

    parts = {r.file.name: r.part for r in Catalog.read(tmp_path / "work").records}
    assert parts.pop("exam") is Part.MEASURE
    assert set(parts.values()) == {Part.TRAIN, Part.VALIDATION}
    assert any("whole exams" in remark for remark in report["remarks"])
    assert any("No patient or group is known" in remark for remark in report["remarks"])


def test_an_archive_that_does_not_open_is_dropped_and_named(tmp_path: Path) -> None:
    for number in range(20):
        a_picture_at(tmp_path / "mine" / ("covid" if number % 2 else "noncovid") / f"{number}.png", seed=number)
    (tmp_path / "mine/covid/broken.zip").write_bytes(b"PK\x03\x04 and no more")

    report = prepare([tmp_path / "mine"], tmp_path / "work")

    assert report["dropped"] == {"unreadable: The archive cannot be opened.": 1}


@pytest.mark.parametrize("root", ["COVID-19", "normal", "data"])
def test_a_folder_s_own_name_labels_nothing_beside_folders_of_classes(tmp_path: Path, root: str) -> None:
    for name in ("covid", "normal", "influenza"):
        a_picture_at(tmp_path / root / name / "a.png")

    with pytest.raises(Unlabeled, match="1 of 3 files"):
        Catalog.read(tmp_path / root)


def test_patients_in_labels_csv_are_told_from_those_of_others(tmp_path: Path) -> None:
    for name in ("north", "south"):
        a_picture_at(tmp_path / name / "a.png")
        (tmp_path / name / "labels.csv").write_text("exam,label,patient\na.png,1,1\n")

    assert len({r.group for r in Catalog.read(tmp_path / "north", tmp_path / "south").records}) == 2


@pytest.mark.parametrize("name", ["covid/one.nii.gz", "covid/one.mha", "covid/one.nii"])
def test_a_volume_is_an_exam(tmp_path: Path, name: str) -> None:
    (tmp_path / "covid").mkdir()
    (tmp_path / name).write_bytes(b"")

    (record,) = Catalog.read(tmp_path).records

    assert record.is_exam
    assert record.label == 1


def test_one_file_of_several_slices_is_dropped_with_what_to_do(tmp_path: Path) -> None:
    a_picture_at(tmp_path / "a.png")
    (tmp_path / "b.dcm").write_bytes(an_enhanced_dicom())
    (tmp_path / "labels.csv").write_text("exam,label\na.png,0\nb.dcm,1\n")

    report = prepare([tmp_path], tmp_path / "work")

    (dropped,) = report["dropped"]
    assert "folder of its own" in str(dropped)


def test_a_volume_within_an_exam_is_no_exam_of_its_own(tmp_path: Path) -> None:
    an_exam_at(tmp_path / "covid/P1")
    (tmp_path / "covid/P1/lesion_mask.nii.gz").write_bytes(b"")

    assert set(records_of(tmp_path)) == {"covid/P1"}


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_folders_of_parts_are_known_by_the_names_that_manifests_use(tmp_path: Path, name: str) -> None:
    for part in ("train", name, "test"):
        for label in ("covid", "normal"):
            a_picture_at(tmp_path / part / label / f"{part}.png", seed=len(part))

    parts = {r.split: r.part for r in split(Catalog.read(tmp_path).records).catalog.records}

    assert parts == {"train": Part.TRAIN, name.lower(): Part.VALIDATION, "test": Part.TEST}
    assert {r.patient for r in Catalog.read(tmp_path).records} == {""}


def test_parts_may_lie_within_the_classes(tmp_path: Path) -> None:
    a_picture_at(tmp_path / "COVID/train/a.png")
    a_picture_at(tmp_path / "COVID/Test/b.png", 1)
    an_exam_at(tmp_path / "normal/test/exam1")
    an_exam_at(tmp_path / "normal/val")

    found = records_of(tmp_path)

    assert {name: (r.label, r.split, r.patient, r.is_exam) for name, r in found.items()} == {
        "COVID/train/a.png": (1, "train", "", False),
        "COVID/Test/b.png": (1, "test", "", False),
        "normal/test/exam1": (0, "test", "", True),
        "normal/val": (0, "", "", True),
    }
    assert len({r.group for r in found.values()}) == 4


def test_a_volume_is_read_with_the_pixels_beside_its_header(tmp_path: Path) -> None:
    header, values = a_metaimage(a_cut(phantom(slices=4, size=64).hu), data_file="a.raw")
    for folder in ("covid", "normal"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mhd").write_bytes(header)
        (tmp_path / folder / "a.raw").write_bytes(values)

    found = records_of(tmp_path)

    assert {name: (r.label, r.is_exam) for name, r in found.items()} == {
        "covid/a.mhd": (1, True),
        "normal/a.mhd": (0, True),
    }
    assert len(found["covid/a.mhd"].read().slices) == 4


def test_folders_of_one_name_are_two_data_sets(tmp_path: Path) -> None:
    for hospital in ("a", "b"):
        a_picture_at(tmp_path / hospital / "data/covid/p1.png", ord(hospital))

    records = Catalog.read(tmp_path / "a/data", tmp_path / "b/data").records

    assert {r.dataset for r in records} == {"a/data", "b/data"}
    assert len({r.group for r in records}) == 2


def test_a_list_of_exams_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    a_picture_at(tmp_path / "x/a.png")
    (tmp_path / "labels.csv").write_text("exam,label\nx\\a.png,1.0\n , \n")

    assert {name: r.label for name, r in records_of(tmp_path).items()} == {"x/a.png": 1}


def test_blanks_around_the_names_of_columns_say_nothing(tmp_path: Path) -> None:
    a_picture_at(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("exam, label, patient\na.png, 1, p\n")

    assert {name: (r.label, r.patient) for name, r in records_of(tmp_path).items()} == {"a.png": (1, "p")}


def test_an_exam_behind_a_link_is_read(tmp_path: Path) -> None:
    exam, other = (an_exam_at(tmp_path / "elsewhere" / name) for name in ("exam", "other"))
    (tmp_path / "data" / "covid" / "inside").mkdir(parents=True)
    (tmp_path / "data" / "covid" / "linked").symlink_to(exam)
    (tmp_path / "data" / "covid" / "inside" / "more").symlink_to(other)

    found = records_of(tmp_path / "data")

    assert sorted(found) == ["covid/inside", "covid/linked"]
    assert [len(one.read().slices) for one in found.values()] == [4, 4]


def test_a_folder_that_cannot_be_opened_is_not_passed_over(tmp_path: Path) -> None:
    exam = an_exam_at(tmp_path / "covid" / "exam")
    a_closed_folder_in(exam)

    with pytest.raises(CatalogError, match="cannot be opened"):
        Catalog.read(tmp_path)
    with pytest.raises(Unreadable, match="cannot be opened"):
        Record(exam, 1, "d", group="g").read()
