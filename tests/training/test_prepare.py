import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from app import NOTICE
from tests.builders import a_dicom, a_picture, a_png
from tests.training.builders import a_crop, a_data_set, a_gray, a_texture
from training.records.catalog import Catalog, CatalogError, Part, Record
from training.records.duplicates import Fingerprint, pairs
from training.records.leaks import Alike, alike, to_drop
from training.records.merging import merged, whole_patients
from training.records.prepare import LeakError, prepare
from training.records.rows import GAP, same_patient
from training.records.split import CONFLICT_FLAG, Fold, split

MANY = [{"dataset": "d", "label": i % 2, "group": f"g{i // 4}"} for i in range(80)]


def records(rows: list[dict[str, object]]) -> list[Record]:
    defaults = {"label": 1, "dataset": "d", "group": "g"}
    return [Record(**(defaults | {"file": Path(f"/d/{i:04}.png")} | row)) for i, row in enumerate(rows)]  # type: ignore[arg-type]


def parts_by_file(rows: list[Record]) -> dict[Path, Part | None]:
    return {r.file: r.part for r in split(rows).catalog.records}


def test_no_group_is_split() -> None:
    parts: dict[str, set[Part | None]] = {}
    for record in split(records(MANY)).catalog.records:
        parts.setdefault(record.group, set()).add(record.part)

    assert all(len(found) == 1 for found in parts.values())
    assert {p for found in parts.values() for p in found} == {Part.TRAIN, Part.VALIDATION}


def test_the_split_does_not_depend_on_the_order_of_records() -> None:
    rows = records(MANY)

    assert parts_by_file(rows) == parts_by_file(rows[::-1])


def test_another_seed_is_another_split() -> None:
    assert split(records(MANY), seed=1).catalog.records != split(records(MANY)).catalog.records


def test_every_look_and_label_is_in_validation() -> None:
    rows = records(
        [
            {"dataset": "drenet", "label": i % 2, "group": f"p{i}", "flags": frozenset({f"style={'ab'[i % 4 // 2]}"})}
            for i in range(40)
        ]
    )
    held = [r for r in split(rows).catalog.records if r.part is Part.VALIDATION]

    assert len(held) == 8
    assert len({(r.label, r.flags) for r in held}) == 4


def test_official_parts_are_kept() -> None:
    parts = parts_by_file(records([{"split": s, "group": s} for s in ("train", "val", "test")]))

    assert list(parts.values()) == [Part.TRAIN, Part.VALIDATION, Part.TEST]


def test_one_official_part_alone_is_split_by_group() -> None:
    rows = records([{"split": "train", "group": f"g{i}"} for i in range(20)])

    assert sum(p is Part.VALIDATION for p in parts_by_file(rows).values()) == 3


def test_train_slices_beside_a_validation_block_are_dropped() -> None:
    rows = records([{"dataset": "s", "group": f"covid-block{i // 30:02}"} for i in range(30 * 8)])
    kept = {int(r.file.stem): r.part for r in split(rows).catalog.records}
    held = [n for n, part in kept.items() if part is Part.VALIDATION]

    assert len(held) == 30
    assert min(abs(n - v) for n, part in kept.items() if part is Part.TRAIN for v in held) == GAP + 1


def test_a_held_out_data_set_takes_its_relatives_along() -> None:
    rows = records([{"dataset": name, "group": name} for name in ("drenet", "sy575demo", "luna")])
    parts = [r.part for r in split(rows, holdout={"drenet"}).catalog.records]

    assert parts == [Part.HOLDOUT, Part.HOLDOUT, Part.TRAIN]


def test_masks_and_exams_are_for_measuring(tmp_path: Path) -> None:
    (tmp_path / "exam").mkdir()
    rows = records([{"dataset": "medseg48"}, {"dataset": "mine", "file": tmp_path / "exam"}])

    assert set(parts_by_file(rows).values()) == {Part.MEASURE}


def test_a_picture_in_both_classes_is_dropped() -> None:
    parted = split(records([{"flags": frozenset({CONFLICT_FLAG})}, {}]))

    assert [d.why for d in parted.dropped] == [CONFLICT_FLAG]
    assert len(parted.catalog.records) == 1


def test_copies_recodings_and_mirror_images_are_found_and_strangers_are_not() -> None:
    picture = Image.fromarray(a_gray(0, height=200, width=240))
    half = picture.resize((120, 100), resample=Image.Resampling.BILINEAR)
    pictures = [picture, picture.copy(), half, ImageOps.mirror(half), Image.fromarray(a_gray(1))]

    found = {(p.first, p.second): p.kind for p in pairs([Fingerprint.of(np.asarray(p)) for p in pictures])}

    assert found == {
        (0, 1): "exact",
        (0, 2): "near",
        (1, 2): "near",
        (0, 3): "mirrored",
        (1, 3): "mirrored",
        (2, 3): "mirrored",
    }


def test_prepare_writes_a_catalog_that_trains_and_a_report(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [*MANY, {"dataset": "medseg48", "label": 1}])

    prepare([data], tmp_path / "work")

    training = Catalog.read(tmp_path / "work").training()
    report = json.loads((tmp_path / "work/prepare.json").read_text())
    assert training
    assert all(not r.measure_only for r in training)
    assert sum(row["records"] for row in report["counts"]) == report["records"] == 81
    assert {row["part"] for row in report["shortcut"] if row["fitted_on"] == "d"} == {"train", "validation"}


LEAKS = {
    "the same picture": [{"split": "train", "seed": 1}, {"split": "val", "seed": 1}, {"split": "train", "seed": 2}],
    "the same group": [{"split": "train", "group": "p"}, {"split": "val", "group": "p"}, {"split": "train"}],
    "a measured picture": [{"seed": 1}, {"dataset": "medseg48", "seed": 1}, {"seed": 2}],
}


@pytest.mark.parametrize("rows", LEAKS.values(), ids=LEAKS.keys())
def test_a_leak_is_refused_and_leaves_no_catalog(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    data = a_data_set(tmp_path / "data", [{"dataset": "d"} | row for row in rows])
    (tmp_path / "work").mkdir()
    (tmp_path / "work/catalog.csv").write_text("of an earlier run")

    with pytest.raises(LeakError, match="1 pairs"):
        prepare([data], tmp_path / "work")

    assert not (tmp_path / "work/catalog.csv").exists()


@pytest.mark.parametrize("rows", LEAKS.values(), ids=LEAKS.keys())
def test_dropping_leaks_drops_the_training_side(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    data = a_data_set(tmp_path / "data", [{"dataset": "d"} | row for row in rows])

    report = prepare([data], tmp_path / "work", drop_leaks=True)

    assert report["dropped"] == {"leak": 1}
    assert report["dropped_records"][0]["file"].endswith("000.png")


def test_a_file_that_does_not_open_is_dropped_and_named(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", MANY)
    (data / "000.png").write_bytes(b"not a picture")

    report = prepare([data], tmp_path / "work")

    (why,) = report["dropped"]
    assert report["dropped_records"][0]["file"].endswith("000.png")
    assert "000.png" not in why


def test_a_mask_of_another_size_is_no_mask(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [*MANY, {"dataset": "medseg48", "mask": "mask.png"}])
    Image.new("L", (9, 9)).save(data / "mask.png")

    report = prepare([data], tmp_path / "work")

    assert report["dropped"] == {}
    (told,) = [remark for remark in report["remarks"] if remark.startswith("1 masks cannot be read")]
    assert told.endswith(f"not used: of {len(MANY):03}.png.")


def test_a_mask_that_is_cut_off_is_no_mask(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [*MANY, {"dataset": "medseg48", "mask": "mask.png"}])
    whole = a_png(a_gray(9))
    (data / "mask.png").write_bytes(whole[: len(whole) // 2])

    report = prepare([data], tmp_path / "work")

    assert all(record.mask is None for record in Catalog.read(tmp_path / "work").records)
    assert any(remark.startswith("1 masks cannot be read") for remark in report["remarks"])


def test_the_mask_of_a_slice_that_is_stored_turned_is_kept(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [*MANY, {"dataset": "medseg48", "file": "turned.png", "mask": "mask.png"}])
    (data / "turned.png").write_bytes(a_dicom(ImageOrientationPatient=[0, 1, 0, 1, 0, 0]))
    Image.fromarray(a_picture().astype(np.uint8)).save(data / "mask.png")

    prepare([data], tmp_path / "work")

    assert [r.file.name for r in Catalog.read(tmp_path / "work").records if r.mask is not None] == ["turned.png"]


TWICE = a_texture(3)


def a_folder_of(folder: Path, pictures: dict[str, tuple[np.ndarray, dict[str, object]]]) -> Path:
    """A data set of given pictures, among strangers that can be split."""
    data = a_data_set(folder, [*MANY, *({"dataset": "d", "file": name} | row for name, (_, row) in pictures.items())])
    for name, (picture, _) in pictures.items():
        Image.fromarray(picture).save(data / name)
    return data


def test_a_cropped_copy_in_another_part_is_refused(tmp_path: Path) -> None:
    copies = {
        "a.png": (TWICE, {"label": 1}),
        "b.png": (a_crop(TWICE, left=0.2, top=0.1), {"dataset": "medseg48", "label": 1}),
    }

    with pytest.raises(LeakError, match="1 pairs"):
        prepare([a_folder_of(tmp_path / "data", copies)], tmp_path / "work")

    assert not (tmp_path / "work/catalog.csv").exists()
    assert "1 pairs leak" in (tmp_path / "work/prepare.md").read_text()


def test_copies_within_a_part_are_reported_and_refuse_nothing(tmp_path: Path) -> None:
    pictures = {
        "a.png": (TWICE, {"label": 1, "group": "g1"}),
        "b.png": (a_crop(TWICE, top=0.2), {"label": 1, "group": "g1"}),
    }
    other = {"c.png": (a_texture(4), {"label": 1, "dataset": "e", "split": "train"})}
    other |= {"d.png": (a_crop(a_texture(4), right=0.1), {"label": 1, "dataset": "e", "split": "train"})}
    other |= {"e.png": (a_texture(5), {"label": 1, "dataset": "e", "split": "val"})}

    report = prepare([a_folder_of(tmp_path / "data", pictures | other)], tmp_path / "work")

    assert report["leaks"] == report["label_conflicts"] == []
    assert [(Path(p["first"]["file"]).name, p["kind"]) for p in report["duplicates"]] == [("c.png", "cropped")]
    assert {(row["meaning"], row["pairs"]) for row in report["alike"]} == {("same group", 1), ("groups merged", 1)}
    assert any("1 times several groups share a picture" in remark for remark in report["remarks"])


def test_one_picture_under_two_labels_within_a_part_is_reported(tmp_path: Path) -> None:
    pictures = {
        "c.png": (TWICE, {"label": 1, "dataset": "e", "split": "train"}),
        "d.png": (a_crop(TWICE, right=0.1), {"label": 0, "dataset": "e", "split": "train"}),
        "e.png": (a_texture(5), {"label": 1, "dataset": "e", "split": "val"}),
    }

    report = prepare([a_folder_of(tmp_path / "data", pictures)], tmp_path / "work")

    ((conflict,),) = [report["label_conflicts"]]
    assert {conflict["first"]["label"], conflict["second"]["label"]} == {0, 1}
    assert report["leaks"] == []


def test_dropping_a_leak_drops_the_whole_patient_on_the_training_side(tmp_path: Path) -> None:
    pictures = {
        "a.png": (TWICE, {"label": 1, "group": "p", "dataset": "e", "split": "train"}),
        "b.png": (a_texture(4), {"label": 1, "group": "p", "dataset": "e", "split": "train"}),
        "c.png": (a_crop(TWICE, left=0.15), {"label": 1, "group": "q", "dataset": "e", "split": "val"}),
    }

    report = prepare([a_folder_of(tmp_path / "data", pictures)], tmp_path / "work", drop_leaks=True)

    assert sorted(Path(d["file"]).name for d in report["dropped_records"]) == ["a.png", "b.png"]


def test_in_a_row_of_blocks_the_neighbors_of_a_leak_go_with_it_and_no_others() -> None:
    row = records([{"group": f"s-block{i // 50}", "part": Part.TRAIN} for i in range(100)])
    judged = Record(Path("/t.png"), 1, "t", "t", part=Part.TEST)

    files = to_drop([Alike(row[40], judged, kind="cropped", correlation=0.99)], [*row, judged])

    assert files == {r.file for r in row[40 - GAP : 40 + GAP + 1]}


def test_groups_that_share_a_picture_are_split_as_one(tmp_path: Path) -> None:
    pictures = {f"{k}.png": (a_texture(k), {"label": 1, "dataset": "e", "group": f"p{k // 2}"}) for k in range(10, 50)}
    pictures["a.png"] = (a_crop(a_texture(11), left=0.15), {"label": 1, "dataset": "e", "group": "p9"})
    pictures["b.png"] = (a_crop(a_texture(18), top=0.15), {"label": 1, "dataset": "e", "group": "p24"})

    prepare([a_folder_of(tmp_path / "data", pictures)], tmp_path / "work")

    groups: dict[str, set[str]] = {}
    for record in Catalog.read(tmp_path / "work").records:
        groups.setdefault(record.group, set()).add(record.file.name)
    assert groups["p24"] == {"48.png", "49.png", "a.png", "b.png", "18.png", "19.png", "10.png", "11.png"}


def in_blocks(numbers: range) -> list[Record]:
    return records([{"group": f"s-block{i // 50}"} for i in numbers])


def test_blocks_are_merged_unless_they_are_neighbors_and_keep_their_places() -> None:
    row = in_blocks(range(200))
    found = [Alike(row[a], row[b], kind="cropped", correlation=0.99) for a, b in ((49, 50), (10, 160))]

    known = merged(row, found)

    assert [known[k].group for k in (0, 50, 100, 150)] == ["s-block0", "s-block1", "s-block2", "s-block0"]
    assert [known[k].row for k in (0, 50, 100, 150)] == [row[k].group for k in (0, 50, 100, 150)]
    assert same_patient(known)(known[150]) == known[150 - GAP : 150 + GAP + 1]


def test_a_place_in_a_row_is_written_down(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"dataset": "s", "group": f"s-block{k}"} for k in (0, 1, 2)])
    row = Catalog.read(data).records
    catalog = Catalog(tuple(merged(row, [Alike(row[0], row[2], kind="near", correlation=0.99)])))

    catalog.write(tmp_path / "catalog.csv")

    read = Catalog.read(tmp_path / "catalog.csv").records
    assert [r.group for r in read] == ["s-block0", "s-block1", "s-block0"]
    assert [r.row for r in read] == ["s-block0", "s-block1", "s-block2"]


def test_a_fold_is_set_aside_and_written_down(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", MANY)

    report = prepare([data], tmp_path / "work", fold=Fold(2, 5))

    assert (report["test_fold"], report["folded"]) == ("2/5", ["d"])
    assert Catalog.read(tmp_path / "work").of_part(Part.TEST)
    assert "fold 2/5 of d" in (tmp_path / "work/prepare.md").read_text()


def test_the_page_has_figures_and_the_notice_and_names_no_patient(tmp_path: Path) -> None:
    rows = [row | {"patient": f"JaneDoe{i // 4}"} for i, row in enumerate(MANY)]
    data = a_data_set(tmp_path / "data", rows)
    (data / "000.png").write_bytes(b"not a picture")

    (why,) = prepare([data], tmp_path / "work")["dropped"]

    page = (tmp_path / "work/prepare.md").read_text()
    assert NOTICE in page
    assert "| d | 0 |" in page
    assert f"| {why} | 1 |" in page
    assert "| all sources | all sources | train | sharpness |" in page
    assert not {word for word in ("JaneDoe", ".png", str(tmp_path), "g1") if word in page}


def test_a_patient_in_the_folders_of_two_parts_is_a_leak(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"file": f"{part}/{part}.png", "patient": "p"} for part in ("train", "test")])

    with pytest.raises(LeakError, match="1 pairs"):
        prepare([data], tmp_path / "work")


def test_data_of_which_nothing_can_be_read_are_refused(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{}])
    (data / "000.png").write_bytes(b"no picture")

    with pytest.raises(CatalogError, match="No record could be read"):
        prepare([data], tmp_path / "work")


def test_data_of_which_every_picture_is_in_both_classes_are_refused(tmp_path: Path) -> None:
    data = a_data_set(tmp_path / "data", [{"flags": CONFLICT_FLAG}] * 2)

    with pytest.raises(CatalogError, match=f"all that could be read were left out .{CONFLICT_FLAG}"):
        prepare([data], tmp_path / "work")


def test_a_label_whose_patients_are_unknown_is_told_beside_one_whose_are(tmp_path: Path) -> None:
    rows = [
        {"dataset": "d", "label": 1, "patient": f"p{k}"} if k % 2 else {"dataset": "d", "label": 0} for k in range(40)
    ]

    report = prepare([a_data_set(tmp_path / "data", rows)], tmp_path / "work")

    assert any("No patient or group is known in d (label 0)" in remark for remark in report["remarks"])


GROUPS_OF_ONE = [
    {"dataset": "d", "label": 1, "patient": "p", "group": "a", "split": "train"},
    {"dataset": "d", "label": 1, "patient": "p", "group": "b", "split": "val"},
    {"dataset": "d", "label": 0, "patient": "q", "group": "c", "split": "train"},
]


def test_a_patient_in_several_groups_is_split_as_one(tmp_path: Path) -> None:
    rows = [row | {"patient": f"p{i % 10}"} for i, row in enumerate(MANY)]

    report = prepare([a_data_set(tmp_path / "data", rows)], tmp_path / "work")

    found = Catalog.read(tmp_path / "work").records
    assert len({(r.patient, r.group) for r in found}) == len({r.patient for r in found})
    assert len({(r.patient, r.part) for r in found}) == 10
    assert any(remark.startswith("10 patients are in several groups") for remark in report["remarks"])


def test_a_patient_whose_groups_are_officially_in_two_parts_is_a_leak(tmp_path: Path) -> None:
    with pytest.raises(LeakError, match="1 pairs"):
        prepare([a_data_set(tmp_path / "data", GROUPS_OF_ONE)], tmp_path / "work")


def test_a_patient_in_two_parts_is_found_whatever_its_groups_are() -> None:
    named = [{"patient": "p", "group": f"g{k}", "part": part} for k, part in enumerate((Part.TRAIN, Part.TEST))]
    other = [{"patient": "p", "group": "h", "part": Part.TEST, "dataset": "e"}]

    (found,) = alike([], records([*named, *other]))

    assert found.leaks
    assert (found.first.group, found.second.group) == ("g0", "g1")


@pytest.mark.parametrize("unknown", ["", "NA"])
def test_an_unknown_patient_joins_no_groups(tmp_path: Path, unknown: str) -> None:
    rows = Catalog.read(a_data_set(tmp_path, [row | {"patient": unknown} for row in MANY])).records

    assert whole_patients(rows) == list(rows)


def test_a_label_that_nothing_validates_is_told(tmp_path: Path) -> None:
    rows = [*MANY, *({"dataset": "e", "label": 1, "group": "lone"} for _ in range(2))]
    alone = [row | {"label": 0} if row["dataset"] == "d" else row for row in rows]

    report = prepare([a_data_set(tmp_path / "data", alone)], tmp_path / "work")

    assert any("holds no record of label 1, and no group" in remark for remark in report["remarks"])
    assert "no record of label 1" in (tmp_path / "work/prepare.md").read_text()
