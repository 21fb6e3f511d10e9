from dataclasses import replace

import keras
import numpy as np
import pytest

from app.ct.manifest import NetworkSpec
from training.evidence import evidence_loss
from training.learning import LearningSettings
from training.pictures import Pictures
from training.tuning import LOGIT, MAP, MapLoss, TuningBatches, TuningData, TuningSettings, tuning_network

SETTINGS = TuningSettings(size=32, steps=3, labelled=4, known=3, learning=LearningSettings(epochs=1, monitor=None))


def some_pictures(count: int, *, labels: list[int], numbers: list[int], covered: list[bool]) -> Pictures:
    images = np.random.default_rng(0).integers(0, 255, (count, 64, 64), dtype=np.uint8)
    coverage = np.zeros((count, 8, 8), np.float32)
    coverage[np.array(covered), 2:4, 5:7] = 1
    return Pictures(images, coverage, np.array(labels), np.arange(count), np.array(numbers))


@pytest.fixture
def found() -> TuningData:
    """Labelled: one never drawn; known: healthy, drawn like COVID-19, drawn like other disease, drawn by people."""
    labelled = some_pictures(4, labels=[1, 0, 1, 0], numbers=[0] * 4, covered=[False] * 4)
    known = some_pictures(4, labels=[0, 1, 0, 1], numbers=[0, 2, 3, 1], covered=[False, True, True, True])
    return TuningData(labelled, np.array([1.0, 2.0, 0.0, 1.0]), known, np.arange(4), np.array([2]))


def test_an_epoch_is_the_same_whenever_it_is_asked_for(found):
    source = TuningBatches(found, SETTINGS, grid=4)

    first, again, other = (list(source.batches(epoch)) for epoch in (1, 1, 0))

    assert len(first) == SETTINGS.steps
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][0], other[0][0])


def test_labels_teach_the_logit_and_maps_the_map(found):
    _, targets, weights = next(TuningBatches(found, SETTINGS, grid=4).batches(0))

    assert (weights[MAP] == [0, 0, 0, 0, 1, 1, 1]).all()
    assert (weights[LOGIT][:4] == 1).all()
    assert targets[MAP][:4].max() == 0
    assert set(np.unique(targets[LOGIT])) <= {np.float32(0.05), np.float32(0.95)}


def test_a_look_without_weight_is_never_drawn(found):
    source = TuningBatches(replace(found, weights=np.array([0.0, 0.0, 0.0, 1.0])), SETTINGS, grid=4)

    labels = [targets[LOGIT][:4] for _, targets, _ in source.batches(0)]

    assert np.unique(labels) == [np.float32(0.05)]


@pytest.mark.parametrize(("row", "counts"), [(0, 0.5), (1, 0.3), (2, 0.3), (3, 0.0)])
def test_healthy_slices_count_half_drawn_disease_what_the_recipe_says(found, row, counts):
    source = TuningBatches(replace(found, known_rows=np.array([row])), replace(SETTINGS, drawn_weight=0.3), grid=4)

    _, _, weights = next(source.batches(0))

    assert weights[LOGIT][4:] == pytest.approx([counts] * 3)


def test_picture_and_map_are_mirrored_and_cut_together(found):
    marked = np.zeros((64, 64), np.uint8)
    marked[16:32, 40:56] = 255
    known = replace(found.known, images=np.repeat(marked[None], 4, axis=0))
    source = TuningBatches(replace(found, known=known, known_rows=np.array([1])), SETTINGS, grid=8)

    for images, targets, _ in source.batches(0):
        for gray, lesions in zip(images[4:], targets[MAP][4:], strict=True):
            shown = gray.reshape(8, 4, 8, 4).mean(axis=(1, 3)) / 255
            assert np.corrcoef(shown.ravel(), lesions.ravel())[0, 1] > 0.9


def test_the_map_loss_of_each_picture_is_the_loss_of_its_places():
    rng = np.random.default_rng(0)
    coverage, logit = rng.random((3, 4, 4, 1)).astype(np.float32), rng.normal(size=(3, 4, 4, 1)).astype(np.float32)
    counts = np.array([1.0, 0.0, 2.0], np.float32)

    found = float(MapLoss(2.0)(coverage, logit, sample_weight=counts))

    each = [float(evidence_loss(2.0)(coverage[k], logit[k])) for k in range(3)]
    assert found == pytest.approx(float((np.array(each) * counts).sum() / 3), rel=1e-5)


def test_early_stages_and_batch_norms_of_the_backbone_stay():
    network = tuning_network(NetworkSpec(head="attention", size=32, stages=(3, 4), evidence_channels=4), first_stage=4)

    names = {v.path.split("/")[0] for v in network.trainable_variables}

    assert "conv4_block1_1_conv" in names
    assert "head_evidence_bn" in names
    assert not any(
        n.startswith(("conv1", "conv2", "conv3")) or (n.endswith("_bn") and n != "head_evidence_bn") for n in names
    )
    assert isinstance(network, keras.Model)
