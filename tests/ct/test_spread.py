import numpy as np
import pytest

from app.ct.spread import end_to_end


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 31, 63, 64, 65, 128, 4096])
@pytest.mark.parametrize("most", [1, 2, 5, 16, 64])
def test_some_are_evenly_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    chosen = end_to_end(count, most)

    assert len(set(chosen.tolist())) == len(chosen) == min(count, most)
    assert chosen[0] == 0
    assert most == 1 or chosen[-1] == count - 1
    steps = np.diff(chosen)
    assert not len(steps) or steps.max() - steps.min() <= 1
