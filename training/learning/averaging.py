"""The moving average that the optimizer keeps of the weights, put in their place for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np


@contextmanager
def averaged(model: keras.Model, decay: float | None) -> Iterator[None]:
    """Inside, the weights are their moving average; afterwards what they were.

    Args:
        model: compiled, its optimizer with ``use_ema`` unless there is no average.
        decay: of the average; None: there is none, and nothing changes.
    """
    if decay is None:
        yield
        return
    weights = _copies(model)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    # Copies, for JAX takes back the memory of what it was given, and the averages are still needed.
    _assign(model, _copies(model))
    yield
    _assign(model, weights)


def _copies(model: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in model.trainable_variables]


def _assign(model: keras.Model, weights: list[np.ndarray]) -> None:
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
