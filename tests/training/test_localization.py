import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from training.measuring.localization import (
    Mapped,
    average_precision,
    dice,
    energy_in_lesion,
    energy_in_lung,
    energy_in_lung_or_lesion,
    lung_share,
    measure_maps,
    points_at_lesion,
    relative,
)


def a_map(weight: list[list[float]], lesion: list[list[int]], group: str = "g") -> Mapped:
    return Mapped(np.array(weight, dtype=np.float32), np.array(lesion, dtype=bool), group)


def test_a_map_by_hand() -> None:
    mapped = a_map([[0.9, 0.6], [0.5, 0.0]], [[1, 0], [1, 0]])

    assert points_at_lesion(mapped) == 1.0
    assert energy_in_lesion(mapped) == pytest.approx(1.4 / 2.0)
    assert dice(mapped, 0.5) == pytest.approx(2 * 2 / (3 + 2))


def test_average_precision_is_scikit_learns_also_with_ties() -> None:
    rng = np.random.default_rng(0)
    weight, lesion = rng.integers(0, 6, (20, 20)) / 5, rng.integers(0, 2, (20, 20))

    found = average_precision(Mapped(weight.astype(np.float32), lesion.astype(bool), "g"))

    assert found == pytest.approx(average_precision_score(lesion.ravel(), weight.ravel()))


def test_a_flat_map_points_nowhere() -> None:
    assert points_at_lesion(a_map([[1, 1], [1, 1]], [[1, 0], [0, 0]])) == 0.0
    assert energy_in_lesion(a_map([[0, 0]], [[1, 0]])) == 0.0


def test_a_relative_map_ends_at_one() -> None:
    assert relative(np.array([[0.0, 0.2]], np.float32)).tolist() == [[0.0, 1.0]]
    assert relative(np.zeros((1, 2), np.float32)).max() == 0


def test_maps_get_means_with_intervals() -> None:
    hit, miss = a_map([[1, 0]], [[1, 0]], "a"), a_map([[0, 1]], [[1, 0]], "b")
    found = measure_maps([hit, miss], draws=1000)

    assert (found["pointing_game"].value, found["lesion_share"].value) == (0.5, 0.5)
    assert (found["pointing_game"].low, found["pointing_game"].high) == (0.0, 1.0)


def test_energy_in_lung_and_what_a_blind_map_would_score_by_hand() -> None:
    weight, lesion = np.array([[0, 3], [0, 1]], np.float32), np.eye(2, dtype=bool)
    lung = np.array([[0, 1], [0, 0]], dtype=bool)
    mapped = Mapped(weight, lesion, "g", lung, box=(0, 1, 2, 2))

    assert energy_in_lung(mapped) == 0.75
    assert energy_in_lung_or_lesion(mapped) == 1.0
    assert lung_share(mapped) == 0.5
    assert measure_maps([mapped], draws=10)["lesion_share"].value == 0.5


def test_a_blind_map_points_at_lesions_as_often_as_they_fill_what_it_covers() -> None:
    weight, lesion = np.zeros((4, 4), np.float32), np.zeros((4, 4), dtype=bool)
    weight[1:3, 1:3] = lesion[1, 1:3] = 1
    found = measure_maps([Mapped(weight, lesion, "g", box=(1, 1, 3, 3))], draws=10)

    assert found["lesion_share"].value == found["energy_in_lesion"].value == 0.5


def test_energy_in_lung_is_of_the_slices_whose_lungs_were_found() -> None:
    plain = a_map([[1, 0]], [[1, 0]], "a")
    found = Mapped(plain.weight, plain.lesion, "b", np.array([[False, True]]))

    assert measure_maps([plain, found], draws=10)["energy_in_lung"].value == 0.0
    assert measure_maps([plain], draws=10)["energy_in_lung"].value is None


def test_a_slice_without_lesion_is_refused() -> None:
    with pytest.raises(ValueError, match="without a lesion"):
        a_map([[1]], [[0]])
