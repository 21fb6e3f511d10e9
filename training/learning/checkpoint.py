"""Where a training run stands, in one file: weights, moving statistics, seeds, the optimizer's state, the epochs so far.

The file is written aside and renamed: a run killed at any moment finds the last epoch it finished, whole.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from training.run import RunError

FILE_NAME = "checkpoint.safetensors"


def save_state(model: keras.Model, path: Path, told: Mapping[str, object]) -> None:
    """Write the whole state of a compiled model.

    Args:
        model: compiled and built.
        path: of the file.
        told: what goes with it, as JSON can hold it.
    """
    arrays = {f"{k:05}": _array(v) for k, v in enumerate(_variables(model))}
    _write(arrays, path, {name: json.dumps(value) for name, value in told.items()})


def load_state(model: keras.Model, path: Path) -> None:
    """Set the whole state of a compiled model from ``path``.

    Raises:
        RunError: the file cannot be read, or is of another network or optimizer.
    """
    _assign(_variables(model), path)


def read_told(path: Path) -> dict[str, Any]:
    """What ``save_state`` was told.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path) from error


def save_weights_of(model: keras.Model, path: Path) -> None:
    """Write the weights and moving statistics alone, in the network's order, float32."""
    _write({f"{k:05}": _array(v) for k, v in enumerate(model.weights)}, path, {})


def load_weights_of(model: keras.Model, path: Path) -> None:
    """Set what ``save_weights_of`` wrote.

    Raises:
        RunError: the file cannot be read, or is of another network.
    """
    _assign(model.weights, path)


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Weights, moving statistics and seeds of dropout, then the optimizer's: steps, momenta, moving averages."""
    return [*model.variables, *model.optimizer.variables]


def _array(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable.value), order="C")


def _write(arrays: dict[str, np.ndarray], path: Path, told: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    save_file(arrays, aside, metadata=told)
    aside.rename(path)


def _assign(variables: Sequence[keras.Variable], path: Path) -> None:
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path) from error
    shapes = [tuple(v.shape) for v in variables]
    if [arrays[name].shape for name in sorted(arrays)] != shapes:
        raise RunError(f"{path.name} is of another network or optimizer than the one to go on with.")
    for variable, name in zip(variables, sorted(arrays), strict=True):
        variable.assign(arrays[name])


def _unreadable(path: Path) -> RunError:
    return RunError(f"{path.name} of the run cannot be read; start again in an empty folder.")
