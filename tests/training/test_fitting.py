"""Which records may decide what."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from app.ct.manifest import NetworkSpec
from training.cache import Cache
from training.catalog import Catalog, Part, Record
from training.fitting import Fitting
from training.pictures import Pictures
from training.recipe import Recipe

RECIPE = Recipe(
    "r", "", NetworkSpec(head="attention"), label_weights=MappingProxyType({"covid-ct": 1.0, "sy575demo": 1.0})
)


def a_record(number: int, dataset: str, label: int, part: Part) -> Record:
    return Record(Path(f"{number}.png"), label, dataset, group=f"g{number}", part=part)


def a_fitting(*records: Record, without: frozenset[str] = frozenset()) -> Fitting:
    recipe = replace(RECIPE, without=without)
    return Fitting(recipe, Catalog(records), Cache(Path()), Path(), None, "", lambda _: None)  # type: ignore[arg-type]


def pictures_of(count: int) -> Pictures:
    """One picture a record."""
    return Pictures(np.zeros((count, 1, 1), np.uint8), np.zeros((count, 1, 1)), np.arange(count), np.zeros(count, int))


RECORDS = (
    a_record(0, "covid-ct", 1, Part.TRAIN),
    a_record(1, "covid-ct", 0, Part.TRAIN),
    a_record(2, "covid-ct", 0, Part.VALIDATION),
    a_record(3, "sy575demo", 1, Part.TRAIN),
    a_record(4, "luna", 0, Part.TRAIN),
)


def test_only_training_records_train():
    weights = a_fitting(*RECORDS).training_weights(pictures_of(5))

    assert weights[2] == 0
    assert (weights[[0, 1, 3]] > 0).all()


def test_a_data_set_without_a_weight_does_not_train_the_linear_part():
    assert a_fitting(*RECORDS).training_weights(pictures_of(5))[4] == 0


def test_with_a_data_set_its_relatives_are_left_out():
    fitting = a_fitting(*RECORDS, without=frozenset({"drenet"}))

    assert fitting.rows(pictures_of(5), Part.TRAIN).tolist() == [0, 1, 4]
    assert fitting.training_weights(pictures_of(5))[3] == 0


@pytest.mark.parametrize("part", [Part.TRAIN, Part.VALIDATION])
def test_what_is_there_to_measure_is_never_placed(part):
    measured = a_record(5, "medseg48", 1, Part.MEASURE)

    assert 5 not in [k for k, _ in a_fitting(*RECORDS, measured).placed(part)]
