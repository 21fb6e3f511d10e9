"""The limits of what a model judges at all: how training slices look, and how far from that a slice may be.

Fitted on slices of every training data set, without labels and without a single picture of anything else: what is no chest CT
was left for measuring.
"""

from collections.abc import Sequence

import keras
import numpy as np

from app.ct.fitness import FITNESS_FILE, TrainingFeatures
from app.ct.manifest import FitnessSpec
from app.ct.network import mean_features
from app.ct.preprocessing import make_preprocessor
from app.ct.selection import lung_area
from training.cache import key_of
from training.catalog import Part, Record
from training.features import Frozen
from training.fitting import Fitting
from training.run import RunError

DIRECTIONS = 96
"""Main directions kept; from 64 to 128 the limit separates chest CT from other pictures alike."""
REFUSED_SHARE = 0.005
"""Of validation slices that lie beyond the limit of distance, lungs found."""
LUNGLESS_SHARE = 0.01
"""Of training slices that have less lung than the least area; the data hold about as many slices of the upper abdomen."""
_LEAST_SCALE = 1e-3
_RESTS_ON = (
    "Distances are from {slices} training slices; {beyond:.1%} of {validation} validation slices lie beyond their limit."
    " {lungless:.0%} of the training slices have less than the least lung area. No picture of anything but chest CT was used."
)


def fit_fitness(fitting: Fitting) -> FitnessSpec:
    """Fit the limits, and write the training features beside the weights.

    Raises:
        RunError: there are no more training slices than directions.
    """
    placed = [(k, r) for k, r in fitting.placed(Part.TRAIN, Part.VALIDATION) if fitting.counts(r)]
    found = _measured(fitting, placed)
    records = [r for _, r in placed]
    training = np.array([r.part is Part.TRAIN for r in records])
    lungs = found["lung_found"]
    if (training & lungs).sum() <= DIRECTIONS:
        raise RunError(f"Limits of fitness need more than {DIRECTIONS} training slices with lung.")
    chosen = np.flatnonzero(training & lungs)
    features = fit_features(found["features"][chosen], [records[k].dataset for k in chosen], directions=DIRECTIONS)
    features.save(fitting.out / FITNESS_FILE)
    distance = features.distance(found["features"][~training & lungs])
    return FitnessSpec(
        file=FITNESS_FILE,
        least_lung_area=round(float(np.quantile(found["lung_area"][training], LUNGLESS_SHARE)), 4),
        distance_limit=round(float(np.quantile(distance, 1 - REFUSED_SHARE)), 3),
        rests_on=_RESTS_ON.format(
            slices=len(chosen), validation=len(distance), beyond=REFUSED_SHARE, lungless=LUNGLESS_SHARE
        ),
    )


def fit_features(features: np.ndarray, datasets: Sequence[str], *, directions: int) -> TrainingFeatures:
    """The spread of features, every data set counting by the square root of its slices.

    Args:
        features: float32 (slices, channels).
        datasets: of each slice.
        directions: main ones to keep, fewer than slices and channels.
    """
    _, owner, counts = np.unique(np.asarray(datasets), return_inverse=True, return_counts=True)
    weights = (1 / np.sqrt(counts[owner])) / np.sqrt(counts).sum()
    known = features.astype(np.float64)
    mean = weights @ known
    scale = np.sqrt(weights @ (known - mean) ** 2) + _LEAST_SCALE
    standard = (known - mean) / scale
    variance, axes = np.linalg.eigh((standard * weights[:, np.newaxis]).T @ standard)
    rest = variance[:-directions].sum() / (features.shape[1] - directions)
    kept = slice(None, -directions - 1, -1)
    arrays = (mean, scale, axes[:, kept], variance[kept], np.array([rest]))
    return TrainingFeatures(*(np.ascontiguousarray(a, dtype=np.float32) for a in arrays))


def _measured(fitting: Fitting, placed: Sequence[tuple[int, Record]]) -> dict[str, np.ndarray]:
    """Features, lung area and whether lungs were found, of every slice as it is served."""
    recipe = fitting.recipe
    fitting.progress(f"features of {len(placed)} slices")

    def make() -> dict[str, np.ndarray]:
        preprocessor = make_preprocessor(recipe.preprocessing, recipe.network.size)
        exams = [record.read() for _, record in placed]
        prepared = [preprocessor(exam.slices[0]) for exam in exams]
        pictures = np.stack([p.image for p in prepared])
        batches = _features_model(fitting.backbone).batches(pictures)
        return {
            "features": np.concatenate([batch["features"] for batch in batches]),
            "lung_area": np.array([lung_area(exam).max() for exam in exams]),
            "lung_found": np.array([p.lung_share > 0 for p in prepared]),
        }

    return fitting.cache.arrays("features", key_of(fitting.key, [k for k, _ in placed]), make)


def _features_model(backbone: keras.Model) -> Frozen:
    maps = {int(number): x for number, x in backbone.output.items()}
    return Frozen(keras.Model(backbone.input, {"features": mean_features(maps)}))
