import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.builders import shared_data
from tests.training.builders import a_crop, a_recoding, a_texture
from training.records.duplicates import Fingerprint, pairs
from training.records.overlaps import Marks, overlaps

PICTURE = a_texture(0)
STRANGERS = [a_texture(seed) for seed in (1, 2, 3)]
COPIES = {
    "a margin cut off all around": a_crop(PICTURE, top=0.2, bottom=0.2, left=0.2, right=0.2),
    "one side cut off": a_crop(PICTURE, left=0.2),
    "a margin cut off, mirrored": a_crop(PICTURE, top=0.1, bottom=0.15, right=0.2)[:, ::-1].copy(),
    "cut, shrunk and coded at quality 50": a_recoding(a_crop(PICTURE, top=0.15, left=0.1, right=0.05)),
    "cut and in another window": np.clip(2 * a_crop(PICTURE, top=0.1, right=0.1).astype(int) - 150, 0, 255).astype(
        np.uint8
    ),
    "cut and set in a white frame": np.pad(a_crop(PICTURE, bottom=0.2), 30, constant_values=255),
    "cut and stretched": np.asarray(Image.fromarray(a_crop(PICTURE, top=0.1)).resize((200, 200))),
}


def found(*pictures: np.ndarray) -> set[tuple[int, int]]:
    return {(p.first, p.second) for p in pairs([Fingerprint.of(picture) for picture in pictures])}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_cut_otherwise_is_found_and_strangers_are_not(copy: np.ndarray) -> None:
    assert found(PICTURE, *STRANGERS, copy) == {(0, 4)}


def test_two_crops_that_lack_opposite_sides_are_found() -> None:
    assert found(a_crop(PICTURE, left=0.2, top=0.1), *STRANGERS, a_crop(PICTURE, right=0.2, bottom=0.15)) == {(0, 4)}


def test_what_was_masked_around_is_found() -> None:
    masked = PICTURE.copy()
    masked[:, :90], masked[:60] = 0, 0

    assert found(PICTURE, *STRANGERS, masked) == {(0, 4)}


def test_a_mirrored_crop_says_so_and_is_found_once() -> None:
    copy = a_crop(PICTURE, top=0.1, right=0.2)[:, ::-1].copy()

    (pair,) = pairs([Fingerprint.of(p) for p in (PICTURE, copy)])

    assert pair.kind == "cropped-mirrored"
    assert pair.correlation > 0.95


def test_pictures_without_detail_have_no_overlap() -> None:
    assert not list(overlaps([Marks.of(np.full((60, 80), gray, np.uint8)) for gray in (10, 200)]))
    assert not list(overlaps([]))


def test_the_same_pictures_give_the_same_overlaps_again() -> None:
    marks = [Marks.of(picture) for picture in (PICTURE, *STRANGERS, *COPIES.values())]

    assert list(overlaps(marks)) == list(overlaps(marks))


@pytest.mark.parametrize("at_once", [100, 600, 10_000])
def test_however_few_marks_are_looked_up_together_the_same_pictures_are_found(at_once: int) -> None:
    marks = [Marks.of(picture) for picture in (*STRANGERS, np.full((60, 80), 10, np.uint8), PICTURE, *COPIES.values())]

    some, all_together = (
        {(o.first, o.second) for o in found} for found in (overlaps(marks, at_once=at_once), overlaps(marks))
    )

    assert len(all_together) > len(COPIES)
    assert some == all_together


def test_marks_of_a_mirror_image_are_those_of_the_mirrored_picture() -> None:
    marks, mirrored = Marks.of(PICTURE), Marks.of(PICTURE[:, ::-1].copy()).mirrored()

    nearest = np.abs(mirrored.places[:, None] - marks.places).max(axis=2).min(axis=1)

    assert (nearest < 1.5).mean() > 0.9


@pytest.mark.parametrize("dataset", ["covid-ct", "soares", "drenet", "luna"])
def test_real_pictures_cut_mirrored_and_recoded_are_found_and_patients_are_told_apart(dataset: str) -> None:
    chosen = pictures_of_different_groups(shared_data(), dataset, count=18)
    rng = np.random.default_rng(0)
    cuts = [dict(zip(("top", "bottom", "left", "right"), rng.uniform(0.05, 0.2, 4), strict=True)) for _ in chosen]
    copies = [a_recoding(a_crop(picture, **cut)) for picture, cut in zip(chosen, cuts, strict=True)]
    copies[::2] = [copy[:, ::-1].copy() for copy in copies[::2]]

    pairs_found = found(*chosen, *copies)

    wanted = {(i, len(chosen) + i) for i in range(len(chosen))}
    assert len(pairs_found & wanted) >= len(wanted) - 1
    assert not pairs_found - wanted


def pictures_of_different_groups(folder: Path, dataset: str, *, count: int) -> list[np.ndarray]:
    with (folder / "manifest.csv").open(newline="") as file:
        rows = {row["group"]: row["file"] for row in csv.DictReader(file) if row["dataset"] == dataset}
    files = [rows[group] for group in sorted(rows)]
    return [np.asarray(Image.open(folder / name).convert("L")) for name in files[:: len(files) // count][:count]]
