import pytest

from training.audits.goals import at_chance
from training.metrics.evaluation import Interval


@pytest.mark.parametrize(
    ("low", "high", "reached"),
    [(0.4, 0.6, True), (0.55, 0.65, False), (0.2, 0.45, False), (0.1, 0.9, None), (None, None, None)],
)
def test_blanked_lungs_are_at_chance_only_where_the_interval_could_show_otherwise(low, high, reached):
    assert at_chance(Interval(0.5, low, high)) is reached
