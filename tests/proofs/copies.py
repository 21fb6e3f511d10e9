"""How many cropped copies `training.overlaps` finds among real pictures, and how many pairs of strangers it takes for copies.

Run as ``python -m tests.proofs.copies``; on one core it takes some minutes. Of 100 pictures each of four data sets a copy
is added to all pictures of the data sets: 5 to 20 % cut off every side, every second one mirrored, scaled by .5 to 1.3, JPEG
quality 50.
"""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from tests.builders import shared_data
from tests.training.builders import a_crop, a_recoding
from training.overlaps import Marks, overlaps

DATASETS = ("covid-ct", "soares", "drenet", "luna")
COPIES = 100
SIDES = ("top", "bottom", "left", "right")


def main(folder: Path, *, seed: int = 5) -> None:
    """Print the table."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] != "exams"]
    pictures = [np.asarray(Image.open(folder / row["file"]).convert("L")) for row in rows]
    rng = np.random.default_rng(seed)
    of_set = {name: [i for i, row in enumerate(rows) if row["dataset"] == name] for name in DATASETS}
    chosen = [int(i) for members in of_set.values() for i in rng.choice(members, COPIES, replace=False)]
    marks = [Marks.of(picture) for picture in pictures]
    marks += [Marks.of(a_copy(pictures[i], rng, mirrored=n % 2 == 1)) for n, i in enumerate(chosen)]
    found = {(o.first, o.second) for o in overlaps(marks)}
    for place, name in enumerate(of_set):
        numbers = range(place * COPIES, (place + 1) * COPIES)
        print(f"{name}: {sum((chosen[n], len(rows) + n) in found for n in numbers)} of {COPIES} copies found")
    apart = [(rows[i], rows[j]) for i, j in found if j < len(rows) and rows[i]["group"] != rows[j]["group"]]
    for names, count in sorted(Counter(tuple(sorted((a["dataset"], b["dataset"]))) for a, b in apart).items()):
        print(f"{' and '.join(names)}: {count} pairs of different groups found alike")
    for name, members in of_set.items():
        groups = Counter(rows[i]["group"] for i in members)
        pairs = (len(members) ** 2 - sum(count**2 for count in groups.values())) // 2
        print(f"{name}: {pairs} pairs of different groups in all")


def a_copy(picture: np.ndarray, rng: np.random.Generator, *, mirrored: bool) -> np.ndarray:
    copy = a_crop(picture, **dict(zip(SIDES, rng.uniform(0.05, 0.2, 4), strict=True)))
    return a_recoding(copy[:, ::-1] if mirrored else copy, scale=rng.uniform(0.5, 1.3))


if __name__ == "__main__":
    main(shared_data())
