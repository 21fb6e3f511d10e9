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
from training.measuring.localization import Mapped, lesion_share, measure_maps, relative
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
        share_correlation: mean rank correlation with the learned share of the logit, over pictures whose learned map has more
            than one value; a map drawn anew that has but one is like nothing, and counts 0.
        heat_correlation: the same of its positive part, which is what is shown.
        evidence_correlation: the same of the map of evidence.
        n_heat: pictures whose learned heat map is not empty, which the correlation of heat is of.
        n_emptied: of those, how many have an empty one now.
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
    n_heat: int
    n_emptied: int


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
    drawn = _mapped(maps, pictures)
    pointing = measure_maps(drawn, draws=bootstrap.draws, seed=bootstrap.seed) if drawn else {}
    heated = _has_values(learned.heat)
    return Stage(
        randomized=name,
        n=len(pictures),
        groups=len(set(groups)),
        share_correlation=_correlation(maps.share, learned.share, groups, bootstrap),
        heat_correlation=_correlation(maps.heat, learned.heat, groups, bootstrap),
        evidence_correlation=_correlation(maps.evidence, learned.evidence, groups, bootstrap),
        pointing_game=pointing.get("pointing_game", NONE),
        energy_in_lesion=pointing.get("energy_in_lesion", NONE),
        by_chance=_mean([lesion_share(m) for m in drawn], [m.group for m in drawn], bootstrap),
        n_lesions=len(drawn),
        n_heat=int(heated.sum()),
        n_emptied=int((heated & ~_has_values(maps.heat)).sum()),
    )


def _has_values(maps: np.ndarray) -> np.ndarray:
    """Whether a map has more than one value: bool (pictures,)."""
    return np.asarray(np.ptp(maps.reshape(len(maps), -1), axis=1) > 0)


def _correlation(maps: np.ndarray, learned: np.ndarray, groups: Sequence[str], bootstrap: Bootstrap) -> Interval:
    """Mean of Spearman's over the pictures whose learned map has more than one value: of one value none is like another."""
    kept = np.flatnonzero(_has_values(learned)).tolist()
    found = [_ranks_alike(maps[k].ravel(), learned[k].ravel()) for k in kept]
    return _mean(found, [groups[k] for k in kept], bootstrap)


def _ranks_alike(drawn: np.ndarray, learned: np.ndarray) -> float:
    return 0.0 if np.ptp(drawn) == 0 else float(stats.spearmanr(drawn, learned).statistic)


def _mapped(maps: _Maps, pictures: Sequence[Picture]) -> list[Mapped]:
    """The heat on the slices where people drew lesions."""
    return [
        Mapped(relative(enlarged(heat, p.box, (p.lesion.shape[0], p.lesion.shape[1]))), p.lesion, p.group, box=p.box)
        for heat, p in zip(maps.heat, pictures, strict=True)
        if p.lesion is not None
    ]


def _mean(values: Sequence[float], groups: Sequence[str], bootstrap: Bootstrap) -> Interval:
    """The mean with an interval by group; None of nothing."""
    if not values:
        return NONE
    found, names = np.array(values), np.array(groups, dtype=np.str_)
    drawn = resample(lambda weights: weights @ found / weights.sum(axis=1), names, bootstrap.draws, bootstrap.seed)
    return percentiles(float(found.mean()), drawn, groups=len(set(groups)))
