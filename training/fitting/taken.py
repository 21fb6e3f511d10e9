"""Weights of a released model, to decide anew on: what they were trained on must be what this run says it trained on."""

from pathlib import Path

from app.ct.classifier import WEIGHTS_FILE
from app.ct.manifest import read_manifest
from app.ct.network import build_network
from app.ct.weights import load_weights, save_weights, weights_of
from training.fitting.setup import Fitting, counted, split_key
from training.measured import MEASURED
from training.run import WEIGHTS, Run, RunError


def take_weights(model: Path, fitting: Fitting) -> tuple[str, str]:
    """Write the model's weights as the run's.

    Args:
        model: folder of a released model.
        fitting: the run; its recipe must have given the weights, and what counts of its records must be what the model was
            trained and judged on, so that no record the weights have seen passes for one they have not.

    Returns:
        What the backbone started from, and where the weights are from, in words.

    Raises:
        RunError: they are of another recipe or network, were trained on another split or other data sets, or the model does
            not say.
        BrokenModel: the model's folder is not whole.
    """
    manifest, before, recipe = read_manifest(model), Run.read(model / MEASURED), fitting.recipe
    if (before.recipe, manifest.network) != (recipe.name, recipe.network):
        raise RunError(f"The weights of {manifest.name} are not of the recipe {recipe.name}.")
    if set(before.data) != set(counted(fitting)) or before.split not in ("", split_key(fitting)):
        raise RunError(
            f"{manifest.name} was trained on another split or other data sets: prepare the same, leave out the same."
        )
    if not before.split:
        fitting.progress(
            f"{manifest.name} does not tell its split: only how much there is of each data set was compared"
        )
    network = build_network(recipe.network)
    load_weights(network, model / WEIGHTS_FILE)
    save_weights(weights_of(network), fitting.out / WEIGHTS)
    trained = (
        f"{manifest.name}, trained on {before.date} for {before.hours:.1f} h on {before.hardware} by `{before.command}`"
    )
    return before.backbone_weights, before.weights_from or trained
