"""``covidct-train fit``: from a prepared catalog to a run.

The steps are kept on disk, under keys that name the catalog, the preprocessing, the start weights, the recipe and the code
that makes looks: a run that was killed goes on where it was, and a second recipe shares what it has in common with the
first. After changing other code of the network, start with an empty ``WORK/cache``.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import save_file

from app.ct.fitness import FITNESS_FILE
from app.ct.manifest import FitnessSpec
from app.ct.network import build_network
from app.ct.preprocessing import make_preprocessor, spec_of
from app.ct.weights import load_weights, weights_of
from training import augmentation, drawing, looks, other_disease, synthesis
from training.assemble import assemble
from training.cache import Cache, file_key, key_of
from training.catalog import CATALOG, Catalog, Part
from training.conclude import conclude
from training.evidence import MapBatches, build_head, fit_evidence
from training.features import Frozen, build_backbone
from training.findings import forget
from training.fitting import JUDGED_ON, Fitting
from training.likeness import Seen, fit_limits, look_at
from training.linear import Linear, fit_linear
from training.pictures import Pictures
from training.pooling import pooling_model
from training.recipe import Recipe
from training.run import WEIGHTS, Run, RunError
from training.seal import seal
from training.tuning import TuningData, tune

_BIAS_SCALE = 3.0
"""Makes the constant feature cheaper under the penalty than the others: a bias is not a look."""
_HEAD = "head.safetensors"
"""The whole network with its head trained, and nothing else yet."""


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
    linear = _linear(fitting, pictures, pooled)
    assemble(recipe.network, parts=[fitting.backbone, head], linear=linear, path=out / _HEAD)
    _check(fitting, pictures, linear(pooled.astype(np.float32)))
    _tune(fitting, pictures)
    logits = _logits(fitting, pictures)
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
    seal(out)
    return run


def _forget_old_figures(out: Path, run: Run) -> None:
    """Figures of weights or thresholds that are no longer the run's must not be released with it."""
    digest = key_of(
        file_key(out / WEIGHTS), file_key(out / FITNESS_FILE), run.calibration, run.image, run.exam_rule, run.fitness
    )
    told = out / "figures.key"
    if told.is_file() and told.read_text(encoding="utf-8") != digest:
        forget(out)
    told.write_text(digest, encoding="utf-8")


def _start(recipe: Recipe, work: Path, out: Path, weights: str, progress: Callable[[str], None]) -> Fitting:
    keras.utils.set_random_seed(recipe.seed)
    stages = tuple(k for k in recipe.network.stages if k < 5)
    backbone = build_backbone(recipe.network.size, stages, weights)
    catalog = Catalog.read(work / CATALOG)
    sources = [
        file_key(Path(str(module.__file__))) for module in (looks, drawing, synthesis, other_disease, augmentation)
    ]
    preprocessing = spec_of(recipe.preprocessing, recipe.network.size)
    key = key_of(file_key(work / CATALOG), preprocessing, sources, weights, stages, recipe.seed)
    unknown = recipe.without - {r.dataset for r in catalog.training()}
    if unknown:
        raise RunError(f"The catalog has no data set {', '.join(sorted(unknown))} to leave out.")
    fitting = Fitting(recipe, catalog, Cache(work / "cache"), out, backbone, key, progress)
    if not any(r.dataset in JUDGED_ON and fitting.counts(r) for _, r in fitting.placed(Part.VALIDATION)):
        raise RunError(f"No validation slices of {', '.join(JUDGED_ON)}: nothing to choose thresholds on.")
    return fitting


def _known(fitting: Fitting) -> Pictures:
    """Looks whose lesions are known place by place."""
    recipe = fitting.recipe
    records = [(k, r) for k, r in fitting.placed(Part.TRAIN, Part.VALIDATION) if looks.teaches_map(r)]
    preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
    fitting.progress("drawing synthetic disease")
    found = looks.map_looks(records, preprocessor, drawn=recipe.drawn, seed=recipe.seed)
    grid = next(iter(fitting.backbone.output.values())).shape[1]
    return Pictures.kept(fitting.cache, "map-looks", key_of(fitting.key, recipe.drawn), found, grid=grid)


def _map(fitting: Fitting) -> keras.Model:
    """The head with its evidence map trained."""
    recipe, pictures = fitting.recipe, _known(fitting)
    fitting.progress(f"maps of {len(pictures.images)} looks")
    key = key_of(fitting.key, recipe.drawn)
    shapes = {k: (len(pictures.images), *v.shape[1:]) for k, v in fitting.backbone.output.items()}
    frozen = Frozen(fitting.backbone)
    maps = fitting.cache.maps("maps", key, shapes=shapes, make=lambda start: frozen.batches(pictures.images, start))
    rows = fitting.rows(pictures, Part.TRAIN)
    head = build_head(recipe.network, maps, rows, seed=recipe.seed)
    settings = (recipe.evidence, recipe.network.evidence_channels, rows.tobytes())
    kept = fitting.cache.folder / f"evidence-{key_of(key, settings)}.safetensors"
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


def _pooled(fitting: Fitting, head: keras.Model) -> tuple[Pictures, np.ndarray]:
    """Labelled looks, and what the linear part sees of them."""
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
    shapes = {k: (len(pictures.images), *v.shape[1:]) for k, v in model.output.items()}
    frozen = Frozen(model)
    evidence = [float(np.abs(w).sum()) for w in weights_of(head).values()]
    kept = fitting.cache.maps(
        "pooled",
        key_of(key, evidence, recipe.network.null_evidence),
        shapes=shapes,
        make=lambda start: frozen.batches(pictures.images, start),
    )
    return pictures, kept["pooled"]


def _linear(fitting: Fitting, pictures: Pictures, pooled: np.ndarray) -> Linear:
    weights = fitting.training_weights(pictures)
    rows = np.flatnonzero(weights)
    scale = np.ones(pooled.shape[1])
    scale[-1] = _BIAS_SCALE
    fitting.progress(f"linear part on {len(rows)} looks")
    fitted = fit_linear(pooled[rows] * scale, pictures.labels[rows], weights[rows], fitting.recipe.linear)
    return Linear(fitted.coefficients * scale, fitted.intercept)


def _tune(fitting: Fitting, pictures: Pictures) -> None:
    """All stages under both losses, once the head stands; the run's weights are what comes out."""
    recipe = fitting.recipe
    known = _known(fitting)
    found = TuningData(
        labelled=pictures,
        weights=fitting.training_weights(pictures),
        known=known,
        known_rows=fitting.rows(known, Part.TRAIN),
        validation_rows=_judged_rows(fitting, pictures),
    )
    last = tune(
        recipe.network,
        fitting.out / _HEAD,
        found,
        recipe.tuning,
        folder=fitting.out,
        seed=recipe.seed,
        progress=fitting.progress,
    )
    shutil.copyfile(last, fitting.out / WEIGHTS)


def _judged_rows(fitting: Fitting, pictures: Pictures) -> np.ndarray:
    """Validation slices as they will be served."""
    rows = fitting.rows(pictures, Part.VALIDATION)
    return np.asarray(rows[pictures.numbers[rows] == 0])


def _logits(fitting: Fitting, pictures: Pictures) -> np.ndarray:
    """Of every labelled slice as it will be served, by the run's weights; nan for altered looks. float32 (looks,)."""
    fitting.progress("scoring labelled slices")
    network = Frozen(_logit_of(_network(fitting)))
    rows = np.flatnonzero(pictures.numbers == 0)
    found = np.full(len(pictures.images), np.nan, np.float32)
    found[rows] = np.concatenate([b["logit"].ravel() for b in network.batches(pictures.images[rows])])
    return found


def _network(fitting: Fitting) -> keras.Model:
    network = build_network(fitting.recipe.network)
    load_weights(network, fitting.out / WEIGHTS)
    return network


def _logit_of(network: keras.Model) -> keras.Model:
    return keras.Model(network.input, {"logit": network.output["logit"]})


def _fitness(fitting: Fitting) -> FitnessSpec:
    """What is not judged at all; the spread of training features goes beside the weights."""
    recipe = fitting.recipe
    records = [r for _, r in fitting.placed(Part.TRAIN, Part.VALIDATION)]
    fitting.progress(f"features of {len(records)} slices")
    preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
    network = _network(fitting)
    features = keras.Model(network.input, {"features": network.output["features"]})
    key = key_of(fitting.key, file_key(fitting.out / WEIGHTS))
    kept = fitting.cache.arrays("features", key, lambda: vars(look_at(records, preprocessor, Frozen(features))))
    counting = [k for k, r in enumerate(records) if fitting.counts(r)]
    features, spec = fit_limits([records[k] for k in counting], Seen(**kept).of(counting), recipe.fitness)
    features.save(fitting.out / FITNESS_FILE)
    return spec


def _check(fitting: Fitting, pictures: Pictures, logits: np.ndarray) -> None:
    """The assembled network gives the logits its parts gave: nothing was lost on the way."""
    network = build_network(fitting.recipe.network)
    load_weights(network, fitting.out / _HEAD)
    some = fitting.rows(pictures, Part.VALIDATION)[:16]
    found = network.predict_on_batch(pictures.images[some][..., None].astype(np.float32))["logit"]
    off = float(np.abs(np.asarray(found) - logits[some]).max())
    # Rounding to bfloat16 and float16 on the way makes about 0.05; a part in the wrong place makes 1 and more.
    if not off < 0.25:
        raise ValueError(f"the assembled network is off by {off:.3f} in a logit")
