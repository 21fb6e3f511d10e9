import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.errors import Unreadable
from tests.training.builders import a_data_set, a_gray
from training.records.catalog import Catalog, CatalogError, Part, Record
from training.records.files import files_of
from training.records.prepared import without_patients


def a_record(**changes: object) -> Record:
    return Record(**({"file": Path("/d/a.png"), "label": 1, "dataset": "d", "group": "g"} | changes))  # type: ignore[arg-type]


def test_only_file_and_label_are_required(tmp_path: Path) -> None:
    folder = a_data_set(tmp_path / "data", [{"file": "site/a.png", "label": 1}])

    (record,) = Catalog.read(folder).records

    assert (record.label, record.dataset, record.part) == (1, "data", None)


def test_a_file_without_a_group_is_its_own_group(tmp_path: Path) -> None:
    first, second = Catalog.read(a_data_set(tmp_path, [{}, {}])).records

    assert first.group != second.group


def test_a_written_catalog_reads_back_the_same(tmp_path: Path) -> None:
    rows = [{"flags": "tiny;style=plain", "orig_width": 512, "part": "train"}, {"patient": "p", "split": "val"}]
    catalog = Catalog.read(a_data_set(tmp_path / "data", rows))

    catalog.write(tmp_path / "catalog.csv")

    assert Catalog.read(tmp_path).records == catalog.records


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file\na.png\n", "lacks the column label"),
        ("file,label\na.png,2\n", "Line 2 of manifest.csv: label must be 0 or 1"),
        ("file,label\nb.png,1\n", "there is no such file"),
        ("file,label\n../a.png,1\n", "in the folder of the manifest"),
        ("file,label,part\na.png,1,trial\n", "part must be one of train"),
        ("file,label\na.png,1\na.png,1\n", "more than once"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    Image.fromarray(a_gray()).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text(text)

    with pytest.raises(CatalogError, match=complaint):
        Catalog.read(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"no manifest\.csv"):
        Catalog.read(tmp_path)


@pytest.mark.parametrize("where", [{"dataset": "medseg48"}, {"file": Path("/data/exams/P002")}])
@pytest.mark.parametrize("part", [Part.TRAIN, Part.VALIDATION, Part.TEST, Part.HOLDOUT])
def test_measure_only_data_can_be_nothing_but_measured(where: dict[str, object], part: Part) -> None:
    with pytest.raises(ValueError, match="it can never be part"):
        a_record(**where, part=part)


def test_a_catalog_edited_to_train_on_masks_is_refused(tmp_path: Path) -> None:
    folder = a_data_set(tmp_path, [{"dataset": "medseg48", "part": "train"}])

    with pytest.raises(CatalogError, match="it can never be part train"):
        Catalog.read(folder)


def test_only_records_of_part_train_train() -> None:
    records = tuple(a_record(file=Path(f"/d/{part}.png"), part=part) for part in Part)

    assert [r.part for r in Catalog(records).training()] == [Part.TRAIN]


def test_an_unprepared_catalog_does_not_train() -> None:
    with pytest.raises(CatalogError, match="prepare"):
        Catalog((a_record(),)).training()


def test_where_selects_by_any_column(tmp_path: Path) -> None:
    rows = [{"split": "test", "age": 4}, {"split": "test", "age": 5, "flags": "tiny;style=plain"}, {"split": "val"}]
    catalog = Catalog.read(a_data_set(tmp_path, rows))

    assert len(catalog.where("split=test").records) == 2
    assert len(catalog.where("split=test", "age=5").records) == 1
    assert len(catalog.where("flags=style=plain").records) == 1
    assert len(catalog.where("flags!=tiny").records) == 2


def test_where_on_an_unknown_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is not a condition"):
        Catalog.read(a_data_set(tmp_path, [{}])).where("colour=red")


def test_the_pictures_of_the_builder_differ() -> None:
    assert not np.array_equal(a_gray(0), a_gray(1))


def test_without_groups_a_patient_is_one(tmp_path: Path) -> None:
    one, same, other = Catalog.read(
        a_data_set(tmp_path, [{"patient": "p"}, {"patient": "p"}, {"patient": "q"}])
    ).records

    assert one.group == same.group != other.group


def test_patients_of_two_data_sets_are_not_one_by_their_name(tmp_path: Path) -> None:
    rows = [{"group": "1"}, {"group": "1"}, {"group": "2"}]
    here = a_data_set(tmp_path / "here", [{"dataset": "here", **row} for row in rows])
    there = a_data_set(tmp_path / "there", [{"dataset": "there", **row} for row in rows[:2]])

    groups = [r.group for r in Catalog.read(here, there).records]

    assert groups[0] == groups[1] != groups[3] == groups[4]
    assert groups[2] == "2"


def test_a_prepared_group_may_span_data_sets(tmp_path: Path) -> None:
    folders = [a_data_set(tmp_path / name, [{"dataset": name, "group": "1", "part": "train"}]) for name in ("a", "b")]

    assert {r.group for r in Catalog.read(*folders).records} == {"1"}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
@pytest.mark.parametrize(("name", "column"), [("manifest.csv", "file"), ("labels.csv", "exam")])
def test_a_table_in_another_encoding_is_refused_in_words(tmp_path: Path, name: str, column: str, encoding: str) -> None:
    Image.fromarray(a_gray()).save(tmp_path / "a.png")
    (tmp_path / name).write_text(f"{column},label,source\na.png,1,Hôpital\n", encoding=encoding)

    with pytest.raises(CatalogError, match=f"{name} is no CSV file in UTF-8"):
        Catalog.read(tmp_path)


def test_data_sets_without_a_name_are_not_one_because_their_folders_are_built_alike(tmp_path: Path) -> None:
    rows = [{"file": f"images/{k}.png", "patient": "1"} for k in range(2)]
    here, there = (a_data_set(tmp_path / name, rows) for name in ("here", "there"))

    records = Catalog.read(here, there).records

    assert [r.dataset for r in records] == ["here", "here", "there", "there"]
    assert len({r.group for r in records}) == 2
    again = [a_data_set(tmp_path / name / "again/here", rows) for name in ("x", "y")]
    assert {r.dataset for r in Catalog.read(here, again[0]).records} == {f"{tmp_path.name}/here", "again/here"}
    with pytest.raises(CatalogError, match="called again/here: write the column dataset"):
        Catalog.read(*again)


def test_a_table_as_spreadsheets_write_it_is_read(tmp_path: Path) -> None:
    a_data_set(tmp_path, [{"file": "images/a.png"}, {"file": "images/b.png"}])
    (tmp_path / "manifest.csv").write_text("file,label\nimages\\a.png,1.0\nimages/b.png,Normal\n,\n , \n")

    assert [(r.file.name, r.label) for r in Catalog.read(tmp_path).records] == [("a.png", 1), ("b.png", 0)]


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_damaged_inside_is_unreadable(tmp_path: Path, compression: int) -> None:
    with zipfile.ZipFile(tmp_path / "exam.zip", "w", compression) as archive:
        archive.writestr("1.dcm", np.random.default_rng(0).bytes(5000))
    content = bytearray((tmp_path / "exam.zip").read_bytes())
    content[40:400] = bytes(360)
    (tmp_path / "exam.zip").write_bytes(content)

    with pytest.raises(Unreadable):
        a_record(file=tmp_path / "exam.zip").read()


@pytest.mark.parametrize("folders", [("train", "test"), ("CT_COVID", "CT_NonCOVID"), ("images", "masks")])
@pytest.mark.parametrize("between", ["/", "\\"])
def test_folders_below_a_manifest_are_no_data_sets(tmp_path: Path, folders: tuple[str, str], between: str) -> None:
    rows = [{"file": f"{name}/{k}.png", "patient": "p"} for k, name in enumerate(folders)]
    a_data_set(tmp_path / "site", rows)
    lines = "".join(f"{name}{between}{k}.png,1,p\n" for k, name in enumerate(folders))
    (tmp_path / "site/manifest.csv").write_text(f"file,label,patient\n{lines}")

    first, second = Catalog.read(tmp_path / "site").records

    assert (first.dataset, second.dataset) == ("site", "site")
    assert first.group == second.group


def test_folders_named_after_parts_are_official_parts_where_no_column_says_them(tmp_path: Path) -> None:
    files = ["Train/0.png", "images/val/1.png", "2.png"]

    assert [r.split for r in Catalog.read(a_data_set(tmp_path, [{"file": file} for file in files])).records] == [
        "train",
        "val",
        "",
    ]


def test_a_column_row_of_ones_own_tells_nothing_of_whose_a_picture_is(tmp_path: Path) -> None:
    records = Catalog.read(a_data_set(tmp_path / "data", [{"row": 1}, {"row": 1}])).records

    assert without_patients(records) == ["data"]
    assert records[0].row != records[1].row


def test_blanks_around_names_of_columns_and_flags_say_nothing(tmp_path: Path) -> None:
    a_data_set(tmp_path, [{}])
    (tmp_path / "manifest.csv").write_text(
        "file , label, patient, split, flags, site, part\n000.png, 1, p, val, x; style=b, s, test\n"
    )

    (record,) = Catalog.read(tmp_path).records

    assert (record.patient, record.split, record.flags) == ("p", "val", {"x", "style=b"})
    assert (record.value("site"), record.part) == ("s", Part.TEST)


@pytest.mark.parametrize("nothing", ["NA", "n/a", "NaN", "None", "unknown"])
def test_words_for_nothing_are_empty(tmp_path: Path, nothing: str) -> None:
    row: dict[str, object] = dict.fromkeys(("patient", "group", "split", "flags", "mask"), nothing)

    first, second = Catalog.read(a_data_set(tmp_path, [row, row])).records

    assert (first.patient, first.split, first.flags, first.mask) == ("", "", frozenset(), None)
    assert first.group != second.group


def test_the_files_of_an_exam_are_named_by_their_paths_in_its_folder(tmp_path: Path) -> None:
    for name in ("a/1.dcm", "b/1.dcm"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    assert [file.name for file in files_of(tmp_path)] == ["a/1.dcm", "b/1.dcm"]
