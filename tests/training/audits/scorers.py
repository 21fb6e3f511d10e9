"""Classifiers that look at one thing only, and chests to show them."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from app.ct.exam import Exam, Slice
from app.ct.lungs import find_lungs
from app.ct.phantom import phantom
from app.ct.precision import Precision
from app.ct.preprocessing import LungBox, Prepared
from app.ct.scores import SliceScores
from app.ct.windowing import LUNG
from tests.fakes import a_manifest

_RIM = 3
_SIZE = 192


def rim(prepared: Prepared) -> float:
    """Mean of the uppermost rows, where nothing is but the chest's wall."""
    return float(prepared.image[:_RIM].mean())


def lungs(prepared: Prepared) -> float:
    return float(prepared.image[prepared.lung].mean())


class LooksAt:
    """The brighter what it looks at, the more COVID-19; it knows slices darker than ``unlike_below`` as unlike training."""

    engine_name = "fake"
    on_gpu = False
    precision: Precision = "bf16"

    def __init__(self, look: Callable[[Prepared], float]) -> None:
        self.manifest = a_manifest(least_lung_area=0.01)
        self._look, self._preprocessor = look, LungBox(size=96)

    def prepare(self, ct_slice: Slice) -> Prepared:
        return self._preprocessor(ct_slice)

    def score_prepared(self, prepared: Sequence[Prepared]) -> SliceScores:
        count = len(prepared)
        return SliceScores(
            tuple(range(count)),
            logits=np.array([(self._look(p) - 128) / 20 for p in prepared], dtype=np.float32),
            share=np.zeros((count, 6, 6), np.float32),
            evidence=np.zeros((count, 6, 6), np.float32),
            boxes=np.array([p.box for p in prepared], dtype=np.int32),
            evidence_in_lung=np.ones(count, np.float32),
            lung_found=np.array([p.lung_share > 0 for p in prepared]),
            distance=np.full(count, 0.5, np.float32),
        )


def a_chest(seed: int = 0, *, ill: int = 0, marked: int = 0) -> np.ndarray:
    """uint8 (192, 192): with lesions where ``ill``, with a white stripe above the lungs where ``marked``."""
    drawn = phantom(slices=7, lesions="many" if ill else "none", seed=seed, size=_SIZE)
    index = int(drawn.lesions.sum(axis=(1, 2)).argmax()) if ill else 3
    gray = LUNG.gray(drawn.hu[index])
    found = find_lungs(gray)
    assert found is not None
    if marked:
        top, left, _, right = found.box
        gray[max(0, top - 8) : top - 1, left:right] = 255
    return gray


def chests(folder: Path, looks: Sequence[dict[str, int]], *, dataset: str = "phantoms") -> Path:
    """A data set of a chest for each of ``looks`` (label, and what ``a_chest`` takes)."""
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "dataset", "group"))
        for number, look in enumerate(looks):
            drawn = {name: value for name, value in look.items() if name != "label"}
            Image.fromarray(a_chest(number, **drawn)).save(folder / f"{number}.png")
            writer.writerow((f"{number}.png", look["label"], dataset, f"patient {number}"))
    return folder


def an_exam_of(*grays: np.ndarray) -> Exam:
    return Exam.of([Slice(gray) for gray in grays])
