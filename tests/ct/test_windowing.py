import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ct.windowing import LUNG, Window


def test_the_lung_window_runs_from_minus_1350_to_150():
    assert LUNG(np.array([-1350, -600, 150])) == pytest.approx([0, 0.5, 1])


def test_values_outside_the_window_are_clipped():
    assert list(LUNG.gray(np.array([-3000, 3000]))) == [0, 255]


def test_gray_is_rounded_not_cut():
    assert LUNG.gray(np.array([-1347.1, -1346.9])).tolist() == [0, 1]


@given(st.lists(st.integers(-2000, 3071), min_size=2))
def test_brighter_never_becomes_darker(hu):
    gray = LUNG.gray(np.array(sorted(hu)))

    assert (np.diff(gray.astype(int)) >= 0).all()


def test_the_input_is_left_untouched():
    hu = np.array([[-600.0, 40.0]], dtype=np.float32)
    LUNG.gray(hu)

    assert hu.tolist() == [[-600.0, 40.0]]


@pytest.mark.parametrize("width", [0, -1, float("nan")])
def test_a_window_without_width_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        Window(center=0, width=width)
