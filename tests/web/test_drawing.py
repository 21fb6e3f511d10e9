"""Where the page draws a curve."""

from app.web.drawing import Curve, draw_curve, widest_step
from app.web.schemas import SliceReport


def slices(*probabilities: float | None) -> list[SliceReport]:
    return [
        SliceReport(index=n, z_mm=None, instance_number=None, scored=p is not None, probability=p, image="")
        for n, p in enumerate(probabilities)
    ]


def drawn(*probabilities: float | None, current: int = 0) -> Curve:
    return draw_curve(slices(*probabilities), threshold=0.5, band=(0.4, 0.6), current=current)


def test_every_scored_slice_has_a_dot() -> None:
    assert drawn(None, 0.0, 1.0).dots == "M500.0 240.0h0M1000.0 0.0h0"


def test_an_even_choice_is_joined() -> None:
    assert len(drawn(0.1, None, 0.2, None, 0.3, None, None, 0.4).lines) == 1


def test_the_curve_is_broken_where_more_slices_than_usual_were_not_scored() -> None:
    curve = drawn(0.1, 0.2, None, None, 0.3, 0.4)

    assert curve.lines == ("0.0,216.0 200.0,192.0", "800.0,168.0 1000.0,144.0")


def test_threshold_and_band_stand_at_their_probabilities() -> None:
    curve = drawn(0.5)

    assert (curve.threshold_y, curve.band) == (120.0, (96.0, 48.0))


def test_a_slice_that_was_not_scored_is_shown_without_a_height() -> None:
    assert drawn(0.5, None, current=1).here == (1000.0, None)
    assert drawn(0.5, None, current=0).here == (0.0, 120.0)


def test_one_scored_slice_has_no_step() -> None:
    assert widest_step([4]) == 1
