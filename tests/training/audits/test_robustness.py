from dataclasses import replace

import numpy as np
import pytest

from app.ct.exam import Exam, InputKind
from app.ct.windowing import LUNG, Window
from tests.training.audits.scorers import a_chest, an_exam_of
from training.audits.alterations import Alteration
from training.audits.robustness import disturbances

ALL = disturbances()
CHEST = a_chest()


def named(name: str, strength: str) -> Alteration:
    return next(one for one in ALL if (one.name, one.strength) == (name, strength))


def altered(alteration: Alteration, exam: Exam, seed: int = 0) -> np.ndarray:
    return alteration.change(exam, np.random.default_rng(seed)).slices[0].gray


@pytest.mark.parametrize(
    "alteration", [one for one in ALL if one.name != "thickness"], ids=lambda one: f"{one.name} {one.strength}"
)
def test_a_disturbance_alters_a_picture_and_leaves_the_exam_itself_alone(alteration: Alteration) -> None:
    exam = an_exam_of(CHEST.copy())

    found = altered(alteration, exam)

    assert found.shape == CHEST.shape
    assert (found != CHEST).mean() > 0.05
    assert (exam.slices[0].gray == CHEST).all()


def test_noise_is_of_the_strength_named_and_comes_from_the_seed_alone() -> None:
    gray = an_exam_of(np.full((200, 200), 128, np.uint8))
    noise = next(one for one in ALL if one.strength.startswith("10 levels"))

    assert altered(noise, gray).std() == pytest.approx(10, rel=0.05)
    assert (altered(noise, gray, 1) == altered(noise, gray, 1)).all()
    assert (altered(noise, gray, 1) != altered(noise, gray, 2)).any()


def test_a_shift_moves_the_picture_and_brings_in_black() -> None:
    found = altered(named("shift", "10%"), an_exam_of(CHEST))

    assert (found[19:, 19:] == CHEST[:-19, :-19]).all()
    assert found[:19].max() == 0


def test_a_window_is_what_the_scanner_s_values_would_give_in_it() -> None:
    hu = np.linspace(-1350, 150, 256).reshape(16, 16)
    exam = an_exam_of(LUNG.gray(hu))

    found = altered(named("window", "-500, 1000 HU"), exam)

    assert np.abs(found.astype(int) - Window(-500, 1000).gray(hu)).max() <= 1


def test_windows_are_tried_only_where_gray_levels_stand_for_hu() -> None:
    pictures = an_exam_of(CHEST)
    window = named("window", "-500, 1400 HU")

    assert not window.applies(pictures)
    assert window.applies(replace(pictures, kind=InputKind.DICOM))


def test_thick_slices_are_means_of_neighbors_and_need_some() -> None:
    exam = an_exam_of(*(np.full((8, 8), value, np.uint8) for value in (0, 30, 90)))
    three = named("thickness", "3 slices")

    thick = three.change(exam, np.random.default_rng(0))

    assert [int(s.gray[0, 0]) for s in thick.slices] == [10, 40, 70]
    assert not three.applies(an_exam_of(CHEST))
    assert not named("thickness", "5 slices").applies(exam)
