"""``covidct-train fit``: from a prepared catalog to a run.

Looks are kept in the cache, training in checkpoints: a run that was killed goes on where it was, with at most one epoch lost.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from app.ct.exam import Slice
from app.ct.manifest import AffectedSpec
from app.ct.network import build_network
from app.ct.preprocessing import Prepared
from app.ct.weights import load_weights, save_weights, weights_of
from training.deciding.affected import fit_on
from training.deciding.decisions import FallingScores
from training.deciding.stability import LogitsOf
from training.fitting.conclude import conclude
from training.fitting.recipe import Recipe
from training.fitting.setup import Fitting, begin, fit_fitness
from training.fitting.slice_scores import SliceScores
from training.fitting.taken import take_weights
from training.imaging.pictures import Pictures, Studio
from training.keys import array_key, key_of
from training.learning.features import Frozen, weights_label
from training.learning.start import standardize, start_network
from training.learning.stretches import Material, train
from training.measured import forget_if_changed
from training.records.catalog import Part
from training.run import WEIGHTS, Run, RunError
from training.seal import seal

_START = "start-{key}.safetensors"
"""The network before training."""


def fit(
    recipe: Recipe,
    *,
    work: Path,
    out: Path,
    resume: bool = False,
    backbone_weights: str = "none",
    cache: Path | None = None,
    weights_of_model: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Run:
    """Train a recipe, or decide anew on weights that it gave.

    Args:
        recipe: what to train, and without which data.
        work: folder that ``prepare`` wrote.
        out: folder of the run; must be empty unless ``resume``.
        resume: go on where a killed run stopped.
        backbone_weights: see ``training.learning.imagenet.load_backbone_weights``.
        cache: folder for what runs on other splits of the same data can share; ``work/cache`` by default.
        weights_of_model: folder of a released model of the recipe, whose weights are taken as they are: where lungs are found
            otherwise now, say, calibration, thresholds, limits and rules are fitted again. See ``training.fitting.taken``.
        progress: told what is going on, in words.

    Raises:
        RunError: the folder or the catalog cannot be used, or the model is not of this recipe, split and data, or weights
            to start from were given too.
    """
    if weights_of_model is not None and backbone_weights != "none":
        raise RunError("Weights are taken from a model, or trained from those of a backbone: give one of the two.")
    started = time.monotonic()
    fitting = begin(recipe, work=work, out=out, resume=resume, progress=progress)
    pictures = _pictures(fitting, cache or work / "cache")
    if weights_of_model is None:
        started_from, weights_from = weights_label(backbone_weights), ""
        _train(fitting, pictures, backbone_weights)
    else:
        started_from, weights_from = take_weights(weights_of_model, fitting)
    network = _trained(fitting)
    logits = _logits(fitting, pictures, network)
    try:
        run = conclude(
            fitting,
            work,
            pictures,
            logits,
            fitness=fit_fitness(fitting, network),
            hours=(time.monotonic() - started) / 3600,
            command=_command(recipe, backbone_weights, weights_of_model),
            backbone_weights=started_from,
            weights_from=weights_from,
            logits_of=_logits_of(fitting, network),
            affected=_affected(fitting, network),
        )
    except FallingScores as error:
        raise RunError(str(error)) from error
    forget_if_changed(out, run)
    run.write(out)
    seal(out)
    return run


def _command(recipe: Recipe, backbone_weights: str, weights_of_model: Path | None) -> str:
    given = f"--seed {recipe.seed} --backbone-weights {Path(backbone_weights).name}"
    if weights_of_model is not None:
        given = f"--weights-of {weights_of_model.name}"
    left_out = "".join(f" --without {name}" for name in sorted(recipe.without))
    return f"covidct-train fit {recipe.name} -w WORK -o RUN {given}{left_out}"


def _pictures(fitting: Fitting, cache: Path) -> Pictures:
    """All looks of the slices that train or that scores are told of."""
    recipe = fitting.recipe
    studio = Studio(cache / "looks", fitting.preprocessor, recipe.preprocessing, recipe.looks, recipe.seed)
    return studio.pictures(fitting.placed(Part.TRAIN, Part.VALIDATION, Part.TEST), fitting.progress)


def _train(fitting: Fitting, pictures: Pictures, backbone_weights: str) -> None:
    """The run's weights."""
    recipe, out = fitting.recipe, fitting.out
    if unlearned := fitting.labels_not_learned():
        fitting.progress(f"the recipe does not learn the labels of {', '.join(unlearned)}")
    chances = fitting.chances(pictures)
    training, validation = (fitting.rows(pictures, part) for part in (Part.TRAIN, Part.VALIDATION))
    known = training[pictures.known[training]]
    if not len(known):
        raise RunError("No training slice has a lesion mask, or is healthy so that lesions can be drawn on it.")
    if backbone_weights == "none":
        fitting.progress(
            "the backbone begins at random, and what the recipe does not train stays so: --backbone-weights"
        )
    material = Material(pictures, chances, known=known, validation=validation[pictures.served[validation]])
    last = train(
        recipe.network,
        _start(fitting, material, backbone_weights),
        material,
        recipe.stretches,
        folder=out,
        seed=recipe.seed,
        progress=fitting.progress,
    )
    shutil.copyfile(last, out / WEIGHTS)


def _start(fitting: Fitting, material: Material, backbone_weights: str) -> Path:
    """The weights to begin with; those that an earlier session began with, on another processor maybe, stay what they are."""
    recipe = fitting.recipe
    network = start_network(recipe.network, backbone_weights)
    before = array_key(*(np.asarray(w) for w in network.weights))
    start = fitting.out / _START.format(key=key_of(recipe.network, recipe.seed, before, material.key))
    if not start.exists():
        standardize(network, material.pictures.images, chances=material.chances, seed=recipe.seed)
        save_weights(weights_of(network), half := start.with_suffix(".part"))
        half.replace(start)
    return start


def _trained(fitting: Fitting) -> Frozen:
    network = build_network(fitting.recipe.network)
    load_weights(network, fitting.out / WEIGHTS)
    return Frozen(network)


def _logits(fitting: Fitting, pictures: Pictures, network: Frozen) -> np.ndarray:
    """Of every slice as it will be served, written down too; nan for other looks. float32 (looks,)."""
    fitting.progress("scoring slices as they will be served")
    rows = np.flatnonzero(pictures.served)
    found = np.full(len(pictures.images), np.nan, np.float32)
    found[rows] = np.concatenate([b["logit"].ravel() for b in network.batches(pictures.images[rows])])
    records = [fitting.catalog.records[k] for k in pictures.records[rows]]
    SliceScores.of(records, found[rows], learned=fitting.learned(pictures)[rows]).write(fitting.out)
    return found


def _logits_of(fitting: Fitting, network: Frozen) -> LogitsOf:
    preprocessor = fitting.preprocessor

    def logits_of(slices: Sequence[Slice]) -> np.ndarray:
        images = np.stack([preprocessor(one).image for one in slices])
        return np.concatenate([batch["logit"].ravel() for batch in network.batches(images)])

    return logits_of


def _affected(fitting: Fitting, network: Frozen) -> AffectedSpec | None:
    """How the share of lung affected is estimated, from masks that people have drawn."""
    fitting.progress("fitting the share of lung affected")
    records = [r for _, r in fitting.placed(Part.TRAIN, Part.VALIDATION) if fitting.counts(r)]

    def evidence_of(prepared: Sequence[Prepared]) -> np.ndarray:
        images = np.stack([p.image for p in prepared])
        return np.concatenate([batch["evidence"] for batch in network.batches(images)])

    return fit_on(records, fitting.preprocessor, evidence_of)
