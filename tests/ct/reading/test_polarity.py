"""Black and white swapped, and windows in which the lungs are black."""

import csv

import numpy as np
import pytest
from PIL import Image

from app.ct.lungs import find_lungs
from app.ct.phantom import Phantom, phantom
from app.ct.reading import NamedFile, read_exam
from app.ct.reading.polarity import are_in_two_windows, are_inverted, black_lungs, evidence_for_usual
from app.ct.windowing import LUNG, Window
from tests.builders import a_png, files, shared_data

SOFT_TISSUE, BONE = Window(center=40, width=400), Window(center=500, width=2000)


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return phantom(slices=9, lesions="few", seed=2, size=192)


@pytest.fixture(scope="module")
def usual(chest: Phantom) -> list[np.ndarray]:
    return [LUNG.gray(hu) for hu in chest.hu]


def test_pictures_as_they_should_be_stay_as_they_are(usual):
    exam = read_exam(files(*map(a_png, usual)))

    assert all(np.array_equal(s.gray, gray) for s, gray in zip(exam.slices, usual, strict=True))
    assert exam.warnings == (
        "Pictures hold no positions: missing slices cannot be noticed, and which end is the head is not known.",
    )


def test_an_exam_with_black_and_white_swapped_is_turned_back_and_said(usual):
    exam = read_exam(files(*(a_png(255 - gray) for gray in usual)))

    assert all(np.array_equal(s.gray, gray) for s, gray in zip(exam.slices, usual, strict=True))
    assert any("gray levels were inverted" in w for w in exam.warnings)


def test_a_single_inverted_picture_is_turned_back(usual):
    exam = read_exam(files(a_png(255 - usual[4])))

    assert np.array_equal(exam.slices[0].gray, usual[4])


def test_few_pictures_do_not_decide_for_an_exam(usual):
    assert not are_inverted([255 - usual[4], *usual])
    assert are_inverted([usual[4], *(255 - gray for gray in usual)])


def test_a_white_page_around_a_picture_does_not_make_it_inverted(usual):
    assert not are_inverted([np.pad(usual[4], 40, constant_values=255)])


@pytest.mark.parametrize("window", [SOFT_TISSUE, BONE])
def test_pictures_in_another_window_are_warned_of(chest, window):
    exam = read_exam(files(*(a_png(window.gray(hu)) for hu in chest.hu)))

    assert any("in a mediastinal (soft tissue) or bone window" in w for w in exam.warnings)


@pytest.mark.parametrize("size", [192, 300])
def test_pictures_in_two_windows_are_warned_of(size):
    hu = phantom(slices=9, lesions="few", seed=2, size=size).hu
    mixed = [NamedFile(f"lung/{n}.png", a_png(LUNG.gray(one))) for n, one in enumerate(hu)]
    mixed += [NamedFile(f"mediastinum/{n}.png", a_png(SOFT_TISSUE.gray(one))) for n, one in enumerate(hu, start=9)]
    said = read_exam(mixed).warnings

    assert any(w.startswith("Some of the pictures are in the lung window and some in a mediastinal") for w in said)
    assert not any("in which the lungs are black" in w for w in said)


def test_one_window_is_not_taken_for_two(chest, usual):
    assert not are_in_two_windows(usual)
    assert not are_in_two_windows([SOFT_TISSUE.gray(hu) for hu in chest.hu])


def test_lungs_that_came_masked_are_in_no_other_window(usual):
    lungs = find_lungs(usual[4])
    assert lungs is not None

    assert black_lungs(np.where(lungs.mask, usual[4], 0).astype(np.uint8)) == 0


def test_a_thumbnail_tells_nothing_of_its_polarity(usual):
    assert evidence_for_usual(255 - usual[4][::6, ::6]) == 0


def real(*, every: int) -> list[tuple[dict[str, str], np.ndarray]]:
    """All pictures of covid-ct, cut from papers with their frames and letters, and some of every other source."""
    with (shared_data() / "manifest.csv").open(newline="") as manifest:
        rows = list(csv.DictReader(manifest))
    some = [row for n, row in enumerate(rows) if row["dataset"] == "covid-ct" or n % every == 0]
    return [(row, np.asarray(Image.open(shared_data() / row["file"]).convert("L"))) for row in some]


def test_of_real_pictures_next_to_none_is_inverted_and_nearly_all_inverted_ones_are_noticed():
    pictures = [gray for _, gray in real(every=10)]
    wrongly = sum(are_inverted([gray]) for gray in pictures)
    # The evidence of a picture and of its inverted copy differ in the sign alone.
    noticed = sum(evidence_for_usual(gray) > 2.1 for gray in pictures)

    assert wrongly <= 0.002 * len(pictures)
    assert noticed >= 0.97 * len(pictures)


def test_every_real_picture_in_a_mediastinal_window_is_noticed():
    flagged = [gray for row, gray in real(every=10**6) if "mediastinal-or-bone-window" in row["flags"]]

    assert flagged
    assert all(black_lungs(gray) > 0.06 for gray in flagged)
