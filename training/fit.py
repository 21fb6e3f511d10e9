"""``covidct-train fit``: from a prepared catalog to a run.

The steps are kept on disk, under keys that name the catalog, the preprocessing, the start weights, the recipe and the code
that makes looks: a run that was killed goes on where it was, and a second recipe shares what it has in common with the
first. After changing other code of the network, start with an empty ``WORK/cache``.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import save_file

from app.ct.fitness import FITNESS_FILE
from app.ct.manifest import FitnessSpec
from app.ct.network import build_network
from app.ct.preprocessing import make_preprocessor, spec_of
from app.ct.weights import load_weights, weights_of
from training import augmentation, looks, synthesis
from training.assemble import assemble
from training.cache import Cache, file_key, key_of
from training.catalog import CATALOG, Catalog, Part
from training.conclude import conclude
from training.conv5 import Conv5Data, build_conv5, conv5_logits, fit_conv5
from training.evidence import MapBatches, build_head, fit_evidence
from training.features import Frozen, build_backbone
from training.fitting import JUDGED_ON, Fitting
from training.likeness import Seen, fit_limits, look_at
from training.linear import Linear, fit_linear
from training.pictures import Pictures
from training.pooling import pooling_model
from training.recipe import Recipe
from training.run import EVALUATIONS, REFUSALS, TRANSFERS, WEIGHTS, Run, RunError

_BIAS_SCALE = 3.0
"""Makes the constant feature cheaper under the penalty than the others: a bias is not a look."""


def fit(
    recipe: Recipe,
    *,
    work: Path,
    out: Path,
    resume: bool = False,
    backbone_weights: str = "none",
    progress: Callable[[str], None] = lambda _: None,
) -> Run:
    """Train a recipe.

    Args:
        recipe: what to train, and without which data.
        work: folder that ``prepare`` wrote; what is kept between runs goes there too.
        out: folder of the run; must be empty unless ``resume``.
        resume: go on where a killed run stopped.
        backbone_weights: see ``training.imagenet.load_backbone_weights``.
        progress: told what is going on, in words.
    """
    started = time.monotonic()
    if out.exists() and any(out.iterdir()) and not resume:
        raise RunError("The run's folder is not empty; give --resume to go on, or another folder.")
    out.mkdir(parents=True, exist_ok=True)
    fitting = _start(recipe, work, out, backbone_weights, progress)
    head = _map(fitting)
    pictures, pooled = _pooled(fitting, head)
    linear = _linear(fitting, pictures, pooled["pooled"])
    conv5, logits = _with_conv5(fitting, pictures, pooled, linear)
    assemble(fitting.recipe.network, parts=[fitting.backbone, head], linear=linear, conv5=conv5, path=out / WEIGHTS)
    _check(fitting, pictures, logits)
    fitness = _fitness(fitting)
    run = conclude(
        fitting,
        work,
        pictures,
        logits,
        fitness=fitness,
        hours=(time.monotonic() - started) / 3600,
        start=backbone_weights,
    )
    _forget_old_figures(out, run)
    run.write(out)
    return run


def _forget_old_figures(out: Path, run: Run) -> None:
    """Figures of weights or thresholds that are no longer the run's must not be released with it."""
    digest = key_of(
        file_key(out / WEIGHTS), file_key(out / FITNESS_FILE), run.calibration, run.image, run.exam_rule, run.fitness
    )
    told = out / "figures.key"
    if told.is_file() and told.read_text(encoding="utf-8") != digest:
        for kind in (EVALUATIONS, TRANSFERS, REFUSALS):
            shutil.rmtree(out / kind, ignore_errors=True)
    told.write_text(digest, encoding="utf-8")


def _start(recipe: Recipe, work: Path, out: Path, weights: str, progress: Callable[[str], None]) -> Fitting:
    keras.utils.set_random_seed(recipe.seed)
    stages = tuple(k for k in recipe.network.stages if k < 5)
    backbone = build_backbone(recipe.network.size, stages, weights)
    catalog = Catalog.read(work / CATALOG)
    sources = [file_key(Path(str(module.__file__))) for module in (looks, synthesis, augmentation)]
    preprocessing = spec_of(recipe.preprocessing, recipe.network.size)
    key = key_of(file_key(work / CATALOG), preprocessing, sources, weights, stages, recipe.seed)
    unknown = recipe.without - {r.dataset for r in catalog.training()}
    if unknown:
        raise RunError(f"The catalog has no data set {', '.join(sorted(unknown))} to leave out.")
    fitting = Fitting(recipe, catalog, Cache(work / "cache"), out, backbone, key, progress)
    if not any(r.dataset in JUDGED_ON and fitting.counts(r) for _, r in fitting.placed(Part.VALIDATION)):
        raise RunError(f"No validation slices of {', '.join(JUDGED_ON)}: nothing to choose thresholds on.")
    return fitting


def _map(fitting: Fitting) -> keras.Model:
    """The head with its evidence map trained."""
    recipe = fitting.recipe
    known = fitting.placed(Part.TRAIN, Part.VALIDATION)
    records = [(k, r) for k, r in known if fitting.counts(r) and looks.teaches_map(r)]
    key = key_of(fitting.key, recipe.synthetic, [k for k, _ in records])
    preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
    first = next(iter(fitting.backbone.output.values()))
    fitting.progress("drawing synthetic lesions")
    found = looks.map_looks(records, preprocessor, synthetic=recipe.synthetic, seed=recipe.seed)
    pictures = Pictures.kept(fitting.cache, "map-looks", key, found, grid=first.shape[1])
    fitting.progress(f"maps of {len(pictures.images)} looks")
    shapes = {k: (len(pictures.images), *v.shape[1:]) for k, v in fitting.backbone.output.items()}
    frozen = Frozen(fitting.backbone)
    maps = fitting.cache.maps("maps", key, shapes=shapes, make=lambda start: frozen.batches(pictures.images, start))
    rows = fitting.rows(pictures, Part.TRAIN)
    head = build_head(recipe.network, maps, rows, seed=recipe.seed)
    kept = (
        fitting.cache.folder / f"evidence-{key_of(key, recipe.evidence, recipe.network.evidence_channels)}.safetensors"
    )
    if not kept.is_file():
        fitting.progress("training the evidence map")
        parts = [
            MapBatches(maps, pictures.coverage, chosen, batch=recipe.evidence.batch, seed=recipe.seed)
            for chosen in (rows, fitting.rows(pictures, Part.VALIDATION))
        ]
        fit_evidence(head, *parts, settings=recipe.evidence, folder=fitting.out, progress=fitting.progress)
        aside = kept.with_suffix(".tmp")
        save_file(weights_of(head), aside)
        aside.rename(kept)
    load_weights(head, kept)
    return head


def _pooled(fitting: Fitting, head: keras.Model) -> tuple[Pictures, dict[str, np.ndarray]]:
    """Labelled looks, and what the linear part and conv5 see of them."""
    recipe = fitting.recipe
    fitting.progress("looks of labelled slices")
    preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
    records = fitting.placed(Part.TRAIN, Part.VALIDATION)
    found = looks.labelled_looks(
        records, preprocessor, altered=recipe.altered, altered_of=recipe.altered_of, seed=recipe.seed
    )
    key = key_of(fitting.key, recipe.altered, sorted(recipe.altered_of.items()))
    pictures = Pictures.kept(fitting.cache, "labelled-looks", key, found, grid=1)
    model = pooling_model(fitting.backbone, head, recipe.network)
    fitting.progress(f"pooled features of {len(pictures.images)} looks")
    wanted = ("pooled", "weights", "map4") if 5 in recipe.network.stages else ("pooled",)
    shapes = {k: (len(pictures.images), *model.output[k].shape[1:]) for k in wanted}
    frozen = Frozen(model)

    def batches(start: int) -> Iterator[dict[str, np.ndarray]]:
        return ({k: batch[k] for k in wanted} for batch in frozen.batches(pictures.images, start))

    evidence = [float(np.abs(w).sum()) for w in weights_of(head).values()]
    name = "pooled-maps" if "map4" in wanted else "pooled"
    return pictures, fitting.cache.maps(
        name, key_of(key, evidence, recipe.network.null_evidence), shapes=shapes, make=batches
    )


def _linear(fitting: Fitting, pictures: Pictures, pooled: np.ndarray) -> Linear:
    weights = fitting.training_weights(pictures)
    rows = np.flatnonzero(weights)
    scale = np.ones(pooled.shape[1])
    scale[-1] = _BIAS_SCALE
    fitting.progress(f"linear part on {len(rows)} looks")
    settings = fitting.recipe.linear
    fitted = fit_linear(pooled[rows] * scale, fitting.labels(pictures)[rows], weights[rows], settings)
    return Linear(fitted.coefficients * scale, fitted.intercept)


def _with_conv5(
    fitting: Fitting, pictures: Pictures, pooled: dict[str, np.ndarray], linear: Linear
) -> tuple[keras.Model | None, np.ndarray]:
    """Conv5 where the recipe has it, and the logit of every look with all there is."""
    logits = linear(pooled["pooled"].astype(np.float32)).astype(np.float32)
    if 5 not in fitting.recipe.network.stages:
        return None, logits
    weights = fitting.training_weights(pictures)
    attention = pooled["weights"].astype(np.float32)
    data = Conv5Data(pooled["map4"], attention, logits, fitting.labels(pictures), weights)
    model = build_conv5(data, fitting.recipe.network)
    fitting.progress("training conv5")
    rows, recipe = np.flatnonzero(weights), fitting.recipe
    fit_conv5(model, data, rows, settings=recipe.conv5, folder=fitting.out, seed=recipe.seed, progress=fitting.progress)
    validation = fitting.rows(pictures, Part.VALIDATION)
    together = logits.copy()
    together[validation] = conv5_logits(model, data, validation)
    return model, together


def _fitness(fitting: Fitting) -> FitnessSpec:
    """What is not judged at all; the spread of training features goes beside the weights."""
    recipe = fitting.recipe
    records = [r for _, r in fitting.placed(Part.TRAIN, Part.VALIDATION)]
    fitting.progress(f"features of {len(records)} slices")
    preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
    kept = fitting.cache.arrays("features", fitting.key, lambda: vars(look_at(records, preprocessor, fitting.backbone)))
    counting = [k for k, r in enumerate(records) if fitting.counts(r)]
    features, spec = fit_limits([records[k] for k in counting], Seen(**kept).of(counting), recipe.fitness)
    features.save(fitting.out / FITNESS_FILE)
    return spec


def _check(fitting: Fitting, pictures: Pictures, logits: np.ndarray) -> None:
    """The assembled network gives the logits its parts gave: nothing was lost on the way."""
    network = build_network(fitting.recipe.network)
    load_weights(network, fitting.out / WEIGHTS)
    some = fitting.rows(pictures, Part.VALIDATION)[:16]
    found = network.predict_on_batch(pictures.images[some][..., None].astype(np.float32))["logit"]
    off = float(np.abs(np.asarray(found) - logits[some]).max())
    # Rounding to bfloat16 and float16 on the way makes about 0.05; a part in the wrong place makes 1 and more.
    if not off < 0.25:
        raise ValueError(f"the assembled network is off by {off:.3f} in a logit")
