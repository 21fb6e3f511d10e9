"""Weights of a released model, to decide anew on: what they were trained on must be what this split trains on."""

import json
from pathlib import Path

from app.ct.classifier import WEIGHTS_FILE
from app.ct.manifest import read_manifest
from app.ct.network import build_network
from app.ct.weights import load_weights, save_weights, weights_of
from training.fitting.recipe import Recipe
from training.measured import MEASURED
from training.records.prepare import REPORT
from training.run import FILE_NAME, WEIGHTS, PartCount, Run, RunError


def take_weights(model: Path, recipe: Recipe, *, work: Path, out: Path) -> str:
    """Write the model's weights as the run's.

    Args:
        model: folder of a released model.
        recipe: that must have given them.
        work: folder that ``prepare`` wrote; where the model says what it was trained on, it must be the same split.
        out: folder of the run.

    Returns:
        Where the weights are from, in words.

    Raises:
        RunError: they are of another recipe or network, or were trained on another split.
        BrokenModel: the model's folder is not whole.
    """
    manifest = read_manifest(model)
    told = manifest.trained_with
    if told.get("recipe") != recipe.name or manifest.network != recipe.network:
        raise RunError(f"The weights of {manifest.name} are not of the recipe {recipe.name}.")
    if (model / MEASURED / FILE_NAME).is_file():
        prepared = json.loads((work / REPORT).read_text(encoding="utf-8"))
        here = {PartCount.model_validate(row) for row in prepared["counts"]}
        if not set(Run.read(model / MEASURED).data) <= here:
            raise RunError(f"{manifest.name} was trained on another split: prepare the same data with the same seed.")
    network = build_network(recipe.network)
    load_weights(network, model / WEIGHTS_FILE)
    save_weights(weights_of(network), out / WEIGHTS)
    return (
        f"not trained anew: the weights of {manifest.name}, trained on {told.get('date')} for {told.get('hours')} h"
        f" on {told.get('hardware')} by `{told.get('command')}`; what decides with them is new"
    )
