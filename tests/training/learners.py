"""A network of a few weights and batches to learn from, for what every training run must hold."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.learning.loop import Batch, LearningSettings, shuffled

SETTINGS = LearningSettings(
    epochs=4, batch=4, learning_rate=0.1, schedule="cosine", warm_up=0.5, ema_decay=0.8, weight_decay=0.01, seed=3
)


class Killed(Exception):
    """The run ends here, as if it had been killed."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points whose label is the sign of their first number, shuffled every epoch; may end a run on the way."""

    count: int = 12
    batch: int = 4
    killed_in: int = -1

    @property
    def steps(self) -> int:
        return self.count // self.batch

    def batches(self, epoch: int) -> Iterator[Batch]:
        points = np.random.default_rng(5).normal(size=(self.count, 6)).astype(np.float32)
        labels = (points[:, 0] > 0).astype(np.float32)
        order = shuffled(self.count, seed=1, epoch=epoch)
        for k in range(self.steps):
            if epoch == self.killed_in and k == 1:
                raise Killed()
            rows = order[k * self.batch : (k + 1) * self.batch]
            yield points[rows], labels[rows]


def a_network(seed: int = 0, *, rate: float = 0.3):
    """With all that keeps a state of its own: batch norm and dropout; built in the settings' precision."""
    import keras

    from training.learning.loop import building

    with building(replace(SETTINGS, seed=seed)):
        inputs = keras.Input((6,))
        hidden = keras.layers.BatchNormalization()(keras.layers.Dense(5, activation="relu", name="first")(inputs))
        logit = keras.layers.Dense(1, name="last")(keras.layers.Dropout(rate)(hidden))
        return keras.Model(inputs, keras.ops.squeeze(logit, -1))


def learned(folder: Path, *, killed_in: int = -1, seed: int = 0, settings: LearningSettings = SETTINGS):
    """A network and its history after training in ``folder``."""
    import keras

    from training.learning.loop import learn

    network = a_network(seed)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    history = learn(network, Points(killed_in=killed_in), Points(8), settings=settings, loss=loss, folder=folder)
    return network, history


def check_that_a_kill_changes_nothing(folder: Path) -> None:
    """Train without a break, and with one in the third epoch by another network that begins elsewhere: the same comes out."""
    whole, told = learned(folder / "whole")
    with suppress(Killed):
        learned(folder / "broken", killed_in=2)
    resumed, told_again = learned(folder / "broken", seed=9)

    for row, again in zip(told.rows, told_again.rows, strict=True):
        assert {**row, "seconds": 0} == {**again, "seconds": 0}
    for before, after in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
