"""Small data sets on disk: pictures that are alike only where a test wants them to be."""

import csv
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage


def a_gray(seed: int = 0, *, height: int = 48, width: int = 64) -> np.ndarray:
    """A blotchy uint8 picture; another seed, another picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 9), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), resample=Image.Resampling.BICUBIC))


def a_texture(seed: int = 0, *, height: int = 220, width: int = 260) -> np.ndarray:
    """A uint8 picture with detail at several sizes, as vessels are; another seed, another picture."""
    noise = np.random.default_rng(seed).normal(size=(3, height, width))
    layers = [ndimage.gaussian_filter(layer, sigma) * sigma for layer, sigma in zip(noise, (2, 4, 8), strict=True)]
    gray = np.sum(layers, axis=0)
    return np.asarray(np.clip(128 + 60 * gray / gray.std(), 0, 255), dtype=np.uint8)


def a_crop(gray: np.ndarray, *, top: float = 0, bottom: float = 0, left: float = 0, right: float = 0) -> np.ndarray:
    """A copy with these shares of height and width cut off."""
    height, width = gray.shape
    rows = slice(int(top * height), height - int(bottom * height))
    return gray[rows, int(left * width) : width - int(right * width)].copy()


def a_recoding(gray: np.ndarray, *, scale: float = 0.7, quality: int = 50) -> np.ndarray:
    """A smaller copy that was a JPEG in between."""
    size = max(8, int(gray.shape[1] * scale)), max(8, int(gray.shape[0] * scale))
    content = BytesIO()
    Image.fromarray(gray).resize(size, resample=Image.Resampling.BILINEAR).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content).convert("L"))


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
