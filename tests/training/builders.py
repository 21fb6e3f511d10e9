"""Small data sets on disk: pictures that are alike only where a test wants them to be."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def a_gray(seed: int = 0, *, height: int = 48, width: int = 64) -> np.ndarray:
    """A blotchy uint8 picture; another seed, another picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 9), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), resample=Image.Resampling.BICUBIC))


def a_data_set(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Write manifest.csv, and a PNG for each row; key ``seed`` (default: the row's number) says which picture."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, row in enumerate(rows):
        seed = int(str(row.get("seed", number)))
        listed.append({"file": f"{number:03}.png", "label": number % 2} | {k: v for k, v in row.items() if k != "seed"})
        path = folder / str(listed[-1]["file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(a_gray(seed)).save(path)
    columns = list(dict.fromkeys(column for row in listed for column in row))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(listed)
    return folder
