"""Which records may decide what."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from app.ct.manifest import NetworkSpec
from training.fitting.conclude import shortcuts_of
from training.fitting.recipe import Recipe
from training.fitting.setup import Fitting, counted
from training.imaging.pictures import Pictures
from training.records.catalog import Catalog, Part, Record
from training.run import RunError

RECIPE = Recipe(
    "r", "", NetworkSpec(head="attention"), label_weights=MappingProxyType({"covid-ct": 1.0, "sy575demo": 1.0})
)


def a_record(number: int, dataset: str, label: int, part: Part) -> Record:
    return Record(Path(f"{number}.png"), label, dataset, group=f"g{number}", part=part)


def a_fitting(*records: Record, without: frozenset[str] = frozenset()) -> Fitting:
    recipe = replace(RECIPE, without=without)
    return Fitting(recipe, Catalog(records), Path(), lambda _: None)


def pictures_of(count: int) -> Pictures:
    """One picture a record."""
    none = np.zeros(count, int)
    images, coverage = np.zeros((count, 1, 1), np.uint8), np.zeros((count, 1, 1), np.float32)
    return Pictures(images, coverage, none > 0, none, none, none > 0, np.arange(count))


RECORDS = (
    a_record(0, "covid-ct", 1, Part.TRAIN),
    a_record(1, "covid-ct", 0, Part.TRAIN),
    a_record(2, "covid-ct", 0, Part.VALIDATION),
    a_record(3, "sy575demo", 1, Part.TRAIN),
    a_record(4, "luna", 0, Part.TRAIN),
)


def test_only_training_records_train():
    weights = a_fitting(*RECORDS).chances(pictures_of(5))

    assert weights[2] == 0
    assert (weights[[0, 1, 3]] > 0).all()


def test_the_labels_of_a_data_set_without_a_weight_are_not_learned():
    assert a_fitting(*RECORDS).chances(pictures_of(5))[4] == 0


def test_with_a_data_set_its_relatives_are_left_out():
    fitting = a_fitting(*RECORDS, without=frozenset({"drenet"}))

    assert fitting.rows(pictures_of(5), Part.TRAIN).tolist() == [0, 1, 4]
    assert fitting.chances(pictures_of(5))[3] == 0


def test_with_a_data_set_its_patients_in_other_data_sets_are_left_out():
    shared = [replace(record, group="one-patient") for record in (RECORDS[1], a_record(5, "soares", 1, Part.TRAIN))]
    records = (RECORDS[0], shared[0], *RECORDS[2:], shared[1])

    whole, without = a_fitting(*records), a_fitting(*records, without=frozenset({"soares"}))

    assert whole.rows(pictures_of(6), Part.TRAIN).tolist() == [0, 1, 3, 4, 5]
    assert without.rows(pictures_of(6), Part.TRAIN).tolist() == [0, 3, 4]
    assert without.chances(pictures_of(6))[1] == 0
    told = {(c.dataset, c.label, str(c.part)): (c.records, c.groups) for c in counted(without)}
    assert ("covid-ct", 0, "train") not in told
    assert told["covid-ct", 0, "validation"] == (1, 1)


@pytest.mark.parametrize("part", [Part.TRAIN, Part.VALIDATION])
def test_what_is_there_to_measure_is_never_placed(part):
    measured = a_record(5, "medseg48", 1, Part.MEASURE)

    assert 5 not in [k for k, _ in a_fitting(*RECORDS, measured).placed(part)]


def test_a_catalog_without_a_label_that_the_recipe_learns_is_refused():
    unnamed = a_record(0, "our-hospital", 1, Part.TRAIN), a_record(1, "our-hospital", 0, Part.TRAIN)

    with pytest.raises(RunError, match="learns the labels of covid-ct, sy575demo"):
        a_fitting(*unnamed).chances(pictures_of(2))


def test_drawn_disease_is_not_among_the_labels():
    pictures = replace(pictures_of(5), drawn=np.array([True, False, False, False, False]))

    assert a_fitting(*RECORDS).chances(pictures)[0] == 0
    assert a_fitting(*RECORDS).chances(pictures).sum() == pytest.approx(1)


def test_what_is_learned_from_has_a_label_that_is_learned_or_lesions_that_are_known():
    records = (*RECORDS, a_record(5, "vol20", 1, Part.TRAIN), a_record(6, "vol20", 1, Part.VALIDATION))
    known = np.isin(np.arange(7), (5, 6))
    fitting = a_fitting(*records)

    assert fitting.learned(replace(pictures_of(7), known=known)).tolist() == [
        True,
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert fitting.labels_not_learned() == ["luna", "vol20"]


def test_a_record_is_learned_from_by_any_of_its_pictures():
    looks = replace(pictures_of(6), records=np.array([0, 1, 2, 3, 4, 4]), known=np.arange(6) == 5)

    assert a_fitting(*RECORDS).learned(looks).tolist() == [True, True, False, True, True, True]


def test_shortcuts_of_a_run_rest_on_data_sets_that_it_saw_alone():
    figures = {"part": "all", "features": "all", "n": 9, "groups": 9, "value": 0.7, "low": 0.6, "high": 0.8}
    pairs = [("a", "a"), ("a", "b"), ("b", "a"), ("all sources", "all sources")]
    rows = [figures | {"fitted_on": fitted, "measured_on": measured} for fitted, measured in pairs]

    assert [s.fitted_on for s in shortcuts_of({"shortcut": rows}, {"a"})] == ["a"]
    assert shortcuts_of({}, {"a"}) == ()
