"""The generated foreign uploads: each kind drawn from seeds, as JPEG or PNG, and as DICOM where machines send it.

``python -m tests.foreign.generated OUT`` writes them with a ``manifest.csv`` as `tests.foreign.gather` does.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    UltrasoundImageStorage,
)

from app.ct.phantom import phantom
from app.ct.reading import NamedFile
from app.ct.windowing import LUNG, Window
from tests.builders import a_dicom, a_jpeg, a_png
from tests.foreign import everyday, radiology
from tests.foreign.canvas import gray, resized

Draw = Callable[[np.random.Generator], np.ndarray]

BONE, BRAIN, SOFT_TISSUE = Window(600.0, 2800.0), Window(40.0, 80.0), Window(40.0, 400.0)
SLICES = 8
SLICE_GAP_MM = 5.0


@dataclass(frozen=True)
class Upload:
    """What one request sends: ``kind`` and ``seed`` say how to draw it again."""

    kind: str
    seed: int
    files: tuple[NamedFile, ...] = field(repr=False)


def _shown(body: Callable[..., np.ndarray], *windows: Window) -> Draw:
    """One slice of a body in HU, anywhere along it, in one of the windows."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        hu = body(rng, size=int(rng.choice((256, 320, 384))), height=rng.random())
        return windows[rng.integers(len(windows))].gray(hu)

    return draw


def _film(body: Callable[..., np.ndarray]) -> Draw:
    return lambda rng: gray(body(rng, size=int(rng.choice((256, 320, 384)))))


def _reformatted(axis: int) -> Draw:
    """A chest cut along the body instead of across it: 1 coronal, 2 sagittal."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        chest = _chest(int(rng.integers(3)))
        index = int(rng.uniform(0.25, 0.75) * chest.shape[axis])
        hu = resized(np.take(chest, index, axis=axis), int(rng.choice((256, 320, 384))))
        return (LUNG, SOFT_TISSUE)[rng.integers(2)].gray(hu)

    return draw


@cache
def _chest(seed: int) -> np.ndarray:
    return phantom(slices=96, size=96, seed=seed).hu


PICTURES: dict[str, Draw] = {
    "scene": everyday.scene,
    "shapes": everyday.shapes,
    "page": everyday.page,
    "chart": everyday.chart,
    "barcode": everyday.barcode,
    "screenshot": everyday.screenshot,
    "blank": everyday.blank,
    "noise": everyday.noise,
    "xray-chest": _film(radiology.chest_xray),
    "xray-limb": _film(radiology.limb_xray),
    "ultrasound": _film(radiology.ultrasound),
    "mr-brain": _film(radiology.brain_mr),
    "mr-abdomen": _film(radiology.abdomen_mr),
    "ct-head": _shown(radiology.head_ct, BRAIN, BONE, LUNG),
    "ct-abdomen": _shown(radiology.abdomen_ct, SOFT_TISSUE, LUNG, BONE),
    "ct-legs": _shown(radiology.legs_ct, SOFT_TISSUE, LUNG, BONE),
    "chest-coronal": _reformatted(1),
    "chest-sagittal": _reformatted(2),
}

TAGGED: dict[str, tuple[Callable[..., np.ndarray], str, UID]] = {
    "dicom-mr-brain": (radiology.brain_mr, "MR", MRImageStorage),
    "dicom-mr-abdomen": (radiology.abdomen_mr, "MR", MRImageStorage),
    "dicom-cr-chest": (radiology.chest_xray, "CR", ComputedRadiographyImageStorage),
    "dicom-dx-limb": (radiology.limb_xray, "DX", DigitalXRayImageStorageForPresentation),
    "dicom-us": (radiology.ultrasound, "US", UltrasoundImageStorage),
    "dicom-pt": (radiology.abdomen_mr, "PT", PositronEmissionTomographyImageStorage),
}
"""Exams whose tags say that they are no CT."""

UNTAGGED = {"ct-head": radiology.head_ct, "ct-abdomen": radiology.abdomen_ct, "ct-legs": radiology.legs_ct}
"""CT exams that name no body part: only what they show tells."""


def pictures(seeds: range) -> Iterator[Upload]:
    """Single pictures: every other seed a JPEG, the rest PNG."""
    for kind, draw in PICTURES.items():
        for seed in seeds:
            drawn = draw(_rng(kind, seed))
            name, content = ("a.png", a_png(drawn)) if seed % 2 else ("a.jpg", a_jpeg(drawn, quality=90))
            yield Upload(kind, seed, (NamedFile(name, content),))


def tagged_exams(seeds: range) -> Iterator[Upload]:
    """DICOM of other machines, three images each."""
    for kind, (body, modality, storage) in TAGGED.items():
        for seed in seeds:
            rng = _rng(kind, seed)
            stored = [gray(body(rng, size=192)).astype(np.uint16) for _ in range(3)]
            files = [
                a_dicom(
                    stored=image, z_mm=-SLICE_GAP_MM * i, Modality=modality, SOPClassUID=storage, InstanceNumber=i + 1
                )
                for i, image in enumerate(stored)
            ]
            yield Upload(kind, seed, _named(files, ".dcm"))


def untagged_exams(seeds: range) -> Iterator[Upload]:
    """CT of other parts, feet last: as DICOM without a body part, and as JPEG in the lung window."""
    for kind, body in UNTAGGED.items():
        for seed in seeds:
            # One person's slices differ by height alone, and each has its own noise.
            drawn = [body(_rng(kind, seed), size=192, height=height) for height in np.linspace(0.95, 0.05, SLICES)]
            yield Upload(f"dicom-{kind}", seed, _named([_ct_file(hu, i) for i, hu in enumerate(drawn)], ".dcm"))
            yield Upload(f"jpeg-{kind}", seed, _named([a_jpeg(LUNG.gray(hu), quality=90) for hu in drawn], ".jpg"))


def _ct_file(hu: np.ndarray, index: int) -> bytes:
    stored = np.clip(np.rint(hu) + 1024, 0, 4095).astype(np.uint16)
    return a_dicom(
        stored=stored,
        z_mm=-SLICE_GAP_MM * index,
        SOPClassUID=CTImageStorage,
        PixelSpacing=[2, 2],
        InstanceNumber=index + 1,
    )


def _named(contents: list[bytes], suffix: str) -> tuple[NamedFile, ...]:
    return tuple(NamedFile(f"{n:03d}{suffix}", content) for n, content in enumerate(contents, start=1))


def _rng(kind: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *kind.encode()])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the generated foreign pictures.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=25, help="pictures of each kind")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with (asked.out / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "dataset", "label", "source", "flags", "kind", "package"))
        for upload in (*pictures(range(asked.seeds)), *untagged_exams(range(asked.seeds))):
            path = _written(upload, asked.out)
            writer.writerow((path.relative_to(asked.out), "foreign", 0, "generated", "", upload.kind, ""))


def _written(upload: Upload, out: Path) -> Path:
    """The picture's file, or the folder of an exam's."""
    folder = out / upload.kind
    if len(upload.files) > 1:
        folder /= f"{upload.seed:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in upload.files:
        name = file.name if len(upload.files) > 1 else f"{upload.seed:03d}{Path(file.name).suffix}"
        (folder / name).write_bytes(file.read())
    return folder if len(upload.files) > 1 else folder / name


if __name__ == "__main__":
    main()
