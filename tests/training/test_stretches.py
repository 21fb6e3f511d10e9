import csv
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from app.ct.manifest import NetworkSpec
from app.ct.network import build_network
from app.ct.weights import load_weights, save_weights, weights_of
from training.imaging.pictures import Pictures
from training.learning.loop import LearningSettings
from training.learning.stretches import (
    LOGIT,
    MAP,
    AsServed,
    MapLoss,
    Material,
    MixedBatches,
    Stretch,
    train,
    training_network,
)
from training.run import RunError

STRETCH = Stretch(size=32, steps=3, labelled=4, known=3, learning=LearningSettings(epochs=1, monitor=None))
SPEC = NetworkSpec(head="attention", size=32, stages=(3, 4), evidence_channels=4)


@pytest.fixture
def material() -> Material:
    """Four with labels alone, the third never drawn; then healthy, drawn like COVID-19, like other disease, and by people."""
    covered = np.array([False] * 5 + [True] * 3)
    coverage = np.zeros((8, 8, 8), np.float32)
    coverage[covered, 2:4, 5:7] = 1
    pictures = Pictures(
        images=np.random.default_rng(0).integers(0, 255, (8, 64, 64), dtype=np.uint8),
        coverage=coverage,
        known=np.arange(8) >= 4,
        labels=np.array([1, 0, 1, 0, 0, 1, 0, 1]),
        numbers=np.array([0, 0, 0, 0, 0, 2, 3, 1]),
        drawn=np.array([False] * 5 + [True, True, False]),
        records=np.arange(8),
    )
    chances = np.array([0.25, 0.5, 0, 0.25, 0, 0, 0, 0])
    return Material(pictures, chances, known=np.arange(4, 8), validation=np.array([2]))


def test_an_epoch_is_the_same_whenever_it_is_asked_for(material):
    source = MixedBatches(material, STRETCH, grid=4)

    first, again, other = (list(source.batches(epoch)) for epoch in (1, 1, 0))

    assert len(first) == STRETCH.steps
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][0], other[0][0])


def test_labels_teach_the_logit_and_maps_the_map(material):
    _, targets, weights = next(MixedBatches(material, STRETCH, grid=4).batches(0))

    assert (weights[MAP] == [0, 0, 0, 0, 1, 1, 1]).all()
    assert (weights[LOGIT][:4] == 1).all()
    assert set(np.unique(targets[LOGIT])) <= {np.float32(0.05), np.float32(0.95)}


def test_a_look_without_weight_is_never_drawn(material):
    source = MixedBatches(replace(material, chances=np.eye(8)[3]), STRETCH, grid=4)

    labels = [targets[LOGIT][:4] for _, targets, _ in source.batches(0)]

    assert np.unique(labels) == [np.float32(0.05)]


@pytest.mark.parametrize(("row", "counts"), [(4, 0.5), (5, 0.3), (6, 0.3), (7, 0.0)])
def test_healthy_slices_count_half_drawn_disease_what_the_recipe_says(material, row, counts):
    source = MixedBatches(replace(material, known=np.array([row])), replace(STRETCH, drawn_weight=0.3), grid=4)

    _, _, weights = next(source.batches(0))

    assert weights[LOGIT][4:] == pytest.approx([counts] * 3)


def test_drawn_disease_that_cannot_be_seen_says_nothing_of_the_label(material):
    pictures = replace(material.pictures, coverage=np.zeros((8, 8, 8), np.float32))
    source = MixedBatches(replace(material, pictures=pictures, known=np.array([5])), STRETCH, grid=4)

    _, _, weights = next(source.batches(0))

    assert weights[LOGIT][4:] == pytest.approx([0.0] * 3)


def test_picture_and_map_are_mirrored_and_cut_together(material):
    marked = np.zeros((64, 64), np.uint8)
    marked[16:32, 40:56] = 255
    pictures = replace(material.pictures, images=np.repeat(marked[None], 8, axis=0))
    source = MixedBatches(replace(material, pictures=pictures, known=np.array([5])), STRETCH, grid=8)

    for images, targets, _ in source.batches(0):
        for gray, lesions in zip(images[4:], targets[MAP][4:], strict=True):
            shown = gray.reshape(8, 4, 8, 4).mean(axis=(1, 3)) / 255
            assert np.corrcoef(shown.ravel(), lesions.ravel())[0, 1] > 0.9


def test_validation_measures_the_map_where_it_is_known(material):
    both = replace(material, validation=np.array([2, 7]))

    ((_, targets, weights),) = AsServed(both, STRETCH, grid=8).batches(0)

    assert weights[MAP].tolist() == [0, 1]
    assert weights[LOGIT].tolist() == [1, 1]
    assert np.array_equal(targets[MAP][1, ..., 0], material.pictures.coverage[7])


def test_the_map_loss_of_a_picture_is_the_mean_cross_entropy_of_its_places():
    rng = np.random.default_rng(0)
    coverage, logit = rng.random((3, 4, 4, 1)).astype(np.float32), rng.normal(size=(3, 4, 4, 1)).astype(np.float32)
    counts = np.array([1.0, 0.0, 2.0], np.float32)

    found = float(MapLoss(2.0)(coverage, logit, sample_weight=counts))

    seen = 1 / (1 + np.exp(-logit))
    each = -(2 * coverage * np.log(seen) + (1 - coverage) * np.log(1 - seen)).mean(axis=(1, 2, 3))
    assert found == pytest.approx(float((each * counts).sum() / 3), rel=1e-4)


def test_early_stages_and_batch_norms_of_the_backbone_stay():
    network = training_network(SPEC, first_stage=4)

    names = {v.path.split("/")[0] for v in network.trainable_variables}

    assert "conv4_block1_1_conv" in names
    assert "head_evidence_bn" in names
    assert not any(n.startswith(("conv1", "conv2", "conv3")) for n in names)
    assert not any(n.startswith("conv") and n.endswith("_bn") for n in names)


def test_a_stretch_begins_with_the_weights_of_the_one_before(material, tmp_path):
    start = tmp_path / "start.safetensors"
    save_weights(weights_of(build_network(SPEC)), start)
    one = train(SPEC, start, material, (STRETCH,), folder=tmp_path / "one", seed=0)

    two = train(SPEC, start, material, (STRETCH, STRETCH), folder=tmp_path / "two", seed=0)

    assert (tmp_path / "two/stretch-1/weights.safetensors").read_bytes() == one.read_bytes()
    assert two.read_bytes() != one.read_bytes()


def test_a_run_killed_between_stretches_comes_out_as_one_that_was_not(material, tmp_path):
    start = tmp_path / "start.safetensors"
    save_weights(weights_of(build_network(SPEC)), start)
    whole = train(SPEC, start, material, (STRETCH, STRETCH), folder=tmp_path, seed=0).read_bytes()
    rmtree(tmp_path / "stretch-2")
    (tmp_path / "stretch-1/weights.safetensors").write_bytes(b"half of them")

    again = train(SPEC, start, material, (STRETCH, STRETCH), folder=tmp_path, seed=0)

    assert again.read_bytes() == whole


def coverage_known_better(material: Material) -> Material:
    return replace(material, pictures=replace(material.pictures, coverage=material.pictures.coverage / 2))


def more_of_it_drawn(material: Material) -> Material:
    return replace(material, pictures=replace(material.pictures, drawn=np.ones(8, bool)))


def one_pixel_changed(material: Material) -> Material:
    images = material.pictures.images.copy()
    images[0, 1, 1] ^= 1
    return replace(material, pictures=replace(material.pictures, images=images))


@pytest.mark.parametrize("changed", [coverage_known_better, more_of_it_drawn, one_pixel_changed])
def test_other_material_has_another_key(material, changed):
    assert changed(material).key != material.key


def test_a_stretch_of_another_network_with_the_same_weights_is_not_gone_on_with(material, tmp_path):
    start = tmp_path / "start.safetensors"
    save_weights(weights_of(build_network(SPEC)), start)
    train(SPEC, start, material, (STRETCH,), folder=tmp_path, seed=0)

    for changed in ({"dropout": 0.1}, {"null_evidence": 0.5}):
        with pytest.raises(RunError, match="other settings"):
            train(SPEC.model_copy(update=changed), start, material, (STRETCH,), folder=tmp_path, seed=0)


def test_the_logged_loss_is_the_loss(material, tmp_path):
    """Two steps that change next to nothing: the mean of both losses over their batches, computed by hand."""
    start = tmp_path / "start.safetensors"
    spec = SPEC.model_copy(update={"dropout": 0.0})
    save_weights(weights_of(build_network(spec)), start)
    still = replace(STRETCH, steps=2, learning=LearningSettings(epochs=1, monitor=None, learning_rate=1e-12))

    train(spec, start, material, (still,), folder=tmp_path, seed=0)

    with (tmp_path / "stretch-1/history.csv").open() as file:
        (logged,) = csv.DictReader(file)
    assert float(logged["loss"]) == pytest.approx(by_hand(spec, start, material, still), rel=0.02)


def by_hand(spec: NetworkSpec, weights: Path, material: Material, stretch: Stretch) -> float:
    network, losses = training_network(spec, stretch.first_stage), []
    load_weights(network, weights)
    for gray, targets, counts in MixedBatches(material, stretch, grid=4).batches(0):
        told = network(gray, training=True)
        logit = np.asarray(told[LOGIT])
        label = np.logaddexp(0, logit) - targets[LOGIT] * logit
        seen = 1 / (1 + np.exp(-np.asarray(told[MAP])))
        places = -(2 * targets[MAP] * np.log(seen) + (1 - targets[MAP]) * np.log(1 - seen)).mean(axis=(1, 2, 3))
        losses.append((label[:, 0] * counts[LOGIT] + places * counts[MAP]).mean())
    return float(np.mean(losses))
