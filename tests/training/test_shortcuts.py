from pathlib import Path
from typing import Any

import numpy as np

from training.records.catalog import Part, Record
from training.records.shortcuts import FEATURES, POOLED, shortcut_figures, trivial_features

SIZE, SHARPNESS = 0, 4


def records(dataset: str, count: int = 80) -> list[Record]:
    """Every fourth group is for validation; labels take turns by group."""
    return [
        Record(
            Path(f"/{dataset}/{i}.png"),
            label=i // 2 % 2,
            dataset=dataset,
            group=f"{dataset}{i // 2}",
            part=Part.VALIDATION if i // 4 % 4 == 0 else Part.TRAIN,
        )
        for i in range(count)
    ]


def features_telling(rows: list[Record], column: int, *, sign: int = 1, seed: int = 0) -> np.ndarray:
    """Noise, but for one column that gives the label away."""
    noise = np.random.default_rng(seed).normal(size=(len(rows), 5))
    noise[:, column] += sign * 6 * np.array([r.label for r in rows])
    return noise


def row(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    (found,) = [r for r in rows if all(r[key] == value for key, value in wanted.items())]
    return found


def test_the_feature_that_tells_is_named_and_the_others_are_near_chance() -> None:
    rows = records("a")

    found = shortcut_figures(rows, features_telling(rows, SIZE))

    by_features = {name: row(found, fitted_on="a", part="train", features=name) for name in FEATURES}
    assert by_features["size"]["value"] > 0.95
    assert by_features["all"]["value"] > 0.95
    assert by_features["sharpness"]["low"] < 0.5 < by_features["sharpness"]["high"]


def test_every_part_has_its_figure_with_an_interval_by_group() -> None:
    rows = records("a")

    found = row(shortcut_figures(rows, features_telling(rows, SHARPNESS)), fitted_on="a", part="validation")

    assert (found["n"], found["groups"]) == (20, 10)
    assert found["low"] <= found["value"] <= found["high"]


def test_a_shortcut_that_inverts_between_sources_is_seen_where_it_is_carried_over() -> None:
    rows = [*records("a"), *records("b")]
    features = np.concatenate([features_telling(rows[:80], SIZE), features_telling(rows[80:], SIZE, sign=-1)])

    found = shortcut_figures(rows, features)

    carried = row(found, fitted_on="a", measured_on="b")
    assert (carried["part"], carried["n"]) == ("all", 80)
    assert carried["high"] < 0.5
    assert row(found, fitted_on="b", measured_on="b", part="train", features="all")["value"] > 0.9


def test_pooled_over_all_sources_the_source_alone_may_tell_the_label() -> None:
    rows = [*records("a"), *[Record(Path(f"/c/{i}"), 0, "c", f"c{i}", part=Part.TRAIN) for i in range(80)]]
    features = np.zeros((len(rows), 5))
    features[80:, SIZE] = 1

    pooled = row(shortcut_figures(rows, features), fitted_on=POOLED, part="train", features="size")

    assert pooled["low"] > 0.6


def test_what_has_one_label_or_one_group_gives_what_can_be_given() -> None:
    one_label = [Record(Path(f"/c/{i}"), 0, "c", f"c{i}", part=Part.TRAIN) for i in range(4)]
    one_group = [Record(Path(f"/d/{i}"), i % 2, "d", "d", part=Part.TRAIN) for i in range(4)]

    assert shortcut_figures(one_label, np.zeros((4, 5))) == []
    assert shortcut_figures([], np.zeros((0, 5))) == []
    assert row(shortcut_figures(one_group, np.eye(4, 5)), fitted_on="d", features="all")["value"] is None


def test_trivial_features_are_size_gray_level_border_and_sharpness() -> None:
    framed = np.full((100, 200), 100, np.uint8)
    framed[:2] = framed[-2:] = framed[:, :2] = framed[:, -2:] = 255

    width, height, gray, border, sharpness = trivial_features(framed)

    assert (round(np.exp(width)), round(np.exp(height))) == (200, 100)
    assert 100 < gray < 120
    assert border == 255
    assert sharpness > trivial_features(np.full((100, 200), 100, np.uint8))[4] == 0


def test_where_no_fold_can_be_learned_from_there_is_no_figure() -> None:
    """A group of both labels may leave the other folds one class alone."""
    counts = {"g0": (0, 8), "g1": (30, 0), "g2": (2, 2)}
    rows = [
        Record(Path(f"/a/{group}{label}{k}.png"), label=label, dataset="a", group=group, part=Part.TRAIN)
        for group, of_label in counts.items()
        for label in (0, 1)
        for k in range(of_label[label])
    ]

    found = row(shortcut_figures(rows, features_telling(rows, SIZE)), fitted_on="a", part="train", features="all")

    assert (found["n"], found["value"]) == (42, None)
