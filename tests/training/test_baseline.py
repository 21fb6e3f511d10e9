"""The paper's recipe on phantoms: a whole run at 48 pixels, two epochs."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from app.ct.manifest import NetworkSpec
from app.ct.network import build_network
from app.ct.phantom import phantom
from app.ct.weights import load_weights
from training.fitting import baseline
from training.fitting.baseline import LabelledBatches, both_classes, draw
from training.fitting.likeness import FitnessSettings
from training.fitting.slice_scores import SliceScores
from training.learning.loop import LearningSettings
from training.recipes import at_size, fit_of, recipe_named
from training.records.catalog import Catalog, Part, Record
from training.releasing.release import release
from training.run import Run, RunError
from training.seal import check_seal

SIZE = 48
TINY = replace(
    recipe_named("paper"),
    network=NetworkSpec(head="linear", size=SIZE, stages=(5,)),
    learning=LearningSettings(epochs=1, batch=4, learning_rate=1e-3),
    drawn=(2, 1),
    fitness=FitnessSettings(directions=3),
)


def a_record(number: int, part: Part, *, label: int, group: str = "", dataset: str = "covid-ct") -> Record:
    return Record(Path(f"{dataset}-{number}.png"), label, dataset, group or f"{dataset}-{number}", part=part)


def a_slice_of(record: Record, folder: Path, seed: int) -> Record:
    chest = phantom(slices=7, lesions="many" if record.label else "none", seed=seed, size=96).exam()
    path = folder / record.file
    Image.fromarray(chest.slices[3].gray).save(path)
    return replace(record, file=path, patient=record.group)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight groups of two slices to train on, four to validate on, two to test on; five slices of one class."""
    folder = tmp_path_factory.mktemp("work")
    parts = [Part.TRAIN] * 16 + [Part.VALIDATION] * 8 + [Part.TEST] * 4
    records = [a_record(k, part, label=k // 2 % 2, group=f"g{k // 2}") for k, part in enumerate(parts)]
    records += [a_record(40 + k, Part.TRAIN, label=0, dataset="luna") for k in range(2)]
    Catalog(tuple(a_slice_of(r, folder, k) for k, r in enumerate(records))).write(folder / "catalog.csv")
    (folder / "prepare.json").write_text(json.dumps({"counts": [], "shortcut": []}))
    return folder


@pytest.fixture(scope="module")
def run(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    baseline.fit(TINY, work=work, out=out)
    return out


def test_a_run_of_resnet50_has_all_that_a_served_model_needs(run):
    told = Run.read(run)
    network = build_network(told.network)

    load_weights(network, run / "weights.safetensors")

    check_seal(run)
    assert told.command == "covidct-train fit paper -w WORK -o RUN --size 48 --seed 0 --backbone-weights none"
    assert told.preprocessing.name == "paper"
    assert told.fitness.distance_limit > 0


def test_every_labelled_slice_is_scored_as_the_weights_say(run, work):
    scores = SliceScores.read(run)
    network = build_network(Run.read(run).network)
    load_weights(network, run / "weights.safetensors")
    one = Catalog.read(work / "catalog.csv").records[17]
    prepared = recipe_named("paper").preprocessing

    from app.ct.preprocessing import make_preprocessor

    image = make_preprocessor(prepared, SIZE)(one.read().slices[0]).image
    logit = float(np.asarray(network(image[None, ..., None].astype(np.float32))["logit"])[0])
    assert sorted(set(scores.parts)) == ["test", "train", "validation"]
    assert len(scores.files) == 30
    drawn = scores.where(scores.learned)
    assert set(drawn.parts) == {"train"}
    assert 0 < len(drawn.files) < (scores.parts == "train").sum()
    assert scores.logits[scores.files == str(one.file)][0] == pytest.approx(logit, abs=1e-3)


def test_epochs_are_told_and_drawn(run):
    assert (run / "history.csv").read_text().splitlines()[0].startswith("epoch,learning_rate,loss,val_loss")
    assert (run / "learning-curves.png").is_file()


def test_a_run_is_not_written_over(run, work):
    with pytest.raises(RunError, match="--resume"):
        baseline.fit(TINY, work=work, out=run)


def test_a_network_that_is_not_served_is_scored_and_never_released(work, tmp_path):
    recipe = replace(TINY, name="paper-googlenet", architecture="googlenet")

    (tmp_path / "run/tensorboard").mkdir(parents=True)  # of a run that was killed in its first epoch
    baseline.fit(recipe, work=work, out=tmp_path / "run", resume=True)

    assert len(SliceScores.read(tmp_path / "run").logits) == 30
    assert "auxiliary1_loss" in (tmp_path / "run/history.csv").read_text()
    with pytest.raises(RunError, match="compared"):
        release(tmp_path / "run", name="x", store=tmp_path / "store")


def test_six_and_twelve_slices_of_each_group_are_drawn_once():
    of = lambda label: [a_record(k, Part.TRAIN, label=label, group=f"{label}-{k // 20}") for k in range(40)]  # noqa: E731
    records = [*of(0), *of(1)]

    rows = draw(records, (12, 6), seed=0)

    assert [sum(records[k].group == g for k in rows) for g in ("0-0", "0-1", "1-0", "1-1")] == [12, 12, 6, 6]
    assert rows.tolist() == draw(records, (12, 6), seed=0).tolist() != draw(records, (12, 6), seed=1).tolist()


def test_what_is_drawn_of_a_group_depends_on_no_other_group():
    mine = [a_record(k, Part.TRAIN, label=1, group="mine") for k in range(20)]
    other = [a_record(k, Part.TRAIN, label=1, group="other") for k in range(20, 30)]

    alone = draw(mine, (12, 6), seed=0)

    assert [k for k in draw([*mine, *other], (12, 6), seed=0) if k < 20] == alone.tolist()


def test_only_data_sets_with_both_classes_in_training_teach():
    records = [
        *(a_record(k, Part.TRAIN, label=k, dataset="a") for k in (0, 1)),
        a_record(0, Part.TRAIN, label=0, dataset="b"),
        a_record(1, Part.VALIDATION, label=1, dataset="b"),
    ]

    assert both_classes(records) == {"a"}


def test_batches_hold_every_slice_once_an_epoch(run, work):
    from training.imaging.pictures import Pictures

    labels = np.arange(10)
    images = np.repeat(labels[:, None, None], 2, 1).astype(np.uint8)
    none = np.zeros(10)
    pictures = Pictures(images, none, none, labels, none, none, none)
    ordered, shuffled = (LabelledBatches(pictures, labels, ("logit",), 4, seed) for seed in (None, 3))

    seen = [[int(x) for _, target in source.batches(0) for x in target["logit"]] for source in (ordered, shuffled)]

    assert seen[0] == list(range(10))
    assert len(set(seen[1])) == 8
    assert (ordered.steps, shuffled.steps) == (3, 2)


@pytest.mark.parametrize("name", ["paper", "paper-vgg16", "paper-googlenet"])
def test_the_recipes_are_the_papers(name):
    recipe = recipe_named(name)

    assert recipe.name == name
    assert (recipe.learning.optimizer, recipe.learning.learning_rate, recipe.learning.epochs) == ("sgd", 0.001, 50)
    assert (recipe.network.size, recipe.preprocessing, recipe.drawn, recipe.looks.altered) == (299, "paper", (12, 6), 0)
    assert fit_of(recipe) is baseline.fit


def test_only_the_papers_recipes_take_another_size():
    assert at_size(recipe_named("paper"), 112).network.size == 112
    with pytest.raises(RunError, match="--size"):
        at_size(recipe_named("served"), 112)


def test_start_weights_that_keras_does_not_have_are_refused(work, tmp_path):
    recipe = replace(TINY, architecture="googlenet")

    with pytest.raises(RunError, match="no ImageNet weights of googlenet"):
        baseline.fit(recipe, work=work, out=tmp_path / "run", backbone_weights="imagenet")


def test_a_folder_without_a_layer_of_the_network_is_refused(work, tmp_path):
    (tmp_path / "weights").mkdir()

    with pytest.raises(RunError, match="no layer of vgg16"):
        baseline.fit(
            replace(TINY, architecture="vgg16"),
            work=work,
            out=tmp_path / "run",
            backbone_weights=str(tmp_path / "weights"),
        )


def test_what_a_run_starts_from_is_told_layer_by_layer(tmp_path):
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 1, name="conv1_conv")])
    np.zeros(4, "<f2").tofile(tmp_path / "conv1_conv.f16.bin")

    told = baseline._set_start(network, "resnet50", str(tmp_path))

    assert told.endswith("1 of 1 layers, the others random")


def test_figures_of_other_weights_are_forgotten(run, work):
    (run / "evaluations/old").mkdir(parents=True)
    (run / "figures.key").write_text("of other weights")

    baseline.fit(TINY, work=work, out=run, resume=True)

    assert not (run / "evaluations").exists()
