"""How many cropped copies ``training.records.duplicates`` finds among real pictures, and how many strangers it takes for copies.

Run as ``python -m tests.proofs.copies``; on one core it takes some minutes. To all pictures of the data sets, whole exams
apart, are added copies of 100 pictures of each of four data sets: 5 to 20 % cut off every side, half of them mirrored,
scaled by .5 to 1.3, JPEG quality 50.
"""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.builders import shared_data
from tests.training.builders import a_crop, a_recoding
from training.records.duplicates import Fingerprint, pairs

DATASETS = ("covid-ct", "soares", "drenet", "luna")
COPIES = 100
SIDES = ("top", "bottom", "left", "right")


def main(folder: Path, *, seed: int = 5) -> None:
    """Print the table."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] != "exams"]
    rng = np.random.default_rng(seed)
    chosen: list[tuple[int, bool]] = []
    for members in members_of(rows).values():
        drawn = rng.choice(members, COPIES, replace=False).tolist()
        chosen += [(i, bool(rng.random() < 0.5)) for i in drawn]
    pictures = [np.asarray(Image.open(folder / row["file"]).convert("L")) for row in rows]
    fingerprints = [Fingerprint.of(picture) for picture in pictures]
    fingerprints += [Fingerprint.of(a_copy(pictures[i], rng, mirrored=mirrored)) for i, mirrored in chosen]
    tell(rows, [i for i, _ in chosen], {(p.first, p.second) for p in pairs(fingerprints)})


def tell(rows: Sequence[dict[str, str]], chosen: Sequence[int], found: Collection[tuple[int, int]]) -> None:
    """Print how many of the copies, numbered after ``rows``, were found, and what else was."""
    for place, (name, members) in enumerate(members_of(rows).items()):
        numbers = range(place * COPIES, (place + 1) * COPIES)
        hits = sum((chosen[n], len(rows) + n) in found for n in numbers)
        groups = Counter(rows[i]["group"] for i in members)
        apart = (len(members) ** 2 - sum(count**2 for count in groups.values())) // 2
        print(f"{name}: {hits} of {COPIES} copies found; {apart} pairs of pictures of different groups")
    alike = Counter(
        tuple(sorted((rows[i]["dataset"], rows[j]["dataset"])))
        for i, j in found
        if j < len(rows) and rows[i]["group"] != rows[j]["group"]
    )
    for names, count in sorted(alike.items()):
        print(f"{' and '.join(names)}: {count} pairs of different groups found alike")


def members_of(rows: Sequence[dict[str, str]]) -> dict[str, list[int]]:
    return {name: [i for i, row in enumerate(rows) if row["dataset"] == name] for name in DATASETS}


def a_copy(picture: np.ndarray, rng: np.random.Generator, *, mirrored: bool) -> np.ndarray:
    copy = a_crop(picture, **dict(zip(SIDES, rng.uniform(0.05, 0.2, 4), strict=True)))
    return a_recoding(copy[:, ::-1] if mirrored else copy, scale=rng.uniform(0.5, 1.3))


if __name__ == "__main__":
    main(shared_data())
