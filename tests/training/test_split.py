from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from training.records.catalog import CatalogError, Part, Record
from training.records.rows import GAP
from training.records.split import Fold, nearness, split

FOLDS = 5


def records(dataset: str = "d", groups: int = 40, **changes: object) -> list[Record]:
    """Two records a group; labels take turns by group."""
    return [
        Record(**({"label": i // 2 % 2, "group": f"{dataset}{i // 2}"} | changes | {"file": f, "dataset": dataset}))  # type: ignore[arg-type]
        for i in range(2 * groups)
        for f in [Path(f"/{dataset}/{i:04}.png")]
    ]


def a_row_of_blocks(blocks: int = 20, size: int = 60) -> list[Record]:
    return [
        Record(Path(f"/s/{name}{i:04}.png"), label=label, dataset="s", group=f"{name}-block{i // size:02}")
        for label, name in enumerate(("noncovid", "covid"))
        for i in range(blocks * size)
    ]


def parts_of(rows: list[Record], number: int = 1) -> dict[Path, Part | None]:
    """By file, with one fold set aside; what was dropped is missing."""
    return {r.file: r.part for r in split(rows, fold=Fold(number, FOLDS)).catalog.records}


def test_every_group_is_tested_in_exactly_one_fold() -> None:
    rows = records()

    tested = [{r.group for r in rows if parts_of(rows, k)[r.file] is Part.TEST} for k in range(1, FOLDS + 1)]

    assert sum(len(groups) for groups in tested) == len(set.union(*tested)) == 40
    assert {len(groups) for groups in tested} == {8}


def test_a_fold_holds_both_labels_and_leaves_train_and_validation_as_ever() -> None:
    rows = records()
    parts = parts_of(rows)

    for part, share in ((Part.TEST, 0.2), (Part.VALIDATION, 0.15), (Part.TRAIN, 0.65)):
        labels = [r.label for r in rows if parts[r.file] is part]
        assert set(labels) == {0, 1}
        assert abs(len(labels) / len(rows) - share) < 0.06


def test_no_group_is_on_two_sides_of_a_fold() -> None:
    rows = records()
    parts = parts_of(rows)

    assert len({(r.group, parts[r.file]) for r in rows}) == 40


def test_a_fold_does_not_depend_on_the_order_of_records() -> None:
    rows = [*records(), *records("e"), *a_row_of_blocks(blocks=6)]

    assert parts_of(rows) == parts_of(rows[::-1])


def test_another_data_set_beside_it_does_not_change_a_fold() -> None:
    rows = records()

    assert parts_of(rows).items() <= parts_of([*rows, *records("e")]).items()


def test_another_seed_is_another_fold() -> None:
    rows = records()

    assert split(rows, fold=Fold(1, 5), seed=1).catalog != split(rows, fold=Fold(1, 5)).catalog


def test_official_parts_are_set_aside_by_folds_but_what_is_officially_test_is_never_seen() -> None:
    rows = [*records(split="train"), *records("x", split="test", groups=6)]
    rows = [*rows, *records("d2", split="val")]
    rows = [Record(**(vars(r) | {"dataset": "d"})) for r in rows]

    parts = parts_of(rows)

    assert {parts[r.file] for r in rows if r.split == "test"} == {Part.HOLDOUT}
    for official in ("train", "val"):
        assert {parts[r.file] for r in rows if r.split == official} == {Part.TRAIN, Part.VALIDATION, Part.TEST}


def test_data_sets_of_one_label_are_never_tested_in_a_fold() -> None:
    rows = [*records(), *records("healthy", label=0)]
    parted = split(rows, fold=Fold(2, FOLDS))

    assert parted.folded == ("d",)
    assert {r.part for r in parted.catalog.records if r.dataset == "healthy"} == {Part.TRAIN, Part.VALIDATION}


def test_a_relative_of_a_folded_data_set_is_dropped_whole() -> None:
    parted = split([*records("drenet"), *records("sy575demo", groups=4)], fold=Fold(1, FOLDS))

    assert {r.dataset for r in parted.catalog.records} == {"drenet"}
    assert {d.why for d in parted.dropped} == {"relative-of-a-folded-data-set"}


def test_a_relative_alone_is_folded_itself() -> None:
    rows = records("sy575demo")

    assert set(parts_of(rows).values()) == {Part.TRAIN, Part.VALIDATION, Part.TEST}


def test_what_is_held_out_is_not_folded() -> None:
    parted = split([*records(), *records("e")], holdout={"e"}, fold=Fold(1, FOLDS))

    assert parted.folded == ("d",)
    assert {r.part for r in parted.catalog.records if r.dataset == "e"} == {Part.HOLDOUT}


def test_a_gap_lies_on_both_sides_of_test_and_validation_blocks() -> None:
    rows = a_row_of_blocks()
    kept = [r for r in split(rows, fold=Fold(1, FOLDS)).catalog.records if r.label == 1]
    numbered = sorted((int(r.file.stem[-4:]), nearness(r)) for r in kept)

    assert {place for _, place in numbered} == {0, 1, 2}
    seams = [b - a for (a, one), (b, other) in pairwise(numbered) if one != other]
    assert len(seams) >= 4
    assert min(seams) > GAP


@pytest.mark.parametrize("text", ["0/5", "6/5", "1/1", "2", "a/b", "", "-1/5", "1/5/2"])
def test_a_fold_that_does_not_exist_is_refused_in_words(text: str) -> None:
    with pytest.raises(CatalogError, match="not a fold such as 2/5"):
        Fold.parse(text)


def test_a_fold_reads_as_it_is_written() -> None:
    assert Fold.parse("2/5") == Fold(2, 5)
    assert str(Fold(2, 5)) == "2/5"


@pytest.mark.parametrize("others", [["test"], ["train", "test", ""], ["", "test"], ["fold-a", "Test"]])
def test_what_is_officially_test_never_trains(others: list[str]) -> None:
    rows = [r for part in others for r in records(part or "blank", split=part, groups=20)]
    rows = [replace(r, dataset="d") for r in rows]

    found = split(rows).catalog.records

    assert {r.part for r in found if r.split.lower() == "test"} == {Part.HOLDOUT}
    assert all(r.part in (Part.TRAIN, Part.VALIDATION) for r in found if r.split.lower() != "test")


def test_official_parts_are_known_in_other_spellings() -> None:
    rows = [replace(r, dataset="d") for part in ("Train", "Valid", "TEST") for r in records(part, split=part, groups=4)]

    found = split(rows).catalog.records

    assert {(r.split, r.part) for r in found} == {
        ("Train", Part.TRAIN),
        ("Valid", Part.VALIDATION),
        ("TEST", Part.TEST),
    }


def test_official_parts_without_validation_give_groups_of_their_training_part_to_it() -> None:
    rows = [*records(split="train"), *(replace(r, dataset="d") for r in records("t", split="test", groups=8))]

    found = split(rows).catalog.records

    assert {r.part for r in found if r.split == "test"} == {Part.TEST}
    given = [r for r in found if r.part is Part.VALIDATION]
    assert {r.label for r in given} == {0, 1}
    assert len({r.group for r in given}) == 6
    assert not {r.group for r in given} & {r.group for r in found if r.part is Part.TRAIN}


def test_a_group_that_another_data_set_officially_trains_on_is_not_given_to_validation() -> None:
    own = [replace(r, dataset="d") for part in ("train", "test") for r in records(part, split=part)]
    other = [replace(r, dataset="e") for part in ("train", "val") for r in records(part, split=part)]
    other = [replace(r, file=Path(f"/e{r.file}")) for r in other]

    found = split([*own, *other]).catalog.records

    assert {r.part for r in found if r.group.startswith("train")} == {Part.TRAIN}


def test_few_groups_give_one_of_each_label_to_validation() -> None:
    rows = records(groups=4)

    found = split(rows).catalog.records

    for part in (Part.TRAIN, Part.VALIDATION):
        assert sorted(label for _, label in {(r.group, r.label) for r in found if r.part is part}) == [0, 1]


def test_few_groups_give_none_where_others_of_their_label_validate() -> None:
    found = split([*records(), *records("e", groups=4)]).catalog.records

    assert {r.part for r in found if r.dataset == "e"} == {Part.TRAIN}
