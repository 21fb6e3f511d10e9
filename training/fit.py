"""``covidct-train fit``: from a prepared catalog to a run.

The steps are kept on disk under keys that name all they depend on, so a run that was killed goes on where it was, and a
second recipe shares what it has in common with the first.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import save_file

from app.ct.network import build_network
from app.ct.preprocessing import make_preprocessor, spec_of
from app.ct.weights import load_weights, weights_of
from training import augmentation, looks, synthesis
from training.assemble import assemble
from training.cache import Cache, file_key, key_of
from training.catalog import CATALOG, Catalog, Part, Record
from training.conv5 import Conv5Data, build_conv5, conv5_logits, fit_conv5
from training.decisions import Scored, calibrate, choose_exam_rule, decide
from training.evidence import MapBatches, build_head, fit_evidence
from training.features import Frozen, build_backbone, weights_label
from training.linear import Linear, balanced_weights, cell_of, fit_linear
from training.pictures import Pictures
from training.pooling import pooling_model
from training.recipe import Recipe
from training.run import WEIGHTS, Run

JUDGED_ON = ("covid-ct", "soares", "drenet")
"""Data sets with both classes and a validation part: thresholds and the exam rule are chosen on them, and on nothing else."""
_BIAS_SCALE = 3.0
"""Makes the constant feature cheaper under the penalty than the others: a bias is not a look."""
_RESTS_ON = (
    "Chosen on {patients} validation patients of {datasets} with two or more slices each (about six), not on whole exams:"
    " of these there are far too few. A whole exam has more slices to choose its strongest from, so its probability tends to"
    " be higher than these patients'. Read exam probabilities as a ranking."
)


@dataclass(frozen=True, eq=False)
class Fitting:
    """What every step of one run needs."""

    recipe: Recipe
    catalog: Catalog
    cache: Cache
    out: Path
    backbone: keras.Model
    key: str
    progress: Callable[[str], None]

    def placed(self, *parts: Part) -> list[tuple[int, Record]]:
        """Records of the parts with their places in the catalog."""
        return [(k, r) for k, r in enumerate(self.catalog.records) if r.part in parts]

    def counts(self, record: Record) -> bool:
        """Whether a record may decide anything: its data set is not left out."""
        return record.dataset not in self.recipe.without

    def rows(self, pictures: Pictures, part: Part) -> np.ndarray:
        """Which pictures come from records of a part that count."""
        records = [self.catalog.records[k] for k in pictures.records]
        return np.flatnonzero([r.part is part and self.counts(r) for r in records])


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
        raise FileExistsError(f"{out} is not empty; give --resume to go on, or another folder")
    out.mkdir(parents=True, exist_ok=True)
    fitting = _start(recipe, work, out, backbone_weights, progress)
    head = _map(fitting)
    pictures, pooled = _pooled(fitting, head)
    linear = _linear(fitting, pictures, pooled["pooled"])
    conv5, logits = _with_conv5(fitting, pictures, pooled, linear)
    assemble(fitting.recipe.network, parts=[fitting.backbone, head], linear=linear, conv5=conv5, path=out / WEIGHTS)
    _check(fitting, pictures, logits)
    run = _run(fitting, work, pictures, logits, hours=(time.monotonic() - started) / 3600, start=backbone_weights)
    run.write(out)
    return run


def _start(recipe: Recipe, work: Path, out: Path, weights: str, progress: Callable[[str], None]) -> Fitting:
    keras.utils.set_random_seed(recipe.seed)
    stages = tuple(k for k in recipe.network.stages if k < 5)
    backbone = build_backbone(recipe.network.size, stages, weights)
    sources = [file_key(Path(str(module.__file__))) for module in (looks, synthesis, augmentation)]
    preprocessing = spec_of(recipe.preprocessing, recipe.network.size)
    key = key_of(file_key(work / CATALOG), preprocessing, sources, weights, stages, recipe.seed)
    fitting = Fitting(recipe, Catalog.read(work / CATALOG), Cache(work / "cache"), out, backbone, key, progress)
    if not any(r.dataset in JUDGED_ON and fitting.counts(r) for _, r in fitting.placed(Part.VALIDATION)):
        raise ValueError(f"no validation slices of {', '.join(JUDGED_ON)}: nothing to choose thresholds on")
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
        batches = MapBatches(maps, pictures.coverage, rows, batch=recipe.evidence.batch, seed=recipe.seed)
        fit_evidence(head, batches, settings=recipe.evidence, folder=fitting.out)
        save_file(weights_of(head), kept)
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


def _labels(fitting: Fitting, pictures: Pictures) -> np.ndarray:
    return np.array([fitting.catalog.records[k].label for k in pictures.records])


def _training_weights(fitting: Fitting, pictures: Pictures) -> np.ndarray:
    """What each look counts in the linear part and conv5; 0 outside the training part."""
    cells = np.array([cell_of(fitting.catalog.records[k]) for k in pictures.records])
    weights = np.zeros(len(cells))
    rows = fitting.rows(pictures, Part.TRAIN)
    labels = _labels(fitting, pictures)
    recipe = fitting.recipe
    weights[rows] = balanced_weights(
        cells[rows].tolist(),
        labels[rows],
        one_class_share=recipe.linear.one_class_share,
        cell_weights=recipe.label_weights,
    )
    return weights


def _linear(fitting: Fitting, pictures: Pictures, pooled: np.ndarray) -> Linear:
    weights = _training_weights(fitting, pictures)
    rows = np.flatnonzero(weights)
    scale = np.ones(pooled.shape[1])
    scale[-1] = _BIAS_SCALE
    fitting.progress(f"linear part on {len(rows)} looks")
    settings = fitting.recipe.linear
    fitted = fit_linear(pooled[rows] * scale, _labels(fitting, pictures)[rows], weights[rows], settings)
    return Linear(fitted.coefficients * scale, fitted.intercept)


def _with_conv5(
    fitting: Fitting, pictures: Pictures, pooled: dict[str, np.ndarray], linear: Linear
) -> tuple[keras.Model | None, np.ndarray]:
    """Conv5 where the recipe has it, and the logit of every look with all there is."""
    logits = linear(pooled["pooled"].astype(np.float32)).astype(np.float32)
    if 5 not in fitting.recipe.network.stages:
        return None, logits
    weights = _training_weights(fitting, pictures)
    attention = pooled["weights"].astype(np.float32)
    data = Conv5Data(pooled["map4"], attention, logits, _labels(fitting, pictures), weights)
    model = build_conv5(data, fitting.recipe.network)
    fitting.progress("training conv5")
    rows, recipe = np.flatnonzero(weights), fitting.recipe
    fit_conv5(model, data, rows, settings=recipe.conv5, folder=fitting.out, seed=recipe.seed)
    validation = fitting.rows(pictures, Part.VALIDATION)
    together = logits.copy()
    together[validation] = conv5_logits(model, data, validation)
    return model, together


def _check(fitting: Fitting, pictures: Pictures, logits: np.ndarray) -> None:
    """The assembled network gives the logits its parts gave: nothing was lost on the way."""
    network = build_network(fitting.recipe.network)
    load_weights(network, fitting.out / WEIGHTS)
    some = fitting.rows(pictures, Part.VALIDATION)[:16]
    found = network.predict_on_batch(pictures.images[some][..., None].astype(np.float32))["logit"]
    off = float(np.abs(np.asarray(found) - logits[some]).max())
    if not off < 0.05:
        raise ValueError(f"the assembled network is off by {off:.3f} in a logit")


def _judged(fitting: Fitting, pictures: Pictures, logits: np.ndarray) -> Scored:
    """Validation slices as served, of the data sets that thresholds are chosen on."""
    rows = [
        k
        for k in fitting.rows(pictures, Part.VALIDATION)
        if pictures.numbers[k] == 0 and fitting.catalog.records[pictures.records[k]].dataset in JUDGED_ON
    ]
    records = [fitting.catalog.records[pictures.records[k]] for k in rows]
    groups = [r.group if r.patient else "" for r in records]
    return Scored(logits[rows], np.array([r.label for r in records]), [r.dataset for r in records], groups)


def _run(fitting: Fitting, work: Path, pictures: Pictures, logits: np.ndarray, *, hours: float, start: str) -> Run:
    recipe = fitting.recipe
    judged = _judged(fitting, pictures, logits)
    weights = balanced_weights(judged.datasets, judged.labels, one_class_share=recipe.linear.one_class_share)
    slope, intercept = calibrate(judged.logits, judged.labels, weights)
    calibrated = Scored(slope * judged.logits + intercept, judged.labels, judged.datasets, judged.groups)
    left_out = "".join(f" --without {name}" for name in sorted(recipe.without))
    return Run(
        recipe=recipe.name,
        summary=recipe.summary,
        command=f"covidct-train fit {recipe.name} -w WORK -o RUN --backbone-weights {Path(start).name}{left_out}",
        seed=recipe.seed,
        date=datetime.now(UTC).date(),
        hours=hours,
        hardware=_hardware(),
        versions={name: version(name) for name in ("keras", "numpy", "scikit-learn")},
        backbone_weights=weights_label(start),
        network=recipe.network,
        preprocessing=spec_of(recipe.preprocessing, recipe.network.size),
        calibration=(slope, intercept),
        image=decide(calibrated.logits, calibrated.labels, weights),
        exam_rule=choose_exam_rule(calibrated, rests_on=_RESTS_ON),
        data=json.loads((work / "prepare.json").read_text(encoding="utf-8"))["counts"],
        limitations=recipe.limitations,
    )


def _hardware() -> str:
    return f"{keras.backend.backend()} on {platform.machine()}, {'GPU' if keras.distribution.list_devices('gpu') else 'CPU'}"
