import numpy as np
import pytest

from training.cache import Cache, key_of


def batches(start: int, *, stop: int = 5):
    for row in range(start, stop):
        yield {"a": np.full((1, 2), row, np.float16)}


def test_arrays_are_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"x": np.arange(3)}

    found = [Cache(tmp_path).arrays("n", "k", make)["x"].tolist() for _ in range(2)]

    assert found == [[0, 1, 2]] * 2
    assert len(made) == 1


def test_another_key_is_another_array():
    assert key_of("a", 1) != key_of("a", 2)


def test_maps_that_were_cut_short_go_on_where_they_were(tmp_path):
    starts = []

    def killed(start):
        starts.append(start)
        yield from batches(start, stop=3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).maps("n", "k", shapes={"a": (5, 2)}, make=killed)

    def resumed(start):
        starts.append(start)
        yield from batches(start)

    found = Cache(tmp_path).maps("n", "k", shapes={"a": (5, 2)}, make=resumed)

    assert starts == [0, 3]
    assert found["a"][:, 0].tolist() == [0, 1, 2, 3, 4]
