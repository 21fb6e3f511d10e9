import csv
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.learners import SETTINGS, Killed, Points, a_network, learned
from training.learning.history import History
from training.learning.loop import LearningSettings, building, learn, make_optimizer, shuffled
from training.run import RunError

PLAIN = replace(SETTINGS, schedule="constant", warm_up=0.0, ema_decay=None, weight_decay=0.0)
BACKENDS = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]
CHECK = "from tests.training.learners import *; check_that_a_kill_changes_nothing(Path({!r}))"
KILL_HARD = """
import os
from tests.training import learners

learners.Killed = lambda: os._exit(9)
learners.learned(learners.Path({!r}), killed_in=2)
"""


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text(encoding="utf-8").splitlines()))


def events_of(folder: Path) -> list[tuple[int, str]]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted((folder / "tensorboard").iterdir())
    return [(e.step, v.tag) for path in files for e in EventFileLoader(str(path)).Load() for v in e.summary.value]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_kill_changes_nothing(backend, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": backend}

    subprocess.run([sys.executable, "-c", CHECK.format(str(tmp_path))], env=environment, check=True)


def test_a_process_that_is_killed_leaves_the_epochs_it_finished(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILL_HARD.format(str(tmp_path))], check=False)
    done = len(rows_of(tmp_path))
    _, history = learned(tmp_path)

    assert (killed.returncode, done, len(history.rows)) == (9, 2, 4)


def test_epochs_are_told_once_each_also_after_a_kill(tmp_path):
    with pytest.raises(Killed):
        learned(tmp_path, killed_in=2)
    learned(tmp_path)

    assert [row["epoch"] for row in rows_of(tmp_path)] == ["1", "2", "3", "4"]
    assert [step for step, tag in events_of(tmp_path) if tag == "loss/validation"] == [1, 2, 3, 4]
    assert (tmp_path / "learning-curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_logged_loss_of_two_steps_is_the_loss(tmp_path):
    network = a_network(rate=0.0)
    source, (w0, b0), (w1, b1) = Points(8), *(network.get_layer(k).get_weights() for k in ("first", "last"))
    settings = replace(PLAIN, epochs=1, learning_rate=1e-12)
    losses = []
    for points, labels in source.batches(0):
        hidden = np.maximum(points @ w0 + b0, 0)
        normed = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-3)
        logit = (normed @ w1 + b1)[:, 0]
        losses.append(np.mean(np.log1p(np.exp(logit)) - labels * logit))

    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    history = learn(network, source, Points(8), settings=settings, loss=loss, folder=tmp_path)

    assert history.rows[0]["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(rows_of(tmp_path)[0]["loss"]) == history.rows[0]["loss"]


def test_two_steps_of_momentum_are_taken_as_written():
    optimizer = make_optimizer(PLAIN, steps=1)
    weight = keras.Variable(np.ones(1, np.float32))

    for _ in range(2):
        optimizer.apply([keras.ops.ones(1)], [weight])

    assert float(weight.numpy()[0]) == pytest.approx(1 - 0.1 - (0.9 * 0.1 + 0.1))


def test_a_cosine_rises_to_the_rate_and_falls_to_zero():
    settings = LearningSettings(epochs=10, learning_rate=0.5, schedule="cosine", warm_up=2)
    optimizer = make_optimizer(settings, steps=5)
    rate = [float(optimizer._learning_rate(k)) for k in (0, 5, 10, 30, 50)]

    assert rate == pytest.approx([0, 0.25, 0.5, 0.25, 0], abs=1e-6)


def test_the_best_epoch_is_kept_and_patience_ends_the_run(tmp_path):
    settings = replace(PLAIN, epochs=30, learning_rate=30.0, patience=2)
    network, history = learned(tmp_path, settings=settings)
    best = min(history.rows, key=lambda row: row["val_loss"])

    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    points, labels = (np.concatenate(x) for x in zip(*Points(8).batches(0), strict=True))
    assert float(loss(labels, network(points))) == pytest.approx(best["val_loss"], rel=1e-5)
    assert len(history.rows) == best["epoch"] + 2 < 30


def test_the_average_is_validated_and_kept_and_training_goes_on_from_the_weights(tmp_path):
    still, _ = learned(tmp_path / "still", settings=replace(PLAIN, ema_decay=1.0, monitor=None))
    moving, _ = learned(tmp_path / "moving", settings=replace(PLAIN, monitor=None))
    averaged, _ = learned(tmp_path / "none", settings=replace(PLAIN, ema_decay=0.0, monitor=None))
    first = [network.get_layer("first").get_weights()[0] for network in (still, moving, averaged)]

    np.testing.assert_allclose(first[1], first[2], rtol=1e-6)
    assert np.abs(first[0] - first[1]).max() > 1e-3


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    learned(tmp_path, settings=replace(PLAIN, epochs=1))

    with pytest.raises(RunError, match="other settings"):
        learned(tmp_path, settings=replace(PLAIN, epochs=1, learning_rate=0.2))


def test_a_damaged_checkpoint_is_refused(tmp_path):
    learned(tmp_path, settings=replace(PLAIN, epochs=1))
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half")

    with pytest.raises(RunError, match="cannot be read"):
        learned(tmp_path, settings=replace(PLAIN, epochs=1))


def test_a_loss_that_is_not_finite_ends_the_run_before_its_checkpoint(tmp_path):
    with pytest.raises(RunError, match="not finite"):
        learned(tmp_path, settings=replace(PLAIN, learning_rate=1e38))

    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_finished_run_learns_nothing_more(tmp_path):
    before, _ = learned(tmp_path)
    stamp = (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns

    after, history = learned(tmp_path, seed=5)

    assert len(history.rows) == 4
    assert (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns == stamp
    assert all((a == b).all() for a, b in zip(before.get_weights(), after.get_weights(), strict=True))


def test_order_is_a_function_of_seed_and_epoch():
    orders = [shuffled(50, seed=s, epoch=e).tolist() for s, e in ((1, 0), (1, 1), (2, 0), (1, 0))]

    assert orders[0] == orders[3]
    assert orders[0] not in orders[1:3]
    assert sorted(orders[1]) == list(range(50))


def test_a_network_is_built_in_the_precision_asked_for():
    with building(replace(SETTINGS, precision="mixed_bfloat16")):
        layer = keras.layers.Dense(2)

    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == "float32"


def test_a_value_that_does_not_exist_is_never_the_best():
    history = History(tuple({"val_auc": v} for v in (float("nan"), 0.6, 0.7, 0.7)), "val_auc", "higher")

    assert history.best_epoch == 3


def test_what_a_judge_finds_can_choose_the_epoch(tmp_path):
    found = iter([0.5, 0.9, 0.7, 0.6])
    settings = replace(PLAIN, monitor="val_auc", better="higher")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)

    history = learn(
        a_network(), Points(), settings=settings, loss=loss, folder=tmp_path, judge=lambda: {"val_auc": next(found)}
    )

    assert history.best_epoch == 2


def test_what_cannot_be_watched_is_refused_before_the_first_step(tmp_path):
    with pytest.raises(ValueError, match="val_loss needs"):
        learn(a_network(), Points(), settings=PLAIN, loss="mse", folder=tmp_path)
