"""Runs as ``compare`` reads them: run.json, scores.csv and their digests, without a network."""

from pathlib import Path

import numpy as np

from tests.training.runs import a_run
from training.fitting.slice_scores import SliceScores
from training.run import WEIGHTS
from training.seal import seal


def scores(*, noise: float = 1.0, parts: tuple[str, ...] = ("train", "validation", "test")) -> SliceScores:
    """Two data sets, six groups of four slices in each part, scores that rise with the label."""
    rng = np.random.default_rng(0)
    count = 24 * len(parts)
    number = np.arange(2 * count) % count
    datasets = np.repeat(["covid-ct", "soares"], count)
    labels = number // 4 % 2
    logits = (2.0 * labels - 1 + noise * rng.normal(size=len(labels))).astype(np.float32)
    groups = np.array([f"{d}-{k // 4}" for d, k in zip(datasets, number, strict=True)])
    files = np.array([f"{d}/{k}.png" for d, k in zip(datasets, number, strict=True)])
    placed = np.array(parts)[number // 24]
    return SliceScores(files, datasets, groups, labels, placed, logits, placed == "train")


def a_compared_run(folder: Path, *, noise: float = 1.0, table: SliceScores | None = None, **changes: object) -> Path:
    """A finished run in ``folder``; ``changes`` to its run.json."""
    folder.mkdir(parents=True)
    a_run(**changes).write(folder)
    (folder / WEIGHTS).write_bytes(b"none are read")
    (table or scores(noise=noise)).write(folder)
    seal(folder)
    return folder
