from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.exam import Slice
from app.ct.phantom import phantom
from app.ct.preprocessing import LungBox, Prepared
from app.ct.selection import LEAST_AREA
from training.fitting.likeness import FitnessSettings, Seen, fit_features, fit_limits, look_at
from training.records.catalog import Part, Record
from training.run import RunError


def some(count: int, *, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Features of ten channels, most of whose variance lies in two directions."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(0, 3, (count, 2)) @ np.random.default_rng(9).normal(0, 1, (2, 10))
    return (mixed + rng.normal(0, 0.3, (count, 10)) + shift).astype(np.float32)


def test_training_slices_are_at_distance_one_on_average():
    features = some(2000)

    distance = fit_features(features, ["a"] * 2000, directions=2).distance(features)

    assert np.sqrt(np.mean(distance**2)) == pytest.approx(1.0, abs=0.01)


def test_new_slices_of_the_same_kind_are_near_and_others_far():
    fitted = fit_features(some(500), ["a"] * 500, directions=2)

    assert np.quantile(fitted.distance(some(500, seed=1)), 0.99) < 2
    assert np.median(fitted.distance(np.random.default_rng(2).normal(0, 3, (500, 10)))) > 3


def test_a_small_data_set_counts_more_than_its_share_of_slices():
    features = np.concatenate([some(900), some(9, seed=1, shift=4.0)])
    apart = fit_features(features, ["a"] * 900 + ["b"] * 9, directions=2)
    together = fit_features(features, ["a"] * 909, directions=2)

    assert apart.distance(features[900:]).mean() < together.distance(features[900:]).mean()


SETTINGS = FitnessSettings(directions=2, refused_share=0.1, lungless_share=0.05)


def a_record(part: Part, number: int) -> Record:
    return Record(Path(f"{part}-{number}.png"), 0, "a", group=str(number), part=part)


def seen_and_records(**changes: np.ndarray) -> tuple[list[Record], Seen]:
    """100 training slices and 100 of validation, whose spread is twice as wide."""
    records = [a_record(part, n) for part in (Part.TRAIN, Part.VALIDATION) for n in range(100)]
    arrays = {
        "features": np.concatenate([some(100), 2 * some(100, seed=1)]),
        "lung_area": np.linspace(0.1, 0.3, 200),
        "lung_found": np.ones(200, bool),
        "masked": np.zeros(200, bool),
    }
    return records, Seen(**(arrays | changes))


def test_the_spread_is_of_training_and_the_limit_of_all():
    records, seen = seen_and_records()

    features, spec = fit_limits(records, seen, SETTINGS)

    distance = features.whole.distance(seen.features)
    assert np.sqrt(np.mean(distance[:100] ** 2)) == pytest.approx(1, abs=0.01)
    # Half of what the limit was chosen on spreads twice as wide as what the distance is taken from.
    assert np.mean(distance[100:] > spec.distance_limit) == pytest.approx(0.2, abs=0.05)


def test_slices_are_judged_by_those_of_other_groups():
    records, seen = seen_and_records()
    oddest = (np.arange(200) >= 70) & (np.arange(200) < 100)
    features = np.where(oddest[:, None], some(1, seed=5, shift=30.0), seen.features).astype(np.float32)

    one = [replace(r, group="one" if odd else r.group) for r, odd in zip(records, oddest, strict=True)]
    as_one = fit_limits(one, replace(seen, features=features), SETTINGS)[1].distance_limit
    as_many = fit_limits(records, replace(seen, features=features), SETTINGS)[1].distance_limit

    assert as_one > 2 * as_many


def test_slices_whose_lungs_were_not_found_count_for_neither():
    records, seen = seen_and_records()
    odd = np.arange(200) % 10 == 0
    spoilt = replace(seen, features=np.where(odd[:, None], 1e4, seen.features).astype(np.float32), lung_found=~odd)

    _, spec = fit_limits(records, spoilt, SETTINGS)

    assert spec.distance_limit == pytest.approx(fit_limits(records, seen, SETTINGS)[1].distance_limit, rel=0.2)


def test_slices_with_blackened_surroundings_have_limits_of_their_own():
    records, seen = seen_and_records()
    masked = np.arange(200) % 2 == 0

    apart, spec = fit_limits(records, replace(seen, masked=masked), SETTINGS)
    few, without = fit_limits(records, replace(seen, masked=np.arange(200) % 99 == 0), SETTINGS)

    assert apart.masked is not None
    assert spec.masked_distance_limit is not None
    assert (few.masked, without.masked_distance_limit) == (None, None)


def test_where_every_slice_came_masked_one_shown_whole_is_far():
    records, seen = seen_and_records()

    training, spec = fit_limits(records, replace(seen, masked=np.ones(200, bool)), SETTINGS)
    distance = training.distance(some(9, shift=40.0), np.zeros(9, bool), spec)

    assert spec.distance_limit == spec.masked_distance_limit
    assert distance.min() > 1


@pytest.mark.parametrize(("areas", "least"), [(np.linspace(0.1, 0.3, 200), 0.105), (np.zeros(200), LEAST_AREA)])
def test_the_least_lung_area_is_what_few_training_slices_fall_below(areas, least):
    records, seen = seen_and_records(lung_area=areas)

    _, spec = fit_limits(records, seen, SETTINGS)

    assert spec.least_lung_area == pytest.approx(least, abs=0.001)


def test_what_lies_beyond_the_limits_is_counted_and_not_taken_for_what_was_wished():
    records, seen = seen_and_records(lung_area=np.where(np.arange(200) % 4 == 0, 0.0, 0.2))

    said = fit_limits(records, seen, SETTINGS)[1].rests_on

    assert "10.0% of 200 slices of training and validation lie beyond" in said
    assert "25.0% of the training slices have less than the least lung area" in said


@pytest.mark.parametrize(
    ("masked", "said"),
    [
        (np.arange(200) % 2 == 0, "one limit is for slices shown whole and one for those with blackened surroundings"),
        (np.arange(200) % 99 == 0, "one limit is for all, from slices shown whole"),
        (np.arange(200) % 99 > 0, "one limit is for all, from slices with blackened surroundings"),
    ],
)
def test_it_is_said_which_limits_there_are(masked, said):
    records, seen = seen_and_records(masked=masked)

    assert said in fit_limits(records, seen, SETTINGS)[1].rests_on


def test_slices_of_a_kind_without_limits_of_its_own_are_counted_by_those_they_are_judged_by():
    records, seen = seen_and_records(masked=np.arange(200) % 99 > 0)
    far = np.where(seen.masked[:, None], seen.features, 1e4).astype(np.float32)

    said = fit_limits(records, replace(seen, features=far), SETTINGS)[1].rests_on

    # A tenth of the 197 masked ones, and the three shown whole.
    assert f"{(20 + 3) / 200:.1%} of 200 slices" in said


def test_too_few_slices_to_fit_limits_are_said():
    records, seen = seen_and_records(lung_found=np.zeros(200, bool))

    with pytest.raises(RunError, match="more than 2 training slices"):
        fit_limits(records, seen, SETTINGS)


def test_few_slices_are_held_while_many_are_looked_at(tmp_path):
    Image.fromarray(phantom(slices=7, seed=0, size=64).exam().slices[3].gray).save(tmp_path / "a.png")
    record = Record(tmp_path / "a.png", 0, "a", group="a", part=Part.TRAIN)
    preprocessor, waiting, most = LungBox(size=32), [], []

    def prepared(ct_slice: Slice) -> Prepared:
        waiting.append(preprocessor(ct_slice))
        return waiting[-1]

    class Looking:
        def batches(self, images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
            most.append(len(waiting))
            waiting.clear()
            yield {"features": np.arange(sum(most) - len(images), sum(most), dtype=np.float32)[:, None]}

    seen = look_at([record] * 150, prepared, Looking())

    assert seen.features[:, 0].tolist() == list(range(150))
    assert len(seen.lung_area) == len(seen.masked) == 150
    assert max(most) <= 64
