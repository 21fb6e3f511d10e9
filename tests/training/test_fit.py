"""A whole run on a small data set: phantoms in the place of patients, 64 pixels in the place of 299."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from app.ct.fitness import TrainingSlices
from app.ct.manifest import NetworkSpec
from app.ct.network import build_network
from app.ct.phantom import phantom
from app.ct.weights import load_weights
from training.deciding.decisions import FallingScores
from training.fitting import fit as fitting
from training.fitting.fit import fit
from training.fitting.likeness import FitnessSettings
from training.fitting.recipe import Recipe
from training.fitting.slice_scores import SliceScores
from training.imaging.looks import LookSettings
from training.learning.loop import LearningSettings
from training.learning.stretches import Stretch
from training.recipes import fit_of, recipe_named
from training.records.catalog import Catalog, Part, Record
from training.releasing.release import release
from training.run import PartCount, Run, RunError

RECIPE = Recipe(
    name="small",
    summary="",
    network=NetworkSpec(head="attention", size=64, stages=(3, 4), evidence_channels=4),
    looks=LookSettings(altered=1, infiltrates=1, other=1),
    label_weights=MappingProxyType({"covid-ct": 1.0, "luna": 1.0}),
    fitness=FitnessSettings(directions=4),
    phantom_slices=12,
    stretches=(
        Stretch(
            size=48,
            steps=10,
            labelled=8,
            known=2,
            learning=LearningSettings(epochs=2, optimizer="adamw", learning_rate=1e-3, monitor=None, ema_decay=0.5),
        ),
    ),
)


def a_phantom_slice(path: Path, *, lesions: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(phantom(slices=7, lesions=lesions, seed=seed, size=128).exam().slices[3].gray).save(path)


def a_record(folder: Path, dataset: str, number: int, *, label: int, part: Part) -> Record:
    path = folder / f"{dataset}-{number}.png"
    chest = phantom(slices=7, lesions="many" if label else "none", seed=number, size=128).exam()
    Image.fromarray(chest.slices[3].gray).save(path)
    return Record(path, label, dataset, group=f"{dataset}-{number // 2}", patient=f"{number // 2}", part=part)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight slices to train on, eight of four patients to validate, four healthy ones to draw lesions on."""
    folder = tmp_path_factory.mktemp("work")
    parts = [Part.TRAIN] * 8 + [Part.VALIDATION] * 8
    records = [a_record(folder, "covid-ct", k, label=k // 2 % 2, part=part) for k, part in enumerate(parts)]
    records += [a_record(folder, "luna", 20 + k, label=0, part=Part.TRAIN) for k in range(4)]
    Catalog(tuple(records)).write(folder / "catalog.csv")
    cells = Counter((r.dataset, r.label, str(r.part)) for r in records)
    rows = [{"dataset": d, "label": y, "part": p, "records": n, "groups": n // 2} for (d, y, p), n in cells.items()]
    (folder / "prepare.json").write_text(json.dumps({"counts": rows}))
    return folder


@pytest.fixture(scope="module")
def run(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    fit(RECIPE, work=work, out=out)
    return out


def start_of(run: Path) -> Path:
    (start,) = run.glob("start-*.safetensors")
    return start


def test_a_run_says_what_it_was_and_what_it_decides_with(run):
    told = Run.read(run)

    assert told.recipe == "small"
    assert told.calibration[0] > 0
    assert told.exam_rule.decision.band[0] < 0.5 < told.exam_rule.decision.band[1]
    assert told.exam_rule.rests_on.startswith("Chosen of 19 rules on 4 validation patients of covid-ct")


def test_a_run_tells_what_its_recipe_and_its_split_are(run):
    told = Run.read(run)

    assert told.settings == replace(RECIPE, seed=7, summary="Else.", without=frozenset({"luna"})).key
    assert told.settings != replace(RECIPE, one_class_share=0.5).key
    assert told.split
    assert told.command == "covidct-train fit small -w WORK -o RUN --seed 0 --backbone-weights none"


def test_the_weights_fit_the_network_the_run_names(run):
    network = build_network(Run.read(run).network)

    load_weights(network, run / "weights.safetensors")

    stored = load_file(run / "weights.safetensors")
    assert all(np.isfinite(array).all() for array in stored.values())
    assert np.abs(stored["head4_value_conv/kernel"]).max() > 0


def test_a_run_is_not_written_over(run, work):
    with pytest.raises(RunError, match="--resume"):
        fit(RECIPE, work=work, out=run)


def test_a_run_that_goes_on_makes_nothing_twice_and_comes_out_the_same(run, work):
    before, kept = load_file(run / "weights.safetensors"), {p: p.stat().st_mtime_ns for p in (work / "cache").iterdir()}

    fit(RECIPE, work=work, out=run, resume=True)

    after = load_file(run / "weights.safetensors")
    assert {p: p.stat().st_mtime_ns for p in (work / "cache").iterdir()} == kept
    assert all((after[name] == array).all() for name, array in before.items())


def test_a_run_that_goes_on_begins_with_the_start_it_had(run, work, tmp_path, monkeypatch):
    # On another kind of processor it would be reckoned otherwise, in its last digits, and all epochs be of another run.
    going_on = shutil.copytree(run, tmp_path / "run")
    kept, told = start_of(going_on).stat().st_mtime_ns, []
    monkeypatch.setattr(fitting, "standardize", lambda *_, **__: pytest.fail("reckoned anew"))

    fit(RECIPE, work=work, out=going_on, resume=True, progress=told.append)

    assert start_of(going_on).stat().st_mtime_ns == kept
    assert not [said for said in told if said.startswith("epoch")]
    with pytest.raises(pytest.fail.Exception):
        fit(replace(RECIPE, seed=1), work=work, out=going_on, resume=True)


def test_a_backbone_that_begins_at_random_is_told(run, work, tmp_path):
    told = []

    fit(replace(RECIPE, stretches=()), work=work, out=tmp_path / "run", progress=told.append)

    assert [said for said in told if "begins at random" in said and "--backbone-weights" in said]


def test_scores_that_fall_with_the_label_end_in_words(work, tmp_path, monkeypatch):
    def falling(*_: object, **__: object) -> Run:
        raise FallingScores

    monkeypatch.setattr(fitting, "conclude", falling)

    with pytest.raises(RunError, match="do not rise with the label"):
        fit(replace(RECIPE, stretches=()), work=work, out=tmp_path / "run")


def test_too_few_slices_are_told_before_anything_is_trained(work, tmp_path):
    recipe = replace(RECIPE, fitness=FitnessSettings(directions=12))

    with pytest.raises(RunError, match="12 training slices"):
        fit(recipe, work=work, out=tmp_path / "run", progress=lambda said: pytest.fail(said))


def test_a_data_set_that_is_left_out_decides_nothing(work, tmp_path):
    with pytest.raises(RunError, match="No validation"):
        fit(replace(RECIPE, without=frozenset({"covid-ct"})), work=work, out=tmp_path / "run")


def test_training_needs_a_slice_whose_lesions_are_known(work, tmp_path):
    with pytest.raises(RunError, match="lesion mask"):
        fit(replace(RECIPE, without=frozenset({"luna"})), work=work, out=tmp_path / "run")


def test_a_data_set_to_leave_out_must_be_there(work, tmp_path):
    with pytest.raises(RunError, match="no data set sores"):
        fit(replace(RECIPE, without=frozenset({"sores"})), work=work, out=tmp_path / "run")


def test_figures_of_other_weights_or_thresholds_are_forgotten(run, work):
    kinds = ("evaluations", "transfers", "cross-validations", "refusals")
    for kind in kinds:
        (run / kind / "old").mkdir(parents=True)
    (run / "figures.key").write_text("of other weights")

    fit(RECIPE, work=work, out=run, resume=True)

    assert not any((run / kind).exists() for kind in kinds)


def test_the_limits_of_fitness_are_among_what_the_run_decides(run):
    spec, features = Run.read(run).fitness, TrainingSlices.load(run / "fitness.safetensors")

    assert 0 < spec.least_lung_area < 0.5
    assert spec.distance_limit > 0
    assert features.whole.axes.shape[1] == RECIPE.fitness.directions


def test_training_changes_the_late_stages_and_leaves_the_early_ones(run):
    before, after = load_file(start_of(run)), load_file(run / "weights.safetensors")

    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    assert "conv4_block6_3_conv/kernel" in changed
    assert "head3_value_conv/kernel" in changed
    assert not any(name.startswith(("conv1", "conv2")) for name in changed)
    assert not any(name.startswith("conv") and "_bn/" in name for name in changed)


def test_without_a_stretch_the_weights_stay_as_they_start(work, tmp_path):
    fit(replace(RECIPE, stretches=()), work=work, out=tmp_path / "run")

    before, after = load_file(start_of(tmp_path / "run")), load_file(tmp_path / "run/weights.safetensors")
    assert all(np.array_equal(before[name], after[name]) for name in after)


def test_slices_whose_labels_are_not_learned_are_not_told_as_learned(work, tmp_path):
    told: list[str] = []
    recipe = replace(RECIPE, stretches=(), label_weights=MappingProxyType({"luna": 1.0}))

    fit(recipe, work=work, out=tmp_path / "run", progress=told.append)

    found = SliceScores.read(tmp_path / "run")
    assert set(found.datasets[found.learned]) == {"luna"}
    assert "the recipe does not learn the labels of covid-ct" in told


def test_a_recipe_that_is_not_there_is_refused():
    with pytest.raises(RunError, match="no recipe 'severed'"):
        recipe_named("severed")


def test_the_served_recipe_says_what_it_is():
    assert recipe_named("served").name == "served"
    assert recipe_named("served").limitations


@pytest.fixture(scope="module")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release(run, name="small-1", store=tmp_path_factory.mktemp("store"))


def test_weights_of_a_model_are_kept_and_what_decides_with_them_is_new(model, work, tmp_path):
    told = fit(RECIPE, work=work, out=tmp_path / "run", weights_of_model=model)

    again = release(tmp_path / "run", name="small-2", store=tmp_path / "store")
    assert (again / "weights.safetensors").read_bytes() == (model / "weights.safetensors").read_bytes()
    assert not list((tmp_path / "run").glob("stretch-*"))
    assert told.command == "covidct-train fit small -w WORK -o RUN --weights-of small-1"
    assert told.backbone_weights == Run.read(model / "measured").backbone_weights
    assert told.weights_from.startswith("small-1, trained on ")
    assert f"not trained anew, but those of {told.weights_from}" in (again / "MODEL_CARD.md").read_text()
    third = fit(RECIPE, work=work, out=tmp_path / "third", weights_of_model=again)
    assert third.weights_from == told.weights_from
    assert told.exam_rule.rests_on.startswith("Chosen of 19 rules on 4 validation patients of covid-ct")
    assert (tmp_path / "run/scores.csv").is_file()


def test_weights_of_another_recipe_are_not_taken(model, work, tmp_path):
    with pytest.raises(RunError, match="not of the recipe other"):
        fit(replace(RECIPE, name="other"), work=work, out=tmp_path / "run", weights_of_model=model)


def test_weights_that_have_seen_a_data_set_are_not_taken_as_if_they_had_not(model, work, tmp_path):
    with pytest.raises(RunError, match="other data sets"):
        fit(replace(RECIPE, without=frozenset({"luna"})), work=work, out=tmp_path / "run", weights_of_model=model)


def test_weights_are_taken_or_trained_from_a_start_not_both(model, work, tmp_path):
    with pytest.raises(RunError, match="one of the two"):
        fit(RECIPE, work=work, out=tmp_path / "run", weights_of_model=model, backbone_weights="imagenet")


def test_weights_trained_on_another_split_are_not_taken(model, work, tmp_path):
    other = shutil.copytree(model, tmp_path / "small-1")
    row = PartCount(dataset="covid-ct", label=1, part="train", records=5, groups=3)
    Run.read(model / "measured").model_copy(update={"data": (row,)}).write(other / "measured")

    with pytest.raises(RunError, match="another split"):
        fit(RECIPE, work=work, out=tmp_path / "run", weights_of_model=other)


def test_weights_trained_on_another_split_of_as_many_slices_are_not_taken(model, work, tmp_path):
    records = list(Catalog.read(work).records)
    # Label 0: group 0 trains, group 4 validates; of two slices each.
    other = {"covid-ct-0": Part.VALIDATION, "covid-ct-4": Part.TRAIN}
    swapped = shutil.copytree(work, tmp_path / "work", ignore=shutil.ignore_patterns("cache"))
    Catalog(tuple(replace(r, part=other.get(r.group, r.part)) for r in records)).write(swapped / "catalog.csv")

    with pytest.raises(RunError, match="another split"):
        fit(RECIPE, work=swapped, out=tmp_path / "run", weights_of_model=model)


def test_of_weights_that_do_not_tell_their_split_that_is_said(model, work, tmp_path):
    older, told = shutil.copytree(model, tmp_path / "small-1"), []
    Run.read(model / "measured").model_copy(update={"split": ""}).write(older / "measured")

    fit(RECIPE, work=work, out=tmp_path / "run", weights_of_model=older, progress=told.append)

    assert [said for said in told if "does not tell its split" in said]


def test_the_papers_recipes_take_no_weights(model, work, tmp_path):
    with pytest.raises(RunError, match="not for the paper's"):
        fit_of(recipe_named("paper"))(recipe_named("paper"), work=work, out=tmp_path / "run", weights_of_model=model)
