"""Do the maps depend on what was learned? The same network with its weights drawn anew, from the head down, stage by stage.

A map that stays as it was when the network has forgotten everything shows the picture, not the reason for the answer.

Source: Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: the cascading randomization of section 3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from app.ct.heatmap import enlarged
from app.ct.manifest import NetworkSpec
from training.audits.changes import NONE, Bootstrap
from training.measuring.localization import Mapped, measure_maps, relative
from training.metrics.evaluation import Interval, percentiles
from training.metrics.evaluation import bootstrap as resample

if TYPE_CHECKING:
    import keras

LEARNED = "as trained"
_STAGES = ("head", "conv5", "conv4", "conv3", "conv2", "conv1")
"""From the top: what the names of a stage's layers begin with."""
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """A prepared slice, and where people drew lesions on it.

    Attributes:
        image: uint8 (size, size).
        box: the region of the slice it shows: top, left, bottom, right.
        lesion: bool (height, width) of the slice, with a lesion; None where nobody drew.
        group: what is resampled as one.
    """

    image: np.ndarray
    box: tuple[int, int, int, int]
    lesion: np.ndarray | None
    group: str


@dataclass(frozen=True)
class Stage:
    """What became of the maps when everything from the top down to one stage was drawn anew.

    Attributes:
        randomized: the lowest stage that was drawn anew, or ``LEARNED``.
        n, groups: pictures.
        share_correlation: mean over pictures of the rank correlation with the learned share of the logit.
        heat_correlation: the same of its positive part, which is what is shown.
        evidence_correlation: the same of the map of evidence.
        pointing_game, energy_in_lesion: of the heat, where lesions were drawn; else None.
        by_chance: mean share of the prepared region that is lesion: a blind map's pointing game.
        n_lesions: pictures with drawn lesions.
    """

    randomized: str
    n: int
    groups: int
    share_correlation: Interval
    heat_correlation: Interval
    evidence_correlation: Interval
    pointing_game: Interval
    energy_in_lesion: Interval
    by_chance: Interval
    n_lesions: int


@dataclass(frozen=True, eq=False)
class _Maps:
    """float32 (pictures, rows, columns) each."""

    share: np.ndarray
    evidence: np.ndarray

    @property
    def heat(self) -> np.ndarray:
        return np.asarray(np.maximum(self.share, 0.0))


def cascade(spec: NetworkSpec, weights: Path, pictures: Sequence[Picture], *, bootstrap: Bootstrap) -> Iterator[Stage]:
    """Draw the network's weights anew from the top, one stage more each time, and compare its maps.

    Args:
        spec: of the network.
        weights: its learned ones.
        pictures: at least one.
        bootstrap: of the intervals; its seed also draws the new weights.

    Yields:
        The learned network, then with one stage more each time.
    """
    learned = _maps(spec, weights, (), pictures, seed=bootstrap.seed)
    yield _stage(LEARNED, learned, learned, pictures, bootstrap)
    present = [s for s in _STAGES if s == "head" or int(s[-1]) <= max(spec.stages)]
    for k, name in enumerate(present):
        drawn = _maps(spec, weights, tuple(present[: k + 1]), pictures, seed=bootstrap.seed)
        yield _stage(name, drawn, learned, pictures, bootstrap)


def _maps(
    spec: NetworkSpec, weights: Path, randomized: tuple[str, ...], pictures: Sequence[Picture], *, seed: int
) -> _Maps:
    network = randomized_network(spec, weights, randomized, seed=seed)
    images = np.stack([p.image for p in pictures])[..., None].astype(np.float32)
    # Called as it stands: compiling seven networks would take longer than running each on a few pictures.
    outputs = [network(images[k : k + _BATCH], training=False) for k in range(0, len(images), _BATCH)]
    return _Maps(*(np.concatenate([_array(o[name]) for o in outputs]) for name in ("share", "evidence")))


def _array(tensor: object) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))


def randomized_network(spec: NetworkSpec, weights: Path, randomized: tuple[str, ...], *, seed: int) -> "keras.Model":
    """The network with learned weights, but for layers whose names begin with ``randomized``: these are as before training."""
    import keras

    from app.ct.network import build_network
    from app.ct.weights import load_weights

    keras.utils.set_random_seed(seed)
    network = build_network(spec)
    kept = frozenset(layer.name for layer in network.layers if not layer.name.startswith(randomized))
    load_weights(network, weights, only_layers=kept)
    return network


def _stage(name: str, maps: _Maps, learned: _Maps, pictures: Sequence[Picture], bootstrap: Bootstrap) -> Stage:
    groups = [p.group for p in pictures]
    pointing = _pointing(maps, pictures, bootstrap)
    drawn = [p for p in pictures if p.lesion is not None]
    return Stage(
        randomized=name,
        n=len(pictures),
        groups=len(set(groups)),
        share_correlation=_mean(_correlations(maps.share, learned.share), groups, bootstrap),
        heat_correlation=_mean(_correlations(maps.heat, learned.heat), groups, bootstrap),
        evidence_correlation=_mean(_correlations(maps.evidence, learned.evidence), groups, bootstrap),
        pointing_game=pointing.get("pointing_game", NONE),
        energy_in_lesion=pointing.get("energy_in_lesion", NONE),
        by_chance=_mean([_lesion_in_box(p) for p in drawn], [p.group for p in drawn], bootstrap),
        n_lesions=len(drawn),
    )


def _correlations(maps: np.ndarray, learned: np.ndarray) -> list[float]:
    """Spearman's for each picture; 0 where one of the two maps is of one value, which tells nothing of the other."""
    return [_correlation(a.ravel(), b.ravel()) for a, b in zip(maps, learned, strict=True)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.min() == a.max() or b.min() == b.max():
        return 0.0
    return float(stats.spearmanr(a, b).statistic)


def _pointing(maps: _Maps, pictures: Sequence[Picture], bootstrap: Bootstrap) -> dict[str, Interval]:
    mapped = [
        Mapped(relative(enlarged(heat, p.box, (p.lesion.shape[0], p.lesion.shape[1]))), p.lesion, p.group)
        for heat, p in zip(maps.heat, pictures, strict=True)
        if p.lesion is not None
    ]
    return measure_maps(mapped, draws=bootstrap.draws, seed=bootstrap.seed) if mapped else {}


def _lesion_in_box(picture: Picture) -> float:
    if picture.lesion is None:
        raise ValueError("nobody drew lesions on the picture")
    top, left, bottom, right = picture.box
    return float(picture.lesion[top:bottom, left:right].mean())


def _mean(values: Sequence[float], groups: Sequence[str], bootstrap: Bootstrap) -> Interval:
    """The mean with an interval by group; None of nothing."""
    if not values:
        return NONE
    found, names = np.array(values), np.array(groups, dtype=np.str_)
    drawn = resample(lambda weights: weights @ found / weights.sum(axis=1), names, bootstrap.draws, bootstrap.seed)
    return percentiles(float(found.mean()), drawn, groups=len(set(groups)))
